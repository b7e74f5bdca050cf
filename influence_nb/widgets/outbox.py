"""Sending to a page that drops what comes while it is still busy with what came before: the last is never lost.

It does not know what is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class Outbox:
    """Sends at once where the page is free; else once it is, and then only the newest.

    Args:
        send: sends what is to be seen now, and gives for how many seconds the page is busy with it.
        shown: whether a page is there at all; without one everything is sent at once.
    """

    def __init__(self, send: Callable[[], float], shown: Callable[[], bool]) -> None:
        self._send, self._shown = send, shown
        self._lock = threading.RLock()
        self._free = 0.0
        self._timer: threading.Timer | None = None

    def post(self) -> None:
        """There is something new to be seen."""
        with self._lock:
            wait = self._free - monotonic()
            if wait <= 0 or not self._shown():
                self._now()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self._later)
                self._timer.daemon = True
                self._timer.start()

    def _later(self) -> None:
        with self._lock:
            self._timer = None
            self._now()

    def _now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._free = monotonic() + self._send()
