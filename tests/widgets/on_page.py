"""A panel as a person sees it: its controls by their labels, and its text."""

from __future__ import annotations

from typing import Any


def controls(widget: Any, hidden: bool = True) -> list[Any]:
    """Every widget in a panel, in order; with `hidden` False only those that are to be seen."""
    if not (hidden or shown(widget)):
        return []
    return [widget, *(one for child in getattr(widget, "children", ()) for one in controls(child, hidden))]


def shown(widget: Any) -> bool:
    return bool(widget.layout.display != "none")


def field(panel: Any, label: str) -> Any:
    return next(one for one in controls(panel) if getattr(one, "description", None) == label)


def button(panel: Any, tooltip: str, hidden: bool = True) -> Any:
    """The first button with this tooltip."""
    found = [one for one in controls(panel, hidden) if getattr(one, "tooltip", None) == tooltip]
    assert found, f"there is no button {tooltip!r}"
    return found[0]


def text(panel: Any, hidden: bool = True) -> str:
    """All that is to be read, as HTML."""
    parts = [str(one.value) for one in controls(panel, hidden) if type(one).__name__ == "HTML"]
    return " ".join(part for part in parts if not part.startswith("<style>"))
