"""`CompareExplorer`: two maps of the same texts beside each other, what is chosen on one chosen on the other.

It knows comparisons; it does not know encoders.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from influence_nb.embeddings.columns import can_colour
from influence_nb.embeddings.compare import MapComparison, compare_maps
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData
from influence_nb.picture import image_html, png
from influence_nb.widgets.base import (
    StaticFallback,
    answer_on_own_loop,
    escape,
    readable,
    static_block,
    strict,
)
from influence_nb.widgets.columns_shown import COLUMN_STYLE, ONE_COLOUR, expect_column, expect_rows
from influence_nb.widgets.form import STYLE, labelled, message, page_button
from influence_nb.widgets.frames import FRAME_STYLE, rows_html
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.scatter import MapScatter

NEIGHBOURS = 10
MOVERS = 100
"""How many of those that moved most are listed."""
HELP = (
    "Point at a dot to see where the same text is on the other map; click it, or choose a text of the list, for its "
    "neighbours on both. The lasso chooses on both."
)


class CompareExplorer(StaticFallback, ipywidgets.VBox):
    """Two linked maps of the same texts, and those whose neighbours changed most.

    The second map is turned, mirrored and scaled onto the first by Procrustes. Neighbours are those of the full space.

    Args:
        a: a map, or what `inb.compare_maps` gave.
        b: the other map of the same rows; none beside a comparison.
        color: a column, "overlap" or "shift"; None takes the first map's `colour_column`, or else the overlap.
        height: of the plots, in pixels.

    Raises:
        InvalidData: maps that cannot be compared, or no such column.
        TypeError: an unknown keyword.
    """

    selected = traitlets.List(traitlets.Int())
    """The chosen rows' numbers, on both maps; set it, or choose on the page."""

    color = traitlets.Unicode(None, allow_none=True)
    """What colours the points of both: a column, "overlap", "shift"; None for one colour."""

    problem = traitlets.Unicode()
    """What went wrong with the last request, "" when nothing did."""

    @strict
    def __init__(
        self,
        a: EmbeddingMap | MapComparison,
        b: EmbeddingMap | None = None,
        *,
        color: str | None = None,
        height: int = 400,
    ) -> None:
        self.comparison = _compared(a, b)
        self._near: tuple[pd.DataFrame, pd.DataFrame] | None = None
        self._looking = Newest()
        self._lock = threading.RLock()
        self._looked: Future[None] = Future()
        self._looked.set_result(None)
        self._picture: tuple[str | None, bytes] | None = None
        first = self.comparison.a
        frame = self._frame = self.comparison.to_frame()
        text = first.text
        others = frame.drop(columns=[text, "other_text"], errors="ignore")
        shown = pd.concat([frame[[text]], others], axis=1)
        second = shown.assign(**{text: self.comparison.b.frame[self.comparison.b.text]})
        self._columns = [column for column in others.columns if can_colour(frame[column])]
        self._points = self.comparison.points
        self._plots = [MapScatter(one, text, self._chose, height) for one in (shown, second)]
        self.scatters = tuple(
            plot.show(points) for plot, points in zip(self._plots, self._points, strict=True)
        )
        for at, plot in enumerate(self._plots):
            plot.on_hover(self._hovered(1 - at))
        self._colour = labelled(ipywidgets.Dropdown, "Colour", [ONE_COLOUR, *self._columns])
        self._list = ipywidgets.Select(
            options=[("(none chosen)", -1), *self._movers()], description="Moved most", rows=8,
            style={"description_width": "auto"}, layout={"width": "100%"},
        ).add_class("inb-movers")  # fmt: skip
        steps = [
            page_button("Previous that moved", "The one above in the list", lambda: self._step(-1)),
            page_button("Next that moved", "The one below in the list", lambda: self._step(1)),
        ]
        title = ipywidgets.HTML(f'<div class="inb-title">{escape(self.comparison.title)}</div>')
        self._legend, self._message, self._tables = (ipywidgets.HTML() for _ in range(3))
        sides = [
            self._side(name, one) for name, one in zip(self.comparison.names, self.scatters, strict=True)
        ]
        controls = ipywidgets.HBox([self._colour]).add_class("inb-row")
        super().__init__(
            [
                ipywidgets.HTML(STYLE + FRAME_STYLE + COLUMN_STYLE),
                title,
                controls,
                ipywidgets.HBox(sides).add_class("inb-sides"),
                self._legend,
                self._list,
                ipywidgets.HBox(steps).add_class("inb-row"),
                self._message,
                self._tables,
            ]
        )
        for name in ("inb-form", "inb-explorer", "inb-compare", "live"):
            self.add_class(name)
        for control in (self._colour, self._list):
            answer_on_own_loop(control)
        self.color = (first.colour_column or "overlap") if color is None else str(color)
        self._recolour()
        self._tables.value = message(HELP)
        self._colour.observe(lambda _: self._colour_picked(), "value")
        self._list.observe(lambda _: self._picked(), "value")
        self.observe(lambda _: self._recolour(), "color")
        self.observe(lambda _: self._chosen(), "selected")

    @property
    def neighbours(self) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """The nearest of the one chosen text on the first and on the second map; None unless one is chosen."""
        return self._near

    def choose(self, row: int) -> Future[None]:
        """Do what choosing a row of the list does; the future is done when its neighbours are shown.

        Raises:
            InvalidData: no such row.
        """
        with self._lock:
            self.selected = [row]
            return self._looked

    @traitlets.validate("selected")
    def _rows_exist(self, proposal: Any) -> list[int]:
        return expect_rows(proposal["value"], len(self._frame))

    @traitlets.validate("color")
    def _column_exists(self, proposal: Any) -> str | None:
        return expect_column(proposal["value"], self._columns)

    def static_html(self) -> str:
        """Both maps as a picture, and who moved most."""
        image = image_html(self._png(), self.comparison.title)
        moved = self.comparison.moved.head(NEIGHBOURS)
        return static_block(
            "Two maps", image, rows_html("Moved most", _rounded(moved), most=NEIGHBOURS), self._tables_html()
        )

    def _movers(self) -> list[tuple[str, int]]:
        rows = self.comparison.moved.head(MOVERS)
        texts = rows[self.comparison.a.text]
        return [
            (
                f"{kept:.0%} kept, now rank {shift:.0f}: {textwrap.shorten(said, 110, placeholder='…')}",
                int(row),
            )
            for row, kept, shift, said in zip(rows.index, rows["overlap"], rows["shift"], texts, strict=True)
        ]

    def _side(self, name: str, plot: Any) -> ipywidgets.VBox:
        head = ipywidgets.HTML(f'<div class="inb-title"><strong>{escape(name)}</strong></div>')
        return ipywidgets.VBox([head, ipywidgets.VBox([plot]).add_class("inb-map")]).add_class("inb-side")

    def _hovered(self, other: int) -> Callable[[int | None], None]:
        """What pointing at a text of one map does to the other."""

        def act(row: int | None) -> None:
            self._plots[other].mark(None if row is None else self._points[other][row])

        return act

    def _colour_picked(self) -> None:
        self.color = None if self._colour.value == ONE_COLOUR else self._colour.value

    def _recolour(self) -> None:
        for plot in self._plots:
            plot.colour(self.color)
        self._legend.value = self._plots[0].legend(self.color)
        self._colour.value = self.color or ONE_COLOUR
        self.update_static()

    def _chose(self, rows: list[int]) -> None:
        self.selected = rows

    def _step(self, by: int) -> None:
        """Choose the next of the list, or the one before; the first where none is chosen."""
        rows = [row for _, row in self._list.options][1:]
        at = rows.index(self._list.value) + by if self._list.value in rows else 0
        self.selected = [rows[at % len(rows)]]

    def _picked(self) -> None:
        if self._list.value >= 0:
            self.selected = [self._list.value]

    def _chosen(self) -> None:
        with self._lock:
            rows = list(self.selected)
            for plot in self._plots:
                plot.select(rows)
            listed = [value for _, value in self._list.options]
            self._list.value = rows[0] if len(rows) == 1 and rows[0] in listed else -1

            def work(turn: Turn) -> None:
                try:
                    maps = (self.comparison.a, self.comparison.b)
                    near = [map.neighbours(rows[0], NEIGHBOURS) for map in maps] if len(rows) == 1 else None
                except Exception as error:
                    said = readable(error)
                    self.problem = said.message
                    self._message.value = message(said.message, said.hint, "problem")
                    raise said from error
                turn.if_newest(lambda: self._show(None if near is None else (near[0], near[1])))

            self._looked = self._looking.ask(work)

    def _show(self, near: tuple[pd.DataFrame, pd.DataFrame] | None) -> None:
        self._near = near
        self.problem = self._message.value = ""
        self._tables.value = self._tables_html() or message(HELP)
        self.update_static()

    def _tables_html(self) -> str:
        rows = list(self.selected)
        if self._near is None:
            chosen = _rounded(self._frame.iloc[rows])
            return rows_html(f"{len(rows):,} chosen texts", chosen) if rows else ""
        both = set(self._near[0].index) & set(self._near[1].index)
        sides = []
        for near, map, name in zip(
            self._near, (self.comparison.a, self.comparison.b), self.comparison.names, strict=True
        ):
            shown = near[["similarity", map.text]].assign(
                similarity=near["similarity"].map("{:.3f}".format),
                on_both=["yes" if row in both else "" for row in near.index],
            )
            shown = shown.rename(columns={"on_both": "on both"})
            sides.append(f"<div>{rows_html(f'Nearest by {name}', shown, index=False)}</div>")
        said = self._frame.loc[rows[0]]
        text = said[self.comparison.a.text]
        if "other_text" in said and said["other_text"] != text:
            text = f"{text} / {said['other_text']}"
        return f'<p><strong>{escape(text)}</strong></p><div class="inb-beside">{"".join(sides)}</div>'

    def _png(self) -> bytes:
        if self._picture is None or self._picture[0] != self.color:
            self._picture = self.color, png(self.comparison.plot(self.color), dpi=72)
        return self._picture[1]


def _compared(a: Any, b: Any) -> MapComparison:
    if isinstance(a, MapComparison) and b is None:
        return a
    if b is None or isinstance(a, MapComparison):
        raise InvalidData(
            "Two maps are compared, or one comparison shown.",
            "Give CompareExplorer(a, b), or CompareExplorer(inb.compare_maps(a, b)).",
        )
    return compare_maps(a, b)


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        overlap=frame["overlap"].map("{:.0%}".format), shift=frame["shift"].map("{:.1f}".format)
    )
