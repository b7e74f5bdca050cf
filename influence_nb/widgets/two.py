"""Two answers to one turn, beside each other: their settings, their seeds, and where their texts differ.

It knows samplings and the rows of a view; it does not know the panel, nor how answers are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from influence_nb.engine.noise import draw_seed
from influence_nb.engine.sampling import Sampling
from influence_nb.evaluation.differences import Piece, differences

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

Side = tuple["Model", Sampling]
"""Who answers, and how."""

_WARMER = 0.5
_WARMEST = 2.0


def warmer(sampling: Sampling) -> Sampling:
    """The settings that the second answer begins with: those of the first, hotter unless they are hot already."""
    raised = round(min(sampling.temperature + _WARMER, _WARMEST), 2)
    return sampling.replace(temperature=max(sampling.temperature, raised))


def seeded(sides: Sequence[Side]) -> list[Side]:
    """The sides with a seed each.

    Who has none takes the other's, or one is drawn for both: they see the same noise, and what differs is due to the
    settings. Where nothing else differs, each has one of its own.
    """
    given = next((sampling.seed for _, sampling in sides if sampling.seed is not None), None)
    shared = draw_seed() if given is None else given
    found: list[Side] = []
    for model, sampling in sides:
        if sampling.seed is None:
            alike = [one for one, other in sides if one is model and other.replace(seed=None) == sampling]
            sampling = sampling.replace(seed=draw_seed() if len(alike) > 1 else shared)
        found.append((model, sampling))
    return found


def with_differences(rows: Iterable[dict[str, Any]]) -> None:
    """Give each of two finished answers its text in `pieces`: [text, whether the other has it too] each."""
    for row in rows:
        beside = row["beside"]
        if beside is None or {"running", "error"} & {row["status"], beside["status"]}:
            continue
        for one, other in ((row, beside), (beside, row)):
            one["pieces"] = [list(piece) for piece in _differences(one["content"], other["content"])]


@lru_cache(maxsize=512)  # two a pair, and a conversation compares all of its pairs at every change
def _differences(text: str, other: str) -> tuple[Piece, ...]:
    return tuple(differences(text, other))
