"""Whole numbers that people give: counts, seeds, layers.

It does not know what they are for.
"""

from __future__ import annotations

import operator
from typing import Any

from influence_nb.errors import InvalidData


def whole(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """The value as an int, where it is one from `low` to `high`, both included.

    Raises:
        InvalidData: it is not a whole number (1.0 is none), or out of its range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        bounds = "" if low is None else f", {low} or more" if high is None else f" from {low} to {high}"
        raise InvalidData(f"{name}={value!r} cannot be.", f"Give a whole number{bounds}.")
    return number
