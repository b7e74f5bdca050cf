"""A column of values beside texts: what kind it is, its categories, its numbers, and its colours.

It knows no maps and draws nothing. A column may hold anything: lists, dates, nothing at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.picture import GREY

if TYPE_CHECKING:
    import pandas

PALETTE = (
    "#3b82f6", "#ef8a2c", "#2f9e58", "#e0525c", "#9b6bd3", "#a3734f",
    "#e26db6", "#b99a18", "#149fa8", "#7b8794", "#84b51f", "#5661d8",
)  # fmt: skip
"""Twelve middle tones: each can be told from a white and from a near-black page."""
MISSING = "(missing)"
"""The category of values that are not there (None, NaN, NA); it is drawn in grey."""
NONE = "(none)"
"""What texts are called that belong to no group; grey, too."""
MOST_CATEGORIES = 24
"""More categories than these are not told apart by colour."""


def is_numeric(values: pandas.Series[Any]) -> bool:
    """Whether a column holds real numbers; truth values are none."""
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values) and not is_complex_dtype(values)


def is_date(values: pandas.Series[Any]) -> bool:
    """Whether a column holds points in time."""
    from pandas.api.types import is_datetime64_any_dtype

    return is_datetime64_any_dtype(values)


def is_continuous(values: pandas.Series[Any]) -> bool:
    """Whether a column is to be shown on a scale: numbers, more different ones than can be told apart, or fractions."""
    if not is_numeric(values):
        return False
    found = np.unique(finite(values))
    return len(found) > len(PALETTE) or (len(found) > 2 and bool((found % 1).any()))


def numbers(values: pandas.Series[Any]) -> NDArray[np.float64]:
    """A numeric column as floats; NaN where there is no finite number."""
    found = values.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def finite(values: pandas.Series[Any]) -> NDArray[np.float64]:
    """The finite numbers of a numeric column."""
    found = numbers(values)
    return found[np.isfinite(found)]


def scaled(values: pandas.Series[Any]) -> NDArray[np.float64]:
    """A numeric column from 0, its lowest number, to 1, its highest; NaN where there is none."""
    found = numbers(values)
    known = found[np.isfinite(found)]
    if not len(known):
        return found
    low, high = known.min(), known.max()
    share: NDArray[np.float64] = np.clip((found - low) / ((high - low) or 1.0), 0, 1)
    return share


def categories(values: pandas.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """A column as categories.

    Returns:
        The number of each row's category (n,), and the categories' names, in order of the alphabet; `MISSING` comes
        last, where some are.
    """
    import pandas as pd

    gone = values.isna().to_numpy(bool)
    if values.dtype == object:  # as text first: 1, 1.0 and True are one to a hash; lists have none
        said = pd.Series(["" if none else str(value) for value, none in zip(values, gone, strict=True)])
        codes, found = pd.factorize(said.where(~gone), use_na_sentinel=True)
    else:
        codes, found = pd.factorize(values, use_na_sentinel=True)
    names = [str(value) for value in pd.Series(found)]
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names) + 1, np.intp)
    place[order] = np.arange(len(names))
    place[-1] = len(names)  # what is missing has the code -1
    return place[codes], [names[at] for at in order] + ([MISSING] if gone.any() else [])


def count_categories(values: pandas.Series[Any]) -> int:
    """How many different values there are, "missing" one of them; 0 for lists, dicts and the like."""
    try:
        return int(values.nunique(dropna=False))
    except TypeError:  # they cannot be hashed
        return 0


def can_colour(values: pandas.Series[Any]) -> bool:
    """Whether a column has a scale, or categories that colours can tell apart."""
    return is_continuous(values) or 2 <= count_categories(values) <= MOST_CATEGORIES


def colours(names: list[str]) -> dict[str, str]:
    """A colour for each category, as `categories` names them."""
    import matplotlib as mpl

    known = [name for name in names if name not in (MISSING, NONE)]
    missing = {name: GREY for name in names if name in (MISSING, NONE)}
    if len(known) <= len(PALETTE):
        return dict(zip(known, PALETTE, strict=False)) | missing
    wheel = mpl.colormaps["hsv"](np.linspace(0, 1, len(known), endpoint=False))
    mixed = [mpl.colors.to_hex(0.75 * colour[:3] + 0.1) for colour in wheel]
    return dict(zip(known, mixed, strict=True)) | missing
