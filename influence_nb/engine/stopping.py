"""Stop strings in a text that grows: what may be shown of it, and whether one of them has ended it.

It does not know tokens or models.
"""

from __future__ import annotations

from collections.abc import Sequence


class Stopping:
    """Takes pieces of a text and gives back what cannot belong to a stop string.

    Attributes:
        found: whether a stop string has come; nothing is shown from it on.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = tuple(stops)
        self._held = ""

    def push(self, piece: str) -> str:
        """The text that may be shown now that `piece` has come; the rest is held back."""
        text, self._held = self._held + piece, ""
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.found = True
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, now that nothing more will come."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that is a beginning of `stop`."""
    return next(
        (size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0
    )
