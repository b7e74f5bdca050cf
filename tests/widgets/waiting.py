"""Waiting for a panel without a clock: for a change of its traits after which something holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

WAIT = 60
"""Seconds after which a test gives up."""


def until(panel: Any, holds: Callable[[], bool], *traits: str) -> None:
    """Wait until `holds()`, which is looked at now and at each change of `traits`."""
    seen = threading.Event()

    def look(_: Any = None) -> None:
        if holds():
            seen.set()

    panel.observe(look, list(traits))
    look()
    assert seen.wait(WAIT)
    panel.unobserve(look, list(traits))
