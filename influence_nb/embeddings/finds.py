"""Lists of what is found among texts: neighbours, duplicates, outliers, each a frame of the rows that it names.

It knows a table of texts and row numbers with similarities; it does not know where these come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


def ranked(table: pandas.DataFrame, rows: Rows, similarity: Floats) -> pandas.DataFrame:
    """Rows in the order given, with rank (from 1) and similarity before the other columns; the index is the row."""
    chosen = table.iloc[rows].rename_axis("row")
    chosen.insert(0, "rank", np.arange(1, len(rows) + 1))
    chosen.insert(1, "similarity", similarity)
    return chosen


def best(
    similarity: Floats,
    k: int | None = None,
    least: float | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Rows:
    """The rows most similar, the most similar first; of equal ones the earlier.

    Args:
        similarity: (n,).
        k: how many at most; None for all.
        least: how similar at least; None for any.
        among: (n,), which rows may be named; None for all.
    """
    rows = np.arange(len(similarity)) if among is None else np.flatnonzero(among)
    if least is not None:
        rows = rows[similarity[rows] >= least]
    if k is not None and len(rows) > k:
        edge = np.partition(similarity[rows], -k)[-k]
        rows = rows[similarity[rows] >= edge]
    return rows[np.argsort(-similarity[rows], kind="stable")][:k]


def repeated(
    table: pandas.DataFrame, text: str, of: Rows, similarity: Floats, among: NDArray[np.bool_] | None = None
) -> pandas.DataFrame:
    """Rows that repeat an earlier one, the most similar first: of, similarity, the text, that text, other columns.

    Args:
        table: n rows; none of its columns is called `of` or `first`.
        text: the column that holds the texts.
        of: (n,), the earlier row, -1 for none.
        similarity: (n,).
        among: (n,), which rows may be named; None for all.

    Raises:
        InvalidData: the table has such a column.
    """
    if taken := [name for name in ("of", "first") if name in table.columns]:
        raise InvalidData(
            f"A list of duplicates has a column of its own called {taken[0]!r}.",
            f"Rename yours: frame.rename(columns={{{taken[0]!r}: 'my_{taken[0]}'}}).",
        )
    later = np.flatnonzero(of >= 0)
    if among is not None:
        later = later[among[later] & among[of[later]]]
    later = later[np.argsort(-similarity[later], kind="stable")]
    chosen = table.iloc[later].rename_axis("row")
    chosen.insert(0, "of", of[later])
    chosen.insert(1, "similarity", similarity[later])
    chosen.insert(3, "first", table[text].to_numpy(object)[of[later]])
    return chosen
