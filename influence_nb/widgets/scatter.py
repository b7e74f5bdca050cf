"""The scatter plot inside the explorer: a map's points in jupyter-scatter, on a light or a dark page.

It knows points, columns and looks; it does not know encoders or neighbours. Texts are handed to the page one by one,
when the pointer is on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jscatter
import numpy as np
import pandas as pd
from jscatter.label_placement import to_js
from numpy.typing import NDArray

from influence_nb.embeddings.picture import MARK
from influence_nb.picture import GREY
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.outbox import Outbox
from influence_nb.widgets.scatter_labels import Labels
from influence_nb.widgets.scatter_look import OPACITY, Colours, coloured, looks

RAY = "#8a6d1f"
CAMERA = 1.1
"""How far the camera stands: at 1 the outermost points lie on the edge."""
BUTTONS = ["pan_zoom", "lasso", "divider", "full_screen", "download", "reset"]
MOVED_AT_ONCE = 50_000
"""More points than these jump to a new layout instead of moving there."""
SLIDES = 800
"""Milliseconds that points take to move to a new layout."""
_SIZES = ((3_000, 7), (20_000, 5), (200_000, 3))
_LONGEST_TIP = 600


class MapScatter:
    """One jupyter-scatter view of a table of texts.

    Args:
        frame: the texts and their columns, rows counted from 0.
        text: the column that holds the texts.
        on_select: called with the chosen rows whenever they change, from the page or from Python.
        height: in pixels.
    """

    def __init__(
        self, frame: pd.DataFrame, text: str, on_select: Callable[[list[int]], None], height: int
    ) -> None:
        self._frame, self._text = frame, text
        self._on_select = on_select
        self._points: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._low, self._span = np.zeros(2), np.ones(2)
        self._colours = coloured(None)
        self._size = next((size for most, size in _SIZES if len(frame) < most), 2)
        self._grown: NDArray[np.float32] | None = None
        self._faded: NDArray[np.float32] | None = None
        self._meant: NDArray[np.bool_] | None = None
        self._mark: list[Any] = []
        self._rays: list[Any] = []
        self._labels = Labels()
        self._moved = self._sent = False
        self._widget = self._built(height)
        self._outbox = Outbox(self._send, lambda: bool(self._widget.dom_element_id))

    def show(self, points: NDArray[np.float32]) -> Any:
        """Put the points (n, 2) on the plot, and give its widget."""
        again = len(self._points) > 0
        self._points = points
        self._low, self._span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
        self._rays, self._mark = [], []
        self._moved = again
        self._widget.annotations = []
        self._outbox.post()
        return self._widget

    def on_hover(self, act: Callable[[int | None], object]) -> None:
        """Call `act` with the row under the pointer, or with None once there is none."""
        self._widget.observe(lambda change: act(change["new"]), "hovering")

    def colour(self, column: str | pd.Series[Any] | None) -> None:
        """Colour the points by a column, or by values (n,) of one's own; None gives all of them one colour."""
        self._colours = self._coloured(column)
        self._restyle()

    def legend(self, column: str | pd.Series[Any] | None) -> str:
        """What the colours mean, as HTML."""
        return self._coloured(column).legend

    def select(self, rows: Sequence[int]) -> None:
        """Choose rows; the page shows them."""
        self._widget.selection = np.asarray(rows, np.uint32)

    def filter(self, shown: NDArray[np.bool_] | None) -> None:
        """Show only these points, (n,); None shows all."""
        self._widget.filter = None if shown is None else np.flatnonzero(shown).astype(np.uint32)

    def mark(self, place: NDArray[np.float32] | None) -> None:
        """Draw a cross at a place (2,), or none."""
        self._mark = []
        if place is not None:
            (x, y), (dx, dy) = (float(v) for v in place), (float(v) * 0.025 for v in self._span)
            arms = [[(x - dx, y), (x + dx, y)], [(x, y - dy), (x, y + dy)]]
            self._mark = [self._line(arm, MARK, 4) for arm in arms]
        self._draw()

    def rays(self, row: int | None, ends: Sequence[int] = ()) -> None:
        """Draw lines from a row's point to those of other rows, or none."""
        points = self._points
        lines = [] if row is None else [[points[row], points[end]] for end in ends]
        if lines or self._rays:
            self._rays = [self._line(line, RAY, 2) for line in lines]
            self._draw()

    def shade(self, values: NDArray[np.float32] | None) -> None:
        """Let points fade by a measure (n,) from 0, faint, to 1, full; None shows all alike."""
        self._faded = values
        self._restyle()

    def grow(self, values: NDArray[np.float32] | None) -> None:
        """Draw points larger by a measure (n,) from 0, small, to 1; None draws all alike."""
        self._grown = values
        self._restyle()

    def emphasise(self, meant: NDArray[np.bool_] | None) -> None:
        """Let all points but these (n,) step back; None for none."""
        if meant is not None or self._meant is not None:
            self._meant = meant
            self._restyle()

    def label(self, places: Mapping[str, NDArray[np.float32]]) -> None:
        """Write words at places (2,) on the map, and nothing else."""
        self._labels.put({words: self._inside(place) for words, place in places.items()})
        self._widget.labels = to_js(self._labels.get_labels_from_tiles(()))

    def _coloured(self, column: str | pd.Series[Any] | None) -> Colours:
        return coloured(self._frame[column] if isinstance(column, str) else column)

    def _restyle(self) -> None:
        """Send the points with what they look like now."""
        if len(self._points):
            self._outbox.post()

    def _send(self) -> float:
        """Send the points, their places and looks; for how many seconds the page is busy with them."""
        moved, self._moved = self._moved, False
        slides = moved and len(self._points) <= MOVED_AT_ONCE
        with self._widget.hold_sync():
            self._widget.transition_points = slides
            self._widget.non_spatial_points_update = not moved and self._sent
            self._widget.points = self._packed()
        self._sent = True
        if moved:
            self._widget.reset_view()
        return (SLIDES / 1000 if slides else 0) + 0.15 + len(self._points) * 2e-6

    def _packed(self) -> NDArray[np.float32]:
        """What the plot knows of each point, (n, 4): x and y from -1 to 1, and two codes; their keys are set."""
        widget, points = self._widget, self._points
        codes, sizes, opacities = looks(self._size, self._grown, self._faded, self._meant)
        packed = np.zeros((len(points), 4), np.float32)
        if len(points):
            packed[:, :2] = self._inside(points)
        widget.color = self._colours.shown
        widget.color_by = None if self._colours.codes is None else "valueA"
        widget.size = sizes if len(set(sizes)) > 1 else sizes[0]
        widget.opacity = opacities if codes is not None and len(set(opacities)) > 1 else opacities[0]
        widget.size_by = "valueB" if isinstance(widget.size, list) else None
        widget.opacity_by = "valueB" if isinstance(widget.opacity, list) else None
        for at, column in ((2, self._colours.codes), (3, codes)):
            if column is not None and len(points):
                packed[:, at] = column
        return packed

    def _inside(self, places: NDArray[np.floating]) -> NDArray[np.floating]:
        """Places on the map as the plot has them: the map from -1 to 1."""
        return (places - (self._low + self._span_of_points() / 2)) * (2 / self._span)

    def _span_of_points(self) -> NDArray[np.floating]:
        return np.ptp(self._points, axis=0) if len(self._points) else self._span

    def _line(self, ends: Sequence[Any], colour: str, width: int) -> Any:
        inside = [self._inside(np.asarray(end)) for end in ends]
        return jscatter.Line([(float(x), float(y)) for x, y in inside], line_color=colour, line_width=width)

    def _draw(self) -> None:
        self._widget.annotations = [*self._rays, *self._mark]

    def _built(self, height: int) -> Any:
        """The widget, empty but for the corners of the plot: points are sent when they are shown, not before."""
        corners = [-1.0, 1.0]
        plot = jscatter.Scatter(
            x=corners, y=corners, height=height, size=self._size, opacity=OPACITY, color_selected=MARK,
            color_hover=MARK, axes_labels=False, axes=False, camera_distance=CAMERA, lasso_color=MARK,
            background_color=(0.0, 0.0, 0.0, 0.0),
        )  # fmt: skip
        plot.tooltip(True, properties=[], preview_text_lines=9, size="medium")
        widget = plot.widget
        widget.tooltip_preview = "text"
        for channel in (
            "color",
            "opacity",
            "size",
        ):  # the page wants to know of a scale, though nothing shows it
            setattr(widget, f"{channel}_scale", "linear")
            setattr(widget, f"{channel}_domain", [0.0, 1.0])
            setattr(widget, f"{channel}_histogram", [0.0, 1.0])
        widget.prevent_filter_reset = True
        widget.transition_points_duration = SLIDES
        widget.label_shadow_color = "#1d2127"
        widget.label_scale_function = "constant"
        widget.label_placement = self._labels
        grey = [*(int(GREY[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1]
        widget.axes_color = widget.legend_color = grey
        widget.tooltip_color = [0.16, 0.17, 0.19, 1]
        widget.show(BUTTONS)
        widget.observe(lambda change: self._on_select(np.asarray(change["new"]).tolist()), "selection")
        widget._handle_tooltip = (
            self._asked_for_tip
        )  # its own looks the words up in a frame, which it is not given
        answer_on_own_loop(widget)
        return widget

    def _asked_for_tip(self, message: Any) -> None:
        """The page asks for the words of a point that the pointer is on."""
        row = message.get("index")
        if row in range(len(self._frame)):
            told = {"type": "tooltip", "index": row, "preview": self._tip(row), "properties": {}}
            self._widget.send(told)

    def _tip(self, row: int) -> str:
        """What is shown when the pointer is on a point: its text, and its other columns in brackets."""
        others = (self._frame[column].iloc[row] for column in self._frame.columns if column != self._text)
        rest = ", ".join("(missing)" if _gone(value) else str(value) for value in others)
        said = str(self._frame[self._text].iloc[row])
        said = said if len(said) <= _LONGEST_TIP else said[:_LONGEST_TIP] + "…"
        return f"{said} ({rest})" if rest else said


def _gone(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))
