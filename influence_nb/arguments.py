"""The arguments of public calls: whether one is of the kind it has to be, and how a value is quoted in a message.

It does not know what an argument means; ranges are checked where they are known.
"""

from __future__ import annotations

import math
import numbers
import operator
import reprlib
from pathlib import Path
from typing import Any

from influence_nb.errors import InvalidData

_LONGEST = 80
_SECRETS = ("token", "key")
"""Whatever these hold is not quoted."""
_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = _quoting.maxlong = _LONGEST


def quoted(value: object) -> str:
    """A value as a message shows it: `repr`, its middle left out from 80 characters on."""
    return _quoting.repr(value)


def expect_text(**given: object) -> None:
    """Refuse what is neither text nor None.

    Raises:
        InvalidData: names the argument and its value.
    """
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            shown = name if name in _SECRETS else f"{name}={quoted(value)}"
            raise InvalidData(f"{shown} is not text.", f"Give {name} as a str, or leave it out.")


def expect_call(**given: object) -> None:
    """Refuse what can neither be called nor is None; errors as `expect_text`'s."""
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InvalidData(
                f"{name}={quoted(value)} cannot be called.", f"Give {name} as a function, or leave it out."
            )


def expect_bool(**given: object) -> None:
    """Refuse what is neither True nor False; errors as `expect_text`'s."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise InvalidData(f"{name}={quoted(value)} is neither True nor False.", f"Give {name} as a bool.")


def expect_event(cancel: object) -> None:
    """Refuse what is no event that somebody can set; errors as `expect_text`'s."""
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise InvalidData(
            f"cancel={quoted(cancel)} is not an event.",
            "Give a threading.Event(); calling its set() from any thread is what cancels.",
        )


def expect_path(**given: object) -> None:
    """Refuse what is neither a path nor None, an empty one too; errors as `expect_text`'s."""
    for name, value in given.items():
        if value is None:
            continue
        try:
            sound = isinstance(value, str | Path) and bool(str(value).strip()) and "\0" not in str(value)
            sound = sound and bool(Path(str(value)).expanduser())
        except RuntimeError:  # "~name", and nobody is called so
            sound = False
        if not sound:
            raise InvalidData(
                f"{name}={quoted(value)} is not a path.",
                f'Give {name} as a str or a Path; "." is this folder.',
            )


def whole(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """The value as an int, where it is one from `low` to `high`, both included.

    Raises:
        InvalidData: it is not a whole number (neither 1.0 nor True is one), or out of its range.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        bounds = "" if low is None else f", {low} or more" if high is None else f" from {low} to {high}"
        raise InvalidData(f"{name}={quoted(value)} cannot be.", f"Give a whole number{bounds}.")
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """The value as a float, where it is a number from `low` to `high`, both included.

    Raises:
        InvalidData: it is no number (nor is True one), or out of its range.
    """
    no_number = isinstance(value, bool) or not isinstance(value, numbers.Real)
    number = math.nan if no_number else float(value)
    if not low <= number <= high:
        raise InvalidData(f"{name}={quoted(value)} cannot be.", f"Give a number from {low:g} to {high:g}.")
    return number
