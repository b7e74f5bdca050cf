"""What is searched for on a hub: one value, checked and put into the words of the hub's API.

It sends nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidData
from influence_nb.hub.hits import PROPERTIES

SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "trending": "trendingScore",
    "updated": "lastModified",
    "created": "createdAt",
}
"""What results can be sorted by, highest or newest first, and the Hub's name for it."""

MOST = 1000
"""The largest page that the Hub serves."""

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmbt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}

_LONGEST = 1_000


@dataclass(frozen=True)
class Query:
    """A search; the fields are the arguments of `influence_nb.search`, and None does not narrow it."""

    text: str | None = None
    author: str | None = None
    task: str | None = None
    library: str | None = None
    license: str | None = None
    language: str | None = None
    min_params: int | str | None = None
    max_params: int | str | None = None
    gated: bool | None = None
    sort: str = "downloads"
    limit: int = 20


def parameters(query: Query) -> dict[str, Any]:
    """The query in the words of the hub's API.

    Raises:
        InvalidData: something in it cannot be; the hint says what can.
    """
    least = parse_parameters(query.min_params, "min_params")
    most = parse_parameters(query.max_params, "max_params")
    if least is not None and most is not None and least > most:
        raise InvalidData(
            f"min_params is more than max_params: {least:,} and {most:,}.", "Swap them, or leave one out."
        )
    if query.sort not in SORTS:
        raise InvalidData(
            f"Results cannot be sorted by {quoted(query.sort)}.", f"Sort by one of: {', '.join(SORTS)}."
        )
    if query.gated not in (None, True, False):
        raise InvalidData(
            f"gated={quoted(query.gated)} is not a choice.", "Give True, False, or None for both."
        )
    if not isinstance(query.limit, int) or isinstance(query.limit, bool) or not 1 <= query.limit <= MOST:
        raise InvalidData(
            f"limit={quoted(query.limit)} is not a page's length.", f"Give a whole number from 1 to {MOST}."
        )
    wanted = {"search": query.text, "author": query.author, "pipeline_tag": query.task}
    said: dict[str, Any] = {name: _plain(value) for name, value in wanted.items() if value}
    license = query.license and f"license:{_plain(query.license).removeprefix('license:')}"
    if tags := [_plain(tag) for tag in (query.library, license, query.language) if tag]:
        said["filter"] = tags
    if least is not None or most is not None:
        ends = (("min", least or 0), ("max", most))
        said["num_parameters"] = ",".join(f"{end}:{_amount(n)}" for end, n in ends if n is not None)
    if query.gated is not None:
        said["gated"] = query.gated
    return {**said, "sort": SORTS[query.sort], "limit": query.limit, "expand": list(PROPERTIES)}


def parse_parameters(value: int | float | str | None, name: str = "value") -> int | None:
    """A number of parameters: a number, or text such as "135M", "1.5b"; None and "" are None.

    Raises:
        InvalidData: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        found = _AMOUNT.fullmatch(value.strip().replace(",", ""))
        if found:
            return round(float(found[1]) * _UNITS[found[2].lower()])
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return int(value)
    raise InvalidData(
        f"{name}={quoted(value)} is not a number of parameters.",
        'Give a number, or text such as "135M" or "1.5B" (K, M, B and T are thousands to trillions).',
    )


def _plain(value: Any) -> str:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidData(f"{quoted(value)} is not text to search for.", "Give a string.") from None
    if len(value) > _LONGEST:
        raise InvalidData(
            f"{quoted(value)} is {len(value):,} characters long, too long to search for.",
            f"Give at most {_LONGEST:,}: a part of a name is enough.",
        )
    return str(value).strip()


def _amount(parameters: int) -> str:
    """As the Hub's own pages write it, without decimals: 7B, 1500M."""
    for unit in ("b", "m", "k"):
        if parameters and parameters % _UNITS[unit] == 0:
            return f"{parameters // _UNITS[unit]}{unit.upper()}"
    return str(parameters)
