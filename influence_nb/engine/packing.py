"""Which prompts of a batch run together: sorted by length, as many as the memory holds, little padding.

Pure arithmetic; it does not know models, devices or what a prompt says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SLACK = 512
"""Tokens of padding that are not worth a second group."""


@dataclass(frozen=True)
class Size:
    """A prompt's length and the most tokens that may follow it, both in tokens."""

    prompt: int
    new: int


Fits = Callable[[int, int, int], bool]
"""Whether there is room for (rows, tokens of the longest prompt, tokens of the longest text)."""


def packed(
    sizes: Sequence[Size], mixed: bool = True, mixed_below: int | None = None, fits: Fits = lambda *_: True
) -> list[list[int]]:
    """Groups of places, the longest prompts first; each place is in one group.

    Args:
        sizes: of the prompts, by place.
        mixed: whether prompts of different lengths may stand in one group, padded to the longest.
        mixed_below: they may only if no text grows longer than this; None for no such limit.
        fits: asked before a group grows; a group of one is never refused.

    A group takes another prompt as long as no more than half of what is run at its prefill is padding, a little
    aside: one long prompt would otherwise make all short ones as dear as itself.
    """
    groups: list[list[int]] = []
    real = 0
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place].prompt, -sizes[place].new)):
        here = sizes[place]
        if groups:
            group = [*groups[-1], place]
            longest = sizes[group[0]].prompt
            width = longest + max(sizes[one].new for one in group)
            may_mix = mixed and (mixed_below is None or width <= mixed_below)
            padded = len(group) * longest
            if (
                (may_mix or here.prompt == longest)
                and padded <= 2 * (real + here.prompt) + _SLACK
                and fits(len(group), longest, width)
            ):
                groups[-1] = group
                real += here.prompt
                continue
        groups.append([place])
        real = here.prompt
    return groups
