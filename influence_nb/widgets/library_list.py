"""The list of a `LibraryPanel`: a page of rows at a time, filtered and ordered, with what is said about single models.

It shows what it is given; it does not know the library.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import ipywidgets

from influence_nb.store.models import LocalModel
from influence_nb.widgets import library_words as words
from influence_nb.widgets.form import labelled, text_field
from influence_nb.widgets.library_row import Actions, ModelRow
from influence_nb.widgets.library_words import Entry
from influence_nb.widgets.pages import Pages

PAGE = 15
"""Models on one page of the list."""
_PAINT = 0.1
"""Seconds between two paintings of a progress."""

ORDERS: dict[str, Callable[[Entry], Any]] = {
    "name": lambda entry: 0,  # as the library has them: starters, then by name
    "largest first": lambda entry: -entry.size,
    "last used first": lambda entry: -_last_used(entry),
}


class ModelList(ipywidgets.VBox):
    """Rows, and the buttons that turn pages; `filter` and `order` are controls to be put above it.

    Args:
        actions: what the rows' buttons ask for.
        elsewhere: shows, as HTML, what was said about a model that is on no row now; "" takes it back.
    """

    def __init__(self, actions: Actions, elsewhere: Callable[[str], object]) -> None:
        self._elsewhere = elsewhere
        self._lock = threading.RLock()  # the page, cells and background work all change what is shown
        self._entries: tuple[Entry, ...] = ()
        self._loaded: Collection[str] = ()
        self._note = ("", "")
        self._doing, self._stoppable, self._painted = ("", ""), True, 0.0
        self.filter = text_field("Filter", "part of a name")
        self.order = labelled(ipywidgets.Dropdown, "Order", list(ORDERS))
        spacer = ipywidgets.Box().add_class("inb-model-spacer")
        self._heads = ipywidgets.HBox([ipywidgets.HTML(words.heads()), spacer], layout={"display": "none"})
        self._heads.add_class("inb-model-top")
        self._rows = [ModelRow(actions) for _ in range(PAGE)]
        self._pages = Pages("models", PAGE, self._turned)
        super().__init__([self._heads, *self._rows, self._pages])
        self.filter.observe(self._rearranged, "value")
        self.order.observe(self._rearranged, "value")

    def put(self, entries: tuple[Entry, ...] | None = None, loaded: Collection[str] | None = None) -> None:
        """Show these models, and which of them are in memory; None leaves either as it was."""
        with self._lock:
            self._entries = self._entries if entries is None else entries
            self._loaded = self._loaded if loaded is None else loaded
            self._show()

    def say(self, name: str, html: str) -> None:
        """Say something about a model, in place of what was said before; about none with name ""."""
        with self._lock:
            self._note = (name, html)
            self._show()

    def do(self, name: str, html: str, stoppable: bool = True) -> None:
        """Say how far what is done with a model is, ten times a second at most; "" that nothing is being done.

        What is `stoppable` has a button that cancels it.
        """
        now = time.monotonic()
        with self._lock:
            if html and self._doing[0] == name and self._doing[1] and now - self._painted < _PAINT:
                return
            self._doing, self._stoppable, self._painted = (name, html), stoppable, now
            for row in self._rows:
                if row.entry is not None and row.entry.name == name:
                    row.do(html, stoppable)

    def place(self, name: str) -> int:
        """On which row of the page the model is; 0 where it is on none."""
        with self._lock:
            return next((at for at, row in enumerate(self._rows) if row.entry and row.entry.name == name), 0)

    def focus_on(self, place: int) -> None:
        """Put the keyboard's place on that row of the page, or on the last one; on the filter where there is none."""
        with self._lock:
            shown = [row for row in self._rows if row.entry is not None]
            (shown[min(place, len(shown) - 1)] if shown else self.filter).focus()

    def ask(self, entry: Entry, html: str) -> None:
        """Ask in the model's row whether to remove it."""
        with self._lock:
            for row in self._rows:
                if row.entry is not None and row.entry.name == entry.name:
                    row.ask(entry, html)

    def _show(self) -> None:
        part = self.filter.value.strip().lower()
        found = sorted(
            (one for one in self._entries if part in one.name.lower()), key=ORDERS[self.order.value]
        )
        shown = found[self._pages.among(len(found))]
        about, note = self._note
        busy, doing = self._doing
        for row, entry in zip(self._rows, [*shown, *[None] * (PAGE - len(shown))], strict=True):
            name = entry.name if entry else ""
            row.show(entry, name in self._loaded, note if name == about else "")
            row.do(doing if entry and name == busy else "", self._stoppable)
        self._elsewhere("" if about in {entry.name for entry in shown} else note)
        self._heads.layout.display = "" if shown else "none"

    def _rearranged(self, _: Any) -> None:
        with self._lock:
            self._pages.to(0)
            self._show()

    def _turned(self) -> None:
        with self._lock:
            self._show()


def _last_used(entry: Entry) -> float:
    return entry.last_used.timestamp() if isinstance(entry, LocalModel) and entry.last_used else 0.0
