"""Which rows of a map are shown: a form that makes filters of what a person ticks and types.

It knows a table's columns; it does not know what a filter does. Of a column of thousands of values the commonest are
offered, and others by what is typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from influence_nb.embeddings.columns import categories, count_categories, is_continuous, is_date, numbers
from influence_nb.errors import InvalidData
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.form import labelled, message, text_field

LISTED = 16
"""How many values of a column are offered at once."""


class FilterForm(ipywidgets.VBox):
    """A column to filter by, and what its kind is filtered with.

    Args:
        frame: the texts and their columns.
        text: the column that holds the texts; it comes first.
        changed: called with the filters whenever somebody has changed them.
    """

    def __init__(self, frame: pd.DataFrame, text: str, changed: Callable[[dict[str, Any]], object]) -> None:
        self._frame, self._changed = frame, changed
        self._filters: dict[str, Any] = {}
        self._quiet = False
        self._values: list[tuple[str, int]] = []
        names = [text, *(name for name in frame.columns if name != text)]
        self.column = labelled(ipywidgets.Dropdown, "Column to filter by", names)
        self.words = text_field("Contains", "words, in any case")
        self.low, self.high = text_field("From"), text_field("To")
        self.find = text_field("Find a value")
        self._boxes = [ipywidgets.Checkbox(indent=False) for _ in range(LISTED)]
        self.values = ipywidgets.HBox(self._boxes).add_class("inb-row").add_class("inb-values")
        self._note = ipywidgets.HTML()
        self._row = ipywidgets.HBox().add_class("inb-row")
        super().__init__([self._row, self.values, self._note])
        for box in self._boxes:
            box.layout.width = "auto"
            answer_on_own_loop(box)
            box.observe(self._ticked, "value")
        answer_on_own_loop(self.column)
        self.column.observe(lambda _: self._open(), "value")
        self.words.observe(lambda change: self._put(change["new"]), "value")
        for end in (self.low, self.high):
            end.continuous_update = False
            end.observe(lambda _: self._ranged(), "value")
        self.find.observe(lambda _: self._list(), "value")
        self._open()

    def show(self, filters: Mapping[str, Any]) -> None:
        """Show the filters that hold now."""
        if dict(filters) != self._filters:
            self._filters = dict(filters)
            self._open()

    def _open(self) -> None:
        """Show what the chosen column is filtered with."""
        name = self.column.value
        values, now = self._frame[name], self._filters.get(name)
        self._quiet = True
        try:
            self._note.value = ""
            self.words.value = now if isinstance(now, str) else ""
            ends = now if isinstance(now, tuple) else (None, None)
            self.low.value, self.high.value = (_written(end) for end in ends)
            self.find.value = ""
        finally:
            self._quiet = False
        ranged = is_continuous(values) or is_date(values)
        picked = not ranged and name != self.column.options[0] and count_categories(values) > 0
        self._values = _commonest(values) if picked else []
        if ranged:
            self.low.placeholder, self.high.placeholder = _ends(values)
        parts = [self.low, self.high] if ranged else [self.words]
        self._row.children = [self.column, *parts, *([self.find] if len(self._values) > LISTED else [])]
        self._list()

    def _list(self) -> None:
        """Offer the values that are ticked, then the commonest of those that are looked for."""
        if self._quiet:
            return
        ticked = self._ticks()
        wanted = self.find.value.strip().lower()
        fitting = [one for one in self._values if wanted in one[0].lower()]
        offered = sorted(fitting, key=lambda one: one[0] not in ticked)[:LISTED]
        self._quiet = True
        try:
            for box, (name, count) in zip(self._boxes, offered, strict=False):
                box.description, box.tooltip = (
                    f"{name if len(name) < 40 else name[:39] + '…'} ({count:,})",
                    name,
                )
                box.value = name in ticked
        finally:
            self._quiet = False
        self.values.children = self._boxes[: len(offered)]
        more = len(fitting) - len(offered)
        self._note.value = message(f"{more:,} more values: type to find them.") if more > 0 else ""

    def _ticks(self) -> set[str]:
        now = self._filters.get(self.column.value)
        return set(now) if isinstance(now, list) else set()

    def _ticked(self, change: Any) -> None:
        if self._quiet:
            return
        name, ticked = change["owner"].tooltip, self._ticks()
        ticked = ticked | {name} if change["new"] else ticked - {name}
        self._put(sorted(ticked) or "")

    def _ranged(self) -> None:
        if self._quiet:
            return
        try:
            self._put(tuple(self._end(field.value.strip()) for field in (self.low, self.high)))
        except ValueError:
            self._note.value = message(
                "That is no number.", "Write it as 12 or 0.5, or leave it out.", "problem"
            )

    def _end(self, written: str) -> Any:
        if not written:
            return None
        return written if is_date(self._frame[self.column.value]) else float(written)

    def _put(self, wanted: Any) -> None:
        if self._quiet:
            return
        filters = {**self._filters, self.column.value: wanted}
        try:
            self._changed(filters)
            self._note.value = self._note.value if isinstance(wanted, list) else ""
        except InvalidData as error:
            self._note.value = message(error.message, error.hint, "problem")


def _commonest(values: pd.Series[Any]) -> list[tuple[str, int]]:
    """A column's categories with how many rows each has, the commonest first."""
    codes, names = categories(values)
    counts = np.bincount(codes, minlength=len(names))
    return [(names[at], int(counts[at])) for at in np.argsort(-counts, kind="stable")]


def _ends(values: pd.Series[Any]) -> tuple[str, str]:
    if is_date(values):
        return _written(values.min()), _written(values.max())
    known = numbers(values)
    return f"{np.nanmin(known):g}", f"{np.nanmax(known):g}"


def _written(end: Any) -> str:
    if end is None or end is pd.NaT:
        return ""
    return f"{end:g}" if isinstance(end, float) else str(end).removesuffix(" 00:00:00")
