"""What the tests of SearchPanel share: a page that talks to it, and waiting for its table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from influence_nb.widgets.search import SearchPanel

WAIT = 60


def shown(panel: SearchPanel) -> list[str]:
    return [row["id"] for row in panel.table.rows]


def page(panel: SearchPanel, content: Any) -> None:
    """What a page sends."""
    panel.table._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def until(panel: SearchPanel, name: str, fits: Callable[[Any], bool]) -> None:
    """Wait until a trait of the table is as wanted."""
    there = threading.Event()

    def look(_: Any = None) -> None:
        if fits(getattr(panel.table, name)):
            there.set()

    panel.table.observe(look, name)
    look()
    assert there.wait(WAIT), getattr(panel.table, name)
    panel.table.unobserve(look, name)
