"""A DownloadPanel as a person uses it: clicks, what a page sends, and waiting for what is to be seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from on_page import button, controls, shown, text

from influence_nb.widgets import DownloadPanel

WAIT = 60


def click(panel: DownloadPanel, tooltip: str) -> None:
    """Click a button as soon as a person could."""

    def ready() -> bool:
        found = [one for one in controls(panel) if getattr(one, "tooltip", None) == tooltip]
        return any(shown(one) and not one.disabled for one in found)

    until(panel, ready)
    button(panel, tooltip).click()


def until(panel: DownloadPanel, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that a change of the panel or of its state brings about."""
    changed = threading.Event()

    def tell(_: Any) -> None:
        changed.set()

    panel.state.observe(tell)
    while True:
        changed.clear()
        for one in controls(panel):  # each time, since rows come and go
            one.observe(tell)
        if condition():
            return
        assert changed.wait(WAIT), text(panel)


def says(panel: DownloadPanel, words: str) -> None:
    until(panel, lambda: words in text(panel))


def press_enter(one: Any) -> None:
    """What the page sends when Enter is pressed in a field."""
    one._handle_custom_msg({"event": "submit"}, [])


def type_secret(one: Any, secret: str) -> list[Any]:
    """What the page sends when a secret was entered; all that the kernel sends back."""
    sent: list[Any] = []
    before = one._send
    one._send = lambda message, buffers=None: sent.append(message)
    try:
        one.set_state({"value": secret})
    finally:
        one._send = before
    return sent
