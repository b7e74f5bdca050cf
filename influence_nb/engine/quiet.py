"""Keeps bars and notices of transformers and bitsandbytes out of notebooks: our own surfaces say what happens."""

from __future__ import annotations

import logging as standard
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_building = threading.RLock()
_inside = 0
_before: tuple[int, bool, int] = (0, False, 0)


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and only errors while inside; safe from several threads at once."""
    from transformers.utils import logging

    packing = standard.getLogger("bitsandbytes")
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = (logging.get_verbosity(), logging.is_progress_bar_enabled(), packing.level)
            logging.set_verbosity(standard.ERROR)
            packing.setLevel(standard.ERROR)
            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                logging.set_verbosity(_before[0])
                packing.setLevel(_before[2])
                if _before[1]:
                    logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def building() -> Iterator[None]:
    """As `quiet`, for one thread at a time: a network is made inside.

    While transformers makes one it changes, for the whole process, torch's default dtype and how weights
    are initialised and tied; two at once would leave those changed, or a network without some weights.
    """
    with _building, quiet():
        yield
