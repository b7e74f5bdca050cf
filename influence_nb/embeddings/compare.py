"""Two maps of the same texts: whose neighbours changed, and the second laid onto the first.

It knows maps by their public calls; it does not know why they differ.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted, whole
from influence_nb.embeddings import picture
from influence_nb.embeddings.columns import GREY
from influence_nb.embeddings.encode import Encoder
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.neighbours import unit
from influence_nb.embeddings.quality import ranks
from influence_nb.errors import InvalidData
from influence_nb.picture import new_figure, png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]

USUAL_K = 10
"""Neighbours that are looked at where nobody says how many."""
OWN = ("overlap", "shift", "other_text")
"""Columns that a comparison adds."""
_PAIRS = 2**22
"""Similarities that are held at once, of each map."""


def aligned(points: NDArray[np.floating], onto: NDArray[np.floating]) -> Floats:
    """Points moved, turned, mirrored and scaled as a whole, so that they lie as near to others as can be.

    The orthogonal Procrustes problem (Schönemann 1966): of all turns and mirrors the one with the least sum of squared
    distances to `onto`. They are scaled to the same spread, not to the least distance: that would shrink points the
    less they agree. Who is near whom stays as it is.

    Args:
        points: (n, d).
        onto: (n, d), where each of them should be.

    Returns:
        (n, d), float32.
    """
    from scipy.linalg import orthogonal_procrustes

    middle = onto.mean(axis=0, dtype=np.float64)
    mine = points - points.mean(axis=0, dtype=np.float64)
    turn, _ = orthogonal_procrustes(mine, onto - middle)
    spread = np.linalg.norm(mine)
    scale = np.linalg.norm(onto - middle) / spread if spread else 0.0
    return np.asarray(mine @ turn * scale + middle, np.float32)


def neighbour_change(a: Floats, b: Floats, k: int) -> tuple[Floats, Floats]:
    """What becomes of each row's k nearest, by cosine, from one set of vectors to another; every pair is compared.

    Args:
        a: (n, d).
        b: (n, d'), of the same n things.
        k: from 1 to n - 1.

    Returns:
        The overlap (n,), the share of the k nearest in `a` that are among the k nearest in `b`, 0 to 1: |A & B| / k.
        The shift (n,): which rank, on average, the k nearest in one have in the other, over both directions; it is
        (k + 1) / 2 where nothing changed, and about n / 2 by chance.
    """
    count = len(a)
    sides = unit(a), unit(b)
    overlap, shift = (np.empty(count, np.float32) for _ in range(2))
    size = max(1, _PAIRS // count)
    for start in range(0, count, size):
        some = slice(start, min(start + size, count))
        own = np.arange(some.start, some.stop)
        away = [-(side[some] @ side.T) for side in sides]
        for one in away:
            one[own - start, own] = np.inf
        near = [np.argsort(one, axis=1, kind="stable")[:, :k] for one in away]
        overlap[some] = (near[0][:, :, None] == near[1][:, None, :]).any(axis=2).mean(axis=1)
        shift[some] = (ranks(away[1], near[0]).mean(axis=1) + ranks(away[0], near[1]).mean(axis=1)) / 2
    return overlap, shift


@dataclass(frozen=True, eq=False, repr=False)
class MapComparison:
    """Two maps of the same rows. Made by `inb.compare_maps`; `CompareExplorer` is its interactive view.

    Near is a high cosine in full space, never a short way on the picture.

    Attributes:
        a, b: the maps.
        names: what each is called.
        k: how many neighbours of each text were looked at.
        overlap: (n,), the share of a text's k nearest in `a` that are among its k nearest in `b`, 0 to 1.
        shift: (n,), which rank, on average, the k nearest in one have in the other, over both directions;
            (k + 1) / 2 where nothing changed.
    """

    a: EmbeddingMap
    b: EmbeddingMap
    names: tuple[str, str]
    k: int
    overlap: Floats
    shift: Floats

    @property
    def chance(self) -> float:
        """The overlap that two maps by chance have."""
        return self.k / (len(self.overlap) - 1)

    @property
    def points(self) -> tuple[Floats, Floats]:
        """Where the texts are on both maps, by the projections in use, the second laid onto the first: (n, 2) each."""
        first = self.a.project().points
        return first, aligned(self.b.project().points, first)

    def to_frame(self) -> pd.DataFrame:
        """A row for each text, in their order: overlap, shift, the text, the other columns of `a`.

        `other_text` is the text on `b`; it is there where any differs.
        """
        frame = self.a.frame.drop(columns=["x", "y"]).rename_axis("row")
        others = self.b.frame[self.b.text].to_numpy(object)
        if (frame[self.a.text].to_numpy(object) != others).any():
            frame.insert(1, "other_text", others)
        frame.insert(0, "overlap", self.overlap)
        frame.insert(1, "shift", self.shift)
        return frame

    @property
    def moved(self) -> pd.DataFrame:
        """As `to_frame`, the fewest neighbours kept first; of equal ones, those whose neighbours went farthest."""
        return self.to_frame().iloc[np.lexsort((-self.shift, self.overlap))]

    def plot(self, color: str | None = None, movers: int = 5) -> Figure:
        """Both maps side by side, the second laid onto the first, with lines between the places of those that moved.

        Args:
            color: a column of `a`, or "overlap" or "shift"; None takes the map's `colour_column`, or else the overlap.
            movers: how many of those that moved most are joined.

        Raises:
            InvalidData: no such column, or no such number.
        """
        movers = whole("movers", movers, 0)
        frame = self.to_frame()
        color = (self.a.colour_column or "overlap") if color is None else str(color)
        if color not in frame.columns.drop(self.a.text):
            raise InvalidData(
                f"There is no column {color!r} to colour by.",
                f"There are: {', '.join(frame.columns.drop(self.a.text))}.",
            )
        figure = new_figure(11.6, 5.2)
        sides = figure.subplots(1, 2)
        rows = list(self.moved.index[:movers])
        points = self.points
        shared = np.concatenate(points)
        for side, ax, map, name in zip(points, sides, (self.a, self.b), self.names, strict=True):
            last = ax is sides[1]
            label = "none" if last else "direct"
            marks = [(side[row], str(at)) for at, row in enumerate(rows, 1)]
            picture.draw(side, map.project().axes, name, frame[color], label, marks, ax)
            if last:
                ax.set_xlabel("laid onto the first by Procrustes")
                ax.set_ylabel("")
            low, high = shared.min(axis=0), shared.max(axis=0)
            edge = 0.05 * (high - low) + 1e-9
            ax.set_xlim(low[0] - edge[0], high[0] + edge[0])
            ax.set_ylim(low[1] - edge[1], high[1] + edge[1])
        _join(figure, sides, points, rows)
        figure.suptitle(self.title, color=GREY, fontsize=10.5)
        return figure

    @property
    def title(self) -> str:
        """What came of it, in one line."""
        return (
            f"{self.names[0]} and {self.names[1]}: {self.overlap.mean():.0%} of {self.k} neighbours shared "
            f"({self.chance:.0%} by chance), {len(self.overlap):,} texts"
        )

    def _repr_html_(self) -> str:
        image = base64.b64encode(png(self.plot(), dpi=80)).decode()
        title = escape(self.title)
        return f'<img alt="{title}" style="max-width:100%" src="data:image/png;base64,{image}">'

    def __repr__(self) -> str:
        return f"MapComparison({self.title})"


def compare_maps(
    a: EmbeddingMap, b: EmbeddingMap, k: int | None = None, names: tuple[str, str] | None = None
) -> MapComparison:
    """Compare two maps of the same rows: two encoders, layers or poolings, or two versions of the texts.

    Args:
        a, b: the maps; row i of one is compared with row i of the other.
        k: how many neighbours of each text, from 1 to their number less 2; None takes 10, or as many as there can be.
        names: what each is called in pictures; None takes what is known of their encoders.

    Raises:
        InvalidData: something that is no map, different numbers of rows, fewer than three, no such k, or columns of `a`
            called overlap, shift or other_text.
    """
    for map in (a, b):
        if not isinstance(map, EmbeddingMap):
            raise InvalidData(
                f"Two EmbeddingMaps are compared, and {quoted(map)} is none.",
                "Make them first: compare_maps(EmbeddingMap(texts), EmbeddingMap(others)).",
            )
    if len(a) != len(b):
        raise InvalidData(
            f"One map has {len(a):,} rows and the other {len(b):,}.",
            "Both must be of the same rows, in the same order; leave out on one side what the other lacks.",
        )
    if len(a) < 3:
        raise InvalidData(
            f"Maps of {len(a)} rows have no neighbours to compare.", "Give three texts or more."
        )
    if taken := [name for name in (*a.columns, a.text) if name in OWN]:
        raise InvalidData(
            f"A comparison has a column of its own called {taken[0]!r}.",
            f"Rename yours: frame.rename(columns={{{taken[0]!r}: 'my_{taken[0]}'}}).",
        )
    most = len(a) - 2
    k = min(USUAL_K, most) if k is None else whole("k", k, 1, most)
    return MapComparison(a, b, names or _names(a, b), k, *neighbour_change(a.vectors, b.vectors, k))


def _names(a: EmbeddingMap, b: EmbeddingMap) -> tuple[str, str]:
    first, second = (_name(map) for map in (a, b))
    return (first, second) if first != second else (f"{first} (first)", f"{second} (second)")


def _name(map: EmbeddingMap) -> str:
    encoder = map.encoder
    if encoder is None:
        return "vectors that were brought"
    if not isinstance(encoder, Encoder):
        return encoder.name
    layer = "" if encoder.layer is None else f", layer {encoder.layer}"
    return f"{encoder.name}, {encoder.pooling} pooling{layer}"


def _join(figure: Figure, sides: Any, points: tuple[Floats, Floats], rows: list[int]) -> None:
    from matplotlib.patches import ConnectionPatch

    for row in rows:
        line = ConnectionPatch(
            points[0][row], points[1][row], "data", "data", axesA=sides[0], axesB=sides[1],
            color=picture.MARK, alpha=0.45, linewidth=1.2,
        )  # fmt: skip
        line.set_in_layout(False)
        figure.add_artist(line)
