"""Rows that are wanted: by words in their text, by categories, by ranges of numbers and of dates.

It knows a table; it does not know maps or panels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted
from influence_nb.embeddings.columns import categories, is_date, is_numeric, numbers
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas

Mask = NDArray[np.bool_]


def matching(frame: pandas.DataFrame, filters: Mapping[str, Any]) -> Mask:
    """Which rows (n,) fit all filters.

    Args:
        frame: n rows.
        filters: {column: what it has to be}. A str is contained in the value as text, whatever its case; a list holds
            the categories that are let through, as `categories` names them; a pair (low, high) is a range of numbers
            or dates, both included, None where it is open: what is missing is in no range.

    Raises:
        InvalidData: no such column, or a filter that its column cannot have.
    """
    fits = np.ones(len(frame), bool)
    for column, wanted in checked(frame, filters).items():
        fits &= _fits(frame[column], wanted)
    return fits


def checked(frame: pandas.DataFrame, filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters that leave something out, without those that are empty; errors as `matching`'s."""
    if not isinstance(filters, Mapping):
        raise InvalidData(
            f"filters={quoted(filters)} are none.",
            'Give {column: what it has to be}, such as {"text": "rain"}.',
        )
    kept: dict[str, Any] = {}
    for column, wanted in filters.items():
        if column not in frame.columns:
            raise InvalidData(
                f"There is no column {quoted(column)} to filter by.",
                f"There are: {', '.join(frame.columns)}.",
            )
        if isinstance(wanted, str):
            one: Any = wanted.strip()
            if one:
                kept[column] = one
        elif isinstance(wanted, tuple) and len(wanted) == 2:
            one = tuple(_edge(frame[column], edge) for edge in wanted)
            if one != (None, None):
                kept[column] = one
        elif isinstance(wanted, (list, set, frozenset)):
            kept[column] = [str(each) for each in wanted]
        else:
            raise InvalidData(
                f"The filter of {quoted(column)} cannot be {quoted(wanted)}.",
                "Give a str that is contained, a list of categories, or a pair (low, high).",
            )
    return kept


def in_words(filters: Mapping[str, Any]) -> str:
    """What is let through, such as 'topic is rain or snow; text contains "cold"'."""
    said = []
    for column, wanted in filters.items():
        if isinstance(wanted, str):
            said.append(f"{column} contains “{wanted}”")
        elif isinstance(wanted, tuple):
            low, high = (
                "" if edge is None else f"{edge:g}" if _plain(edge) else str(edge).removesuffix(" 00:00:00")
                for edge in wanted
            )
            open_end = "or more" if low else "or less"
            said.append(
                f"{column} is {low} to {high}" if low and high else f"{column} is {low or high} {open_end}"
            )
        else:
            more = len(wanted) - 4
            names = [*map(str, wanted[:4]), *([f"{more:,} more"] if more > 0 else [])]
            said.append(f"{column} is {' or '.join(names) or 'nothing'}")
    return "; ".join(said)


def _fits(values: pandas.Series[Any], wanted: Any) -> Mask:
    if isinstance(wanted, str):
        part, there = wanted.lower(), values.notna().to_numpy(bool)
        said = np.fromiter((part in str(value).lower() for value in values), bool, len(values))
        return np.asarray(there & said, bool)
    if isinstance(wanted, tuple):
        found = _dates(values) if is_date(values) else numbers(values)
        low, high = (edge.to_datetime64() if hasattr(edge, "to_datetime64") else edge for edge in wanted)
        fits = values.notna().to_numpy(bool, copy=True)
        with np.errstate(invalid="ignore"):
            if low is not None:
                fits &= found >= low
            if high is not None:
                fits &= found <= high
        return np.asarray(fits, bool)
    codes, names = categories(values)
    picked = set(wanted)
    fits = np.array([*(name in picked for name in names), False])
    return np.asarray(fits[codes], bool)


def _dates(values: pandas.Series[Any]) -> NDArray[Any]:
    plain = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    return plain.to_numpy("datetime64[ns]")


def _edge(values: pandas.Series[Any], edge: Any) -> Any:
    """One end of a range, as its column compares it."""
    import pandas as pd

    if edge is None:
        return None
    if is_date(values):
        try:
            stamp = pd.Timestamp(edge)
            if stamp.tz is not None:
                stamp = stamp.tz_convert("UTC").tz_localize(None)
        except (TypeError, ValueError) as error:
            raise InvalidData(
                f"{quoted(edge)} is no date for {quoted(values.name)}.",
                'Write it as "2026-03-31", or leave it out.',
            ) from error
        if not pd.isna(stamp):
            return stamp
    elif is_numeric(values):
        if _plain(edge) and not math.isnan(edge):
            return float(edge)
    else:
        raise InvalidData(
            f"The column {quoted(values.name)} holds neither numbers nor dates: it has no range.",
            "Give a list of its values, or a str that they contain.",
        )
    raise InvalidData(
        f"{quoted(edge)} is no end of a range of {quoted(values.name)}.", "Give a number or None."
    )


def _plain(edge: Any) -> bool:
    return isinstance(edge, (int, float, np.integer, np.floating)) and not isinstance(edge, bool)
