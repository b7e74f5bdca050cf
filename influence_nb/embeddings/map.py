"""A map of texts: their vectors, their places in two dimensions, and who is really near whom.

It knows encoders and projections; it does not know the widget that shows it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.embeddings import export, picture
from influence_nb.embeddings.answers import Answers
from influence_nb.embeddings.columns import MOST_CATEGORIES, count_categories
from influence_nb.embeddings.encode import open_encoder
from influence_nb.embeddings.project import Projection, checked, find_projection
from influence_nb.embeddings.quality import Quality, measure
from influence_nb.embeddings.table import OWN, table
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.embeddings.vectors import brought, check_finite
from influence_nb.errors import CapabilityMissing, InvalidData
from influence_nb.picture import image_html

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]


class EmbeddingMap(Answers):
    """Texts, their vectors and their places on a plane. `EmbeddingExplorer(map)` is its interactive view.

    Attributes:
        text: the column that holds the texts.
        vectors: (n, d) float32, row by row as in `frame`.
        encoder: what made them, and embeds typed texts; None where the vectors were brought and no encoder with them.
        cut: the rows whose texts are longer than the encoder reads: the rest of them is not in their vectors.
        projection: the name of the projection in use, "umap", "tsne" or "pca".
        seed: what the projection draws its random numbers from.
    """

    def __init__(
        self,
        data: pandas.DataFrame | Iterable[Any] | Path,
        text: str = "text",
        encoder: TextEncoder | str | Path | None = None,
        projection: str = "umap",
        seed: int = 0,
        on_progress: Callable[[int, int], None] | None = None,
        vectors: Any = None,
    ) -> None:
        """Embed the texts, or take the vectors that are given, and lay them out.

        Vectors that the encoder computed for the same texts before are reused (`Encoder.encode`, `cache`).

        Args:
            data: a list of texts, of dicts or of (text, label) pairs, a DataFrame, a data set of `datasets`, or a file
                (see `inb.read_texts`). Columns called x and y are replaced by the map's own; names become strings.
            text: the column that holds the texts.
            encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`.
            projection: "umap", "tsne" or "pca".
            seed: 0 to 2**32 - 1; the same seed gives the same picture twice.
            on_progress: called with (texts embedded, texts in all).
            vectors: one's own, a row each: an array (n, d), a file that `numpy.save` wrote, or the name of a column
                that holds them, which is then no column of the map. Float32 is taken as it is, without a copy: leave it
                as it is from then on. An `encoder` beside them embeds typed texts.

        Raises:
            InvalidData: no rows, no such column, texts that are not strings, columns whose names cannot be
                told apart or are taken (rank, similarity), no such projection, seed or encoder; vectors of
                different lengths, with NaN or infinite numbers, or not one a row.
        """
        find_projection(projection)
        self.seed = whole("seed", seed, 0, 2**32 - 1)
        self._table = table(data, text)
        self.text = str(text)
        self.projection = projection
        self.encoder: TextEncoder | None
        if isinstance(encoder, TextEncoder):
            self.encoder = encoder
        else:
            self.encoder = None if encoder is None and vectors is not None else open_encoder(encoder)
        self.vectors: Floats
        self.cut: tuple[int, ...] = ()
        if vectors is None:
            assert self.encoder is not None
            made = self.encoder.encoded(list(self._table[self.text]), on_progress=on_progress, cache=True)
            self.vectors, self.cut = made.vectors, made.cut
            check_finite(self.vectors)
        else:
            self.vectors = brought(vectors, self._table)
            if isinstance(vectors, str) and vectors in self._table.columns.drop(self.text):
                self._table = self._table.drop(columns=vectors)
        self._forget()
        self._projections: dict[str, Projection] = {}
        self._projecting = threading.Lock()
        self._told: dict[str, dict[str, float]] = {}
        self._qualities: dict[tuple[str, int | None], tuple[Projection, Quality]] = {}
        self.project(projection)

    def encode(
        self, texts: str | Sequence[str], on_progress: Callable[[int, int], None] | None = None
    ) -> Floats:
        """The vectors of further texts, (m, d), by the map's encoder.

        Raises:
            CapabilityMissing: the map's vectors were brought, and no encoder with them.
        """
        if self.encoder is None:
            raise CapabilityMissing(
                "Nothing here can embed a text: this map's vectors were brought.",
                "Give their encoder too: EmbeddingMap(data, vectors=..., encoder=...).",
            )
        return self.encoder.encode(texts, on_progress=on_progress)

    def project(self, name: str | None = None, **parameters: float) -> Projection:
        """The layout by a projection, computed the first time it is asked for.

        Args:
            name: "umap", "tsne" or "pca"; None is the one in use.
            parameters: lay it out anew where they are not those of now, and keep that: neighbours (2 to 200) and
                min_dist (0 to 1) for UMAP, perplexity (2 to 200) for t-SNE.

        Raises:
            InvalidData: no such projection or parameter, or a value out of its range.
        """
        name = self.projection if name is None else name
        method = find_projection(name)
        checked(name, parameters)
        with self._projecting:
            told = checked(name, self._told.get(name, {}) | parameters)
            if self._told.get(name) != told:
                self._projections[name] = method(self.vectors, self.seed, **told)
                self._told[name] = told
            return self._projections[name]

    def parameters(self, projection: str | None = None) -> dict[str, float]:
        """What a projection is told: {parameter: value}, as `project` takes them.

        Raises:
            InvalidData: no such projection.
        """
        name = self.projection if projection is None else projection
        return checked(name, self._told.get(name, {}))

    def quality(
        self,
        k: int | None = None,
        projection: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Quality:
        """How far the picture can be trusted, point by point: computed the first time it is asked for.

        Args:
            k: how many neighbours of each text, from 1 to below half of their number; None takes 15, or as many as
                there can be.
            projection: "umap", "tsne" or "pca"; None is the one in use.
            on_progress: called with (texts measured, texts in all).
            cancel: set it from another thread to stop.

        Raises:
            InvalidData: fewer than three texts, no such k or projection.
            InfluenceError: it was cancelled.
        """
        name = self.projection if projection is None else projection
        layout = self.project(name)
        known = self._qualities.get((name, k))
        if known is None or known[0] is not layout:  # laid out anew since
            known = layout, measure(layout.points, self.vectors, k, on_progress, cancel)
            self._qualities[name, k] = known
        return known[1]

    def measured(self, projection: str | None = None) -> Quality | None:
        """The quality of a projection as it is laid out now, with the usual k; None where nobody has measured it."""
        name = self.projection if projection is None else projection
        known = self._qualities.get((name, None))
        return known[1] if known is not None and known[0] is self._projections.get(name) else None

    @property
    def frame(self) -> pandas.DataFrame:
        """The data with the columns x and y, their places by the projection in use; rows count from 0."""
        points = self.project().points
        return self._table.assign(x=points[:, 0], y=points[:, 1])

    @property
    def columns(self) -> list[str]:
        """The columns that came with the texts."""
        return [column for column in self._table.columns if column != self.text]

    @property
    def colour_column(self) -> str | None:
        """The first column with two or more different values, few enough to tell apart; None when there is none."""
        counts = ((c, count_categories(self._table[c])) for c in self.columns)
        return next((column for column, count in counts if 2 <= count <= MOST_CATEGORIES), None)

    def __len__(self) -> int:
        return len(self._table)

    def save(
        self,
        path: str | Path,
        rows: Sequence[int] | None = None,
        color: str | pandas.Series[Any] | None = None,
        projection: str | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the map to a file; the end of its name says as what.

        `.npy` is the vectors, (n, d) float32; `.parquet` the data with x, y and a column `vector`; `.png` and `.svg`
        the picture; `.html` a page to look around in that needs neither a network nor a kernel.

        Args:
            path: where to. "~" is one's own folder.
            rows: only these, by number; None for all.
            color: the column that colours a picture, and a page at first; None takes `colour_column`. A Series (n,) is
                a column of one's own, written beside the others: `Series(map.clusters().column, name="cluster")`.
            projection: "umap", "tsne" or "pca"; None is the one in use.
            overwrite: whether a file that is there may be replaced.

        Returns:
            The file's path.

        Raises:
            InvalidData: no such kind of file, column, row or projection, or the file is there already or cannot be
                written; what was there is then kept.
        """
        return export.save(self, path, rows, color, projection, overwrite)

    def place(self, texts: str | Sequence[str]) -> Floats:
        """Where further texts go on the map in use: (m, 2). The points that are there do not move.

        With UMAP a place is approximate, and depends a little on the texts that are placed with it; a text of the map
        comes to its own point.

        Raises:
            CapabilityMissing: the projection has no place for them, as t-SNE.
        """
        return self.project().place(self.encode(texts))

    def title(self, projection: str | None = None) -> str:
        """What the map is: projection, how many texts, encoder and seed, in one line."""
        shown = self.project(projection)
        seed = f", seed {self.seed}" if shown.title != "PCA" else ""
        count = f"{len(self):,} text{'s' if len(self) != 1 else ''}"
        source = (
            "by vectors that were brought" if self.encoder is None else f"embedded by {self.encoder.name}"
        )
        return f"{shown.title} of {count}, {source}{seed}"

    def plot(
        self,
        color: str | None = None,
        label: str = "direct",
        ax: Axes | None = None,
        highlight: int | str | Sequence[int | str] | None = None,
        projection: str | None = None,
    ) -> Figure:
        """A picture of the map for papers, reports and notebooks that run without a person.

        Args:
            color: a column; None takes `colour_column`.
            label: "direct" names the categories on the map, "legend" beside it, "none" nowhere.
            ax: draw here instead of in a new figure.
            highlight: row numbers to ring, or texts, which are embedded and placed now.
            projection: "umap", "tsne" or "pca"; None is the one in use.

        Returns:
            The matplotlib figure; its background is transparent.

        Raises:
            InvalidData: no such column, row, projection or way to label.
        """
        color = self.colour_column if color is None else self._column(color)
        layout = self.project(projection)
        return picture.draw(
            layout.points,
            layout.axes,
            self.title(projection),
            values=None if color is None else self._table[color],
            label=label,
            marks=self._marks(highlight, layout),
            ax=ax,
        )

    def _repr_html_(self) -> str:
        return image_html(self.plot(), self.title())

    def __repr__(self) -> str:
        return f"EmbeddingMap({self.title()})"

    def _marks(
        self, highlight: int | str | Sequence[int | str] | None, layout: Projection
    ) -> list[tuple[Floats, str]]:
        if highlight is None:
            return []
        single = isinstance(highlight, str) or not isinstance(highlight, Iterable)
        marks = []
        for item in [highlight] if single else highlight:  # type: ignore[union-attr]
            if isinstance(item, str):
                marks.append((layout.place(self.encode(item))[0], item))
            else:
                row = self._row(item)  # type: ignore[arg-type]
                marks.append((layout.points[row], str(self._table[self.text].iloc[row])))
        return marks

    def _column(self, name: str) -> str:
        name = str(name)
        if name not in self._table.columns or name in OWN:
            raise InvalidData(
                f"There is no column {name!r} to colour by.",
                f"There are: {', '.join(self.columns) or 'none beside the text'}.",
            )
        return name
