"""Buttons that turn the pages of a list or a table.

It knows how many rows there are; it does not know what is in them.
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from influence_nb.widgets.form import page_button


class Pages(ipywidgets.HBox):
    """Previous and Next, and which rows of how many are shown; hidden where one page holds them all.

    Args:
        what: the rows' name in the buttons' tooltips: "runs".
        size: rows on a page.
        turned: called when another page is wanted; it asks `among` anew.
    """

    def __init__(self, what: str, size: int, turned: Callable[[], object]) -> None:
        self._size, self._turned = size, turned
        self._page = 0
        self._back = page_button("Previous", f"Previous page of {what}", lambda: self._turn(-1))
        self._forth = page_button("Next", f"Next page of {what}", lambda: self._turn(1))
        self._place = ipywidgets.HTML()
        super().__init__([self._back, self._place, self._forth], layout={"display": "none"})
        self.add_class("inb-pages")

    def to(self, row: int) -> None:
        """Turn to the page that holds this row, without telling anyone."""
        self._page = row // self._size

    def among(self, count: int) -> slice:
        """Which of so many rows are on this page; the last page where there are fewer than before."""
        self._page = max(0, min(self._page, (count - 1) // self._size))
        first = self._page * self._size
        last = min(first + self._size, count)
        self._place.value = f'<span role="status">{first + 1:,} to {last:,} of {count:,}</span>'
        self._back.disabled = self._page == 0
        self._forth.disabled = last == count
        self.layout.display = "" if count > self._size else "none"
        return slice(first, last)

    def _turn(self, by: int) -> None:
        self._page += by
        self._turned()
        pressed, other = (self._forth, self._back) if by > 0 else (self._back, self._forth)
        if pressed.disabled:
            other.focus()
