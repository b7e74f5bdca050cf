"""Painting at a bounded rate: many changes a second become a few repaints, and the last one is always painted.

It does not know what is painted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVERY = 0.1
"""Seconds between two repaints: what a person can follow, and what a page takes without effort."""


class Painter:
    """Calls `paint` soon after it was asked to, never twice at once. Thread-safe.

    Args:
        paint: draws everything as it is now.
        every: the least number of seconds between two repaints that were asked for.
    """

    def __init__(self, paint: Callable[[], None], every: float = EVERY) -> None:
        self._paint = paint
        self._every = every
        self._asked = threading.Lock()
        self._painting = threading.RLock()
        self._due = False
        self._last = -every

    def ask(self) -> None:
        """Paint soon, on a thread of its own; asking again until then changes nothing."""
        with self._asked:
            if self._due:
                return
            self._due = True
            wait = max(0.0, self._last + self._every - time.monotonic())
        timer = threading.Timer(wait, self._paint_asked)
        timer.daemon = True
        timer.start()

    def now(self) -> None:
        """Paint here and now."""
        with self._painting:
            self._paint()

    def _paint_asked(self) -> None:
        with self._painting:
            with self._asked:  # a change from here on asks anew: it may come too late for this time
                self._due = False
                self._last = time.monotonic()
            self._paint()
