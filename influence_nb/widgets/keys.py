"""`keep_keys`: what is pressed in a panel stays in it, where JupyterLab would take it for a command on cells.

It does not know the panels. What it does on the page is `widgets/keys/`.
"""

from __future__ import annotations

from pathlib import Path

import anywidget

_kept: Keys | None = None


class Keys(anywidget.AnyWidget):
    """Has no view: the page listens as soon as it has the model, for every panel on it."""

    _esm = Path(__file__).parent / "static" / "keys.js"


def keep_keys() -> None:
    """Have the pages of this kernel leave the keys to the panels in which they are pressed."""
    global _kept
    if _kept is None or _kept.comm is None:  # all widgets may have been closed meanwhile
        _kept = Keys()
