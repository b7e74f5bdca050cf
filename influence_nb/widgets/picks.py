"""A table of texts or groups, a row of which can be picked by a click.

It does not know what they are, nor what a pick does. The page is `widgets/picks/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from influence_nb.widgets.base import answer_on_own_loop

STATIC = Path(__file__).parent / "static"
MOST_ROWS = 100
"""How many rows the page lists; a line says how many there are beyond them."""


class Picks(anywidget.AnyWidget):
    """The synced state of the table; only Python sets it.

    Args:
        picked: called with a row's number in the table when it is clicked; None where rows cannot be picked.
    """

    _esm = STATIC / "picks.js"
    _css = STATIC / "picks.css"

    heading = traitlets.Unicode().tag(sync=True)
    """What the table is; "" hides it."""

    heads = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The columns' names."""

    rows: Any = traitlets.List().tag(sync=True)
    """The cells' words, a list a row."""

    pickable = traitlets.Bool().tag(sync=True)
    """Whether a row can be picked."""

    picked = traitlets.List(traitlets.Int()).tag(sync=True)
    """The rows that are picked."""

    more = traitlets.Unicode().tag(sync=True)
    """What is said below the table."""

    def __init__(self, picked: Callable[[int], object] | None = None) -> None:
        super().__init__(pickable=picked is not None)
        self._on_pick = picked
        self.on_msg(self._heard)
        answer_on_own_loop(self)

    def show(self, heading: str, frame: pd.DataFrame, picked: Sequence[int] = ()) -> None:
        """List the rows of a frame, its index, where it has a name, as the first column."""
        listed = frame.head(MOST_ROWS)
        if listed.index.name is not None:
            listed = listed.reset_index()
        with self.hold_sync():
            self.heads = [str(name) for name in listed.columns]
            self.rows = [
                [_words(name, value) for name, value in zip(self.heads, row, strict=True)]
                for row in listed.itertuples(index=False, name=None)
            ]
            self.picked = list(picked)
            self.more = f"and {len(frame) - MOST_ROWS:,} more" if len(frame) > MOST_ROWS else ""
            self.heading = heading

    def clear(self) -> None:
        """Show nothing."""
        with self.hold_sync():
            self.heading, self.rows, self.picked, self.more = "", [], [], ""

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        row = content.get("row")
        if content.get("type") == "pick" and self._on_pick and row in range(len(self.rows)):
            self.picked = [row]
            self._on_pick(row)


def _words(name: str, value: Any) -> str:
    return f"{value:.3f}" if name == "similarity" else str(value)
