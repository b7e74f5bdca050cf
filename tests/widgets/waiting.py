"""What a page says to a panel, and waiting for what comes of it: for a change of traits, without a clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

WAIT = 60
"""Seconds after which a test gives up."""


def say(panel: Any, **message: Any) -> None:
    """What the page sends, as JSON."""
    panel._on_page(None, json.loads(json.dumps(message)), [])


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
