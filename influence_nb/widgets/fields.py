"""The sampling parameters as the page's controls take them. It does not know who shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from influence_nb.engine.sampling import Field, Sampling


def described(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Each as JSON: "limit" is null where there is none, and `max` only ends a slider."""
    defaults = Sampling().to_dict()
    made = []
    for one in fields:
        limit = one.max if one.limit is None else one.limit
        finite = None if limit == float("inf") else limit
        made.append({**asdict(one), "limit": finite, "default": defaults[one.name]})
    return made
