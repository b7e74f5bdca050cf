"""Threads that work behind the panels, and their end with the process.

A thread that is inside torch while the interpreter is taken down aborts the process; so what works is told to stop, and
waited for, for a while. It does not know what the work is.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

PATIENCE = 3.0
"""Seconds that the end of the process waits for work that has been told to stop."""

leaving = threading.Event()
"""Set when the process ends: what takes long stops then."""

_working: WeakKeyDictionary[threading.Thread, Callable[[], object]] = WeakKeyDictionary()


def start(work: Callable[[], object], stop: Callable[[], object] = lambda: None) -> None:
    """Run `work` on a thread of its own; `stop` is called when the process ends before it has."""
    thread = threading.Thread(target=work, daemon=True)
    _working[thread] = stop
    thread.start()


@atexit.register
def _leave() -> None:
    leaving.set()
    ends = time.monotonic() + PATIENCE
    working = [(thread, stop) for thread, stop in list(_working.items()) if thread.is_alive()]
    for _, stop in working:
        stop()
    for thread, _ in working:
        thread.join(max(0.0, ends - time.monotonic()))
