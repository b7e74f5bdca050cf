"""Whatever holds texts, as one DataFrame with a text column that is whole.

It does not know what the texts are for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.embeddings.reading import KINDS, is_file_name, read_texts
from influence_nb.embeddings.texts import named
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas

OWN = ("x", "y")
"""Columns that a map adds; those of the same name in the data are left out."""
RANKED = ("rank", "similarity")
"""Columns that lists of neighbours add; data that has them is refused."""


def table(data: pandas.DataFrame | Iterable[Any] | Path, text: str = "text") -> pandas.DataFrame:
    """A copy of the data, the text column first, rows numbered from 0, the columns' names as strings.

    Args:
        data: a DataFrame, or texts, or dicts, or pairs (text, label), which get the columns `text` and `label`; a file
            that `read_texts` reads; or what has `to_pandas`, such as a data set of `datasets`.
        text: the column that holds the texts.

    Raises:
        InvalidData: no rows, no such column, something in it that is not a string, or columns' names that
            are not plain, come twice, or are taken: `rank` and `similarity`, and x or y for the texts.
    """
    text = str(text)
    frame = _frame(data, text)
    if not len(frame):
        raise InvalidData("There are no rows to map.", "Give at least one text.")
    frame = _named(frame, text)
    if text not in frame.columns:
        raise InvalidData(
            f"There is no column {text!r}.",
            f"Name the one that holds the texts: text=... There are: {', '.join(map(str, frame.columns))}.",
        )
    wrong = [row for row, value in enumerate(frame[text]) if not isinstance(value, str)]
    if wrong:
        value = frame[text].iloc[wrong[0]]
        more = f", and in {len(wrong) - 1} rows more ({named(wrong)})" if len(wrong) > 1 else ""
        raise InvalidData(
            f"Row {wrong[0]} of the column {text!r} holds {value!r}, which is not a string{more}.",
            f"Leave such rows out (frame.dropna(subset=[{text!r}])) or turn them into strings.",
        )
    others = [column for column in frame.columns if column != text and column not in OWN]
    return frame[[text, *others]].reset_index(drop=True)


def _named(frame: pandas.DataFrame, text: str) -> pandas.DataFrame:
    """The frame with strings as names of its columns, once they can stand beside a map's own."""
    if frame.columns.nlevels > 1:
        raise InvalidData(
            f"The columns have names of {frame.columns.nlevels} levels, such as {frame.columns[0]!r}.",
            "Give each column one name: frame.columns = ['text', ...].",
        )
    names = [str(name) for name in frame.columns]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidData(f"The column {twice[0]!r} is there more than once.", "Give each its own name.")
    if taken := [name for name in names if name in RANKED or (name == text and name in OWN)]:
        raise InvalidData(
            f"A map has columns of its own called {taken[0]!r}.",
            f"Rename yours: frame.rename(columns={{{taken[0]!r}: 'my_{taken[0]}'}}).",
        )
    return frame.set_axis(names, axis=1)


def _frame(data: pandas.DataFrame | Iterable[Any] | Path, text: str) -> pandas.DataFrame:
    import pandas as pd

    if is_file_name(data):
        return read_texts(data, text)
    if callable(convert := getattr(data, "to_pandas", None)):  # of `datasets`, pyarrow or polars
        data = convert()
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping) and data and hasattr(data, "column_names"):
        raise InvalidData(
            f"This data set has several parts: {', '.join(map(str, data))}.",
            f"Give one of them, such as data[{next(iter(data))!r}].",
        )
    if isinstance(data, (str, Mapping)) or not isinstance(data, Iterable):
        raise InvalidData(
            f"A map needs many texts, and this is one {type(data).__name__}.",
            "Give a list of texts, a list of dicts, a list of (text, label) pairs, a DataFrame, or a file that ends "
            f"in {', '.join(KINDS)}.",
        )
    rows = list(data)
    first = rows[0] if rows else None
    if isinstance(first, Mapping):
        _all_are(rows, lambda row: isinstance(row, Mapping), "a dict")
        return pd.DataFrame(rows)
    if isinstance(first, (tuple, list)):
        _all_are(rows, lambda row: isinstance(row, (tuple, list)) and len(row) == 2, "a pair (text, label)")
        return pd.DataFrame([tuple(row) for row in rows], columns=[text, "label"])
    return pd.DataFrame({text: pd.Series(rows, dtype=object)})


def _all_are(rows: list[Any], fits: Callable[[Any], bool], what: str) -> None:
    odd = next((i for i, row in enumerate(rows) if not fits(row)), None)
    if odd is not None:
        raise InvalidData(f"Row {odd} is not {what}.", "Give every row as one, or a DataFrame.")
