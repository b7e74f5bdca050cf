"""A small set of texts, each compared with each: a matrix of cosines, its picture and its nearest.

It knows encoders; it does not know maps. For thousands of texts `EmbeddingMap.neighbours` is the way.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool, whole
from influence_nb.embeddings import heat
from influence_nb.embeddings.encode import opened
from influence_nb.embeddings.neighbours import unit
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.errors import InvalidData
from influence_nb.picture import image_html

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]

MOST_DRAWN = 60
"""More texts than these cannot be read beside a picture."""
_LABEL = 38
_AGREE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Similarity:
    """How alike texts are to each other, or to other texts. Made by `inb.similarity`.

    Attributes:
        matrix: (n, m), the cosine of each text's vector with each other one's, -1 to 1.
        texts: the n texts.
        others: the m they are compared with; the same n where none were given.
        encoder: the name of what made the vectors.
        itself: whether the texts are compared with themselves.
    """

    matrix: Floats
    texts: tuple[str, ...]
    others: tuple[str, ...]
    encoder: str
    itself: bool

    def to_frame(self) -> pd.DataFrame:
        """The matrix, its index the texts and its columns those that they are compared with."""
        import pandas as pd

        return pd.DataFrame(self.matrix, list(self.texts), list(self.others))

    def nearest(self, k: int = 3) -> pd.DataFrame:
        """The k most similar others of each text.

        Args:
            k: from 1 to the number of others, a text itself not counted.

        Returns:
            A row for each pair: text, rank (from 1), similarity, nearest (the other text); of equal ones the earlier.

        Raises:
            InvalidData: no such k.
        """
        import pandas as pd

        most = len(self.others) - self.itself
        if most < 1:
            raise InvalidData("One text alone has no nearest.", "Give two texts or more.")
        k = whole("k", k, 1, most)
        away = -self.matrix.astype(np.float64)
        if self.itself:
            np.fill_diagonal(away, np.inf)
        near = np.argsort(away, axis=1, kind="stable")[:, :k]
        rows = [
            (self.texts[row], rank, float(self.matrix[row, other]), self.others[other])
            for row, line in enumerate(near)
            for rank, other in enumerate(line, 1)
        ]
        return pd.DataFrame(rows, columns=["text", "rank", "similarity", "nearest"])

    @property
    def order(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The texts and the others ordered so that alike ones stand together: row numbers, (n,) and (m,).

        Hierarchical clustering with average linkage, its leaves turned so that neighbours are as alike as can be
        (Bar-Joseph, Gifford, Jaakkola 2001). Rows are alike that are alike to the same others.
        """
        if self.itself:
            found = _leaves(1 - self.matrix.astype(np.float64))
            return found, found
        return _leaves(_apart(self.matrix)), _leaves(_apart(self.matrix.T))

    def plot(self, ordered: bool = True) -> Figure:
        """A heat map with the texts at its sides.

        Args:
            ordered: whether texts that are alike stand together, see `order`; else they stand as they were given.

        Raises:
            InvalidData: more texts than can be read.
        """
        expect_bool(ordered=ordered)
        if max(self.matrix.shape) > MOST_DRAWN:
            raise InvalidData(
                f"A picture of {max(self.matrix.shape):,} texts cannot be read.",
                f"Give at most {MOST_DRAWN}, or lay them out: inb.EmbeddingMap(texts).",
            )
        rows, columns = self.order if ordered else map(np.arange, self.matrix.shape)
        down, across = (
            [_label(self.texts[row]) for row in rows],
            [_label(self.others[row]) for row in columns],
        )
        return heat.draw(self.matrix[rows][:, columns], down, across, title=self.title, bar="cosine")

    @property
    def title(self) -> str:
        """What is compared, in one line."""
        return f"How alike the texts are to {self.encoder}"

    def _repr_html_(self) -> str:
        if max(self.matrix.shape) > MOST_DRAWN:
            return f"<pre>{escape(repr(self))}</pre>"
        return image_html(self.plot(), self.title)

    def __repr__(self) -> str:
        others = "themselves" if self.itself else f"{len(self.others)} others"
        return f"Similarity({len(self.texts)} texts with {others}, by {self.encoder})"


def similarity(
    texts: Sequence[str],
    encoder: TextEncoder | str | Path | None = None,
    other_texts: Sequence[str] | None = None,
) -> Similarity:
    """How alike texts are to each other, or to other texts, as the cosine of their vectors.

    Args:
        texts: one or more.
        encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`.
        other_texts: what to compare them with; None compares them with themselves.

    Raises:
        InvalidData: no texts, or something among them that is none.
    """
    found = opened(encoder)
    given = [texts] if other_texts is None else [texts, other_texts]
    sides = [unit(found.encode(one, cache=True)) for one in given]
    for side in sides:
        if not len(side):
            raise InvalidData("There are no texts to compare.", "Give at least one.")
    said = [(one,) if isinstance(one, str) else tuple(one) for one in given]
    matrix = np.clip(sides[0] @ sides[-1].T, -1, 1)
    return Similarity(matrix, said[0], said[-1], found.name, other_texts is None)


def _label(text: str) -> str:
    return textwrap.shorten(text, _LABEL, placeholder="…") or textwrap.shorten(text, 400)[: _LABEL - 1] + "…"


def _apart(rows: Floats) -> NDArray[np.float64]:
    """How far rows lie from each other, (n, n)."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(rows, rows))


def _leaves(away: NDArray[np.float64]) -> NDArray[np.intp]:
    """The order of things in a tree of those that lie near each other; `away` is (n, n)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(away) < 3:
        return np.arange(len(away))
    near = np.where(away < _AGREE, 0, (away + away.T) / 2)
    np.fill_diagonal(near, 0)
    tree = linkage(squareform(near, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), np.intp)
