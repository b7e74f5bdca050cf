"""What can be asked of texts and their vectors: who is near whom, which belong together, which stand alone.

It knows a table and vectors; it does not know how they are laid out.
"""

from __future__ import annotations

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import real, whole
from influence_nb.embeddings.clusters import Clusters, enough, fewer, find_among, told
from influence_nb.embeddings.filters import matching
from influence_nb.embeddings.finds import best, ranked, repeated
from influence_nb.embeddings.neighbours import OnCompared, first_near, lengths, nearest, similarities
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float32]


class Answers(ABC):
    """The part of an `EmbeddingMap` that answers questions; what took long to find is kept."""

    text: str
    vectors: Floats
    seed: int
    _table: pandas.DataFrame

    @abstractmethod
    def encode(self, texts: str | Sequence[str]) -> Floats:
        """The vectors of further texts, (m, d)."""

    def __len__(self) -> int:
        return len(self._table)

    def _forget(self) -> None:
        self._lengths: Floats | None = None
        self._clusters: dict[int, Clusters] = {}
        self._reduced: Floats | None = None
        self._near: tuple[float, NDArray[np.intp], Floats] | None = None
        self._alone: dict[int, Floats] = {}

    def neighbours(self, item: int | str, k: int = 10) -> pandas.DataFrame:
        """The texts nearest to a row or to a typed text, by cosine similarity in full space.

        Args:
            item: a row number, or any text, which is embedded now.
            k: how many; a row is not its own neighbour.

        Returns:
            One row a neighbour, the nearest first, the index its row number: rank (from 1), similarity (-1 to
            1), the text and the other columns.

        Raises:
            InvalidData: no such row, or k below 1.
        """
        if isinstance(item, str):
            rows, found = self._nearest(self.encode(item), k)
        else:
            row = self._row(item)
            rows, found = self._nearest(self.vectors[[row]], k, skip=np.array([row]))
        return ranked(self._table, rows[0], found[0])

    def neighbours_of_vector(self, vector: Floats, k: int = 10) -> pandas.DataFrame:
        """As `neighbours`, for a vector (d,) of the same encoder."""
        rows, found = self._nearest(vector[None], k)
        return ranked(self._table, rows[0], found[0])

    def similarities(self, item: int | str | Floats) -> Floats:
        """The cosine similarity of every text to one, -1 to 1: (n,).

        Args:
            item: a row number, any text, which is embedded now, or a vector (d,) of the same encoder.

        Raises:
            InvalidData: no such row, or a vector of another length.
        """
        if isinstance(item, str):
            vector = self.encode(item)[0]
        elif isinstance(item, np.ndarray) and item.ndim:
            vector = item
        else:
            vector = self.vectors[self._row(item)]
        return similarities(np.asarray(vector, np.float32), self.vectors, self._sizes())

    def most_similar(
        self,
        similarities: Floats,
        k: int | None = None,
        least: float | None = None,
        among: NDArray[np.bool_] | None = None,
    ) -> pandas.DataFrame:
        """The texts that are most similar to one, as `neighbours` gives them.

        Args:
            similarities: (n,), as `similarities` gives them.
            k: how many at most; None for all.
            least: how similar at least, -1 to 1; None for any.
            among: (n,), which rows may be named, as `rows` gives them; None for all.
        """
        rows = best(similarities, k, least, among)
        return ranked(self._table, rows, similarities[rows])

    def rows(self, filters: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Which rows (n,) fit filters, {column: what it has to be}; see `filters.matching`."""
        return matching(self._table, filters)

    def clusters(self, size: int = 8, on_stage: Callable[[str], object] | None = None) -> Clusters:
        """Groups of texts that lie together, with the words that set them apart: computed when it is first asked for.

        They are found among the vectors, by UMAP to five dimensions and HDBSCAN, not on the picture.

        Args:
            size: the fewest texts that make a group, from 2 on.
            on_stage: called with what is done next, see `clusters.STAGES`.

        Raises:
            InvalidData: too few texts, or no such size.
        """
        size = enough(len(self), size)
        if size not in self._clusters:
            if self._reduced is None:
                told(on_stage, 0)
                self._reduced = fewer(self.vectors, self.seed)
            self._clusters[size] = find_among(self._reduced, list(self._table[self.text]), size, on_stage)
        return self._clusters[size]

    def duplicates(
        self,
        least: float = 0.95,
        among: NDArray[np.bool_] | None = None,
        on_progress: OnCompared | None = None,
        cancel: threading.Event | None = None,
    ) -> pandas.DataFrame:
        """Texts that say what an earlier one says, by cosine similarity in full space.

        Args:
            least: how similar they are at least, -1 to 1; 1 finds those that are the same to the encoder.
            among: (n,), which rows may be named, as `rows` gives them; None for all.
            on_progress: called with the texts compared and in all.
            cancel: set it from another thread to stop.

        Returns:
            A row for each such text, the most similar first, the index its row number: of (the row number of the
            earliest text that it is near to), similarity, the text, that text (as `first`) and the other columns.

        Raises:
            InvalidData: `least` is out of its range, or the data has columns called `of` or `first`.
            InfluenceError: it was cancelled.
        """
        least = real("least", least, -1, 1) - 1e-6
        if self._near is None or self._near[0] != least:
            self._near = least, *first_near(self.vectors, least, on_progress, cancel)
        return repeated(self._table, self.text, *self._near[1:], among)

    def outliers(
        self,
        count: int = 10,
        k: int = 10,
        among: NDArray[np.bool_] | None = None,
        on_progress: OnCompared | None = None,
        cancel: threading.Event | None = None,
    ) -> pandas.DataFrame:
        """The texts that are least like any others.

        Args:
            count: how many.
            k: of how many nearest neighbours in full space the similarity is averaged.
            among: (n,), which rows may be named, as `rows` gives them; None for all.
            on_progress: called with the texts compared and in all.
            cancel: set it from another thread to stop.

        Returns:
            A row each, the farthest first, the index its row number: rank (from 1), similarity (the mean cosine to its
            k nearest), the text and the other columns.

        Raises:
            InvalidData: `count` or k below 1, or only one text.
            InfluenceError: it was cancelled.
        """
        count, k = whole("count", count, 1), whole("k", k, 1)
        if len(self) < 2:
            raise InvalidData("One text has no others to be unlike.", "Give two texts or more.")
        if k not in self._alone:
            own = np.arange(len(self))
            _, found = nearest(self.vectors, self.vectors, k, own, self._sizes(), on_progress, cancel)
            self._alone[k] = -found.mean(axis=1)
        rows = best(self._alone[k], count, among=among)
        return ranked(self._table, rows, -self._alone[k][rows])

    def _nearest(self, queries: Floats, k: int, skip: NDArray[np.intp] | None = None) -> Any:
        return nearest(queries, self.vectors, k, skip, self._sizes())

    def _sizes(self) -> Floats:
        if self._lengths is None:
            self._lengths = lengths(self.vectors)
        return self._lengths

    def _row(self, item: SupportsIndex) -> int:
        try:
            row = operator.index(item)
        except TypeError:
            raise InvalidData(
                f"{item!r} is neither a row number nor a text.", "Give an int or a str."
            ) from None
        if not 0 <= row < len(self):
            raise InvalidData(f"There is no row {row}.", f"Rows go from 0 to {len(self) - 1}.")
        return row
