"""The scatter plot inside the explorer: a map's points in jupyter-scatter, on a light or a dark page.

It knows points, columns and colours; it does not know encoders or neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jscatter
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from influence_nb.embeddings.picture import (
    MARK,
    MISSING,
    PLAIN,
    category_colours,
    category_names,
    finite,
    is_continuous,
    numbers,
)
from influence_nb.picture import GREY
from influence_nb.widgets.base import answer_on_own_loop, escape

_TIP = "tip"  # a column beside the data's own, whose names `_key` gives
RAY = "#8a6d1f"
OPACITY, FAINT = 0.85, 0.08
CAMERA = 1.1
"""How far the camera stands: at 1 the outermost points lie on the edge."""
BUTTONS = ["pan_zoom", "lasso", "divider", "full_screen", "download", "reset"]


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
        self._frame = frame
        shown = {_key(column): _shown(frame[column]) for column in frame.columns.drop(text)}
        self._shown = pd.DataFrame({_TIP: _tips(frame, text)} | shown)
        self._points: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._span = np.ones(2)
        self._plot: Any = None
        self._mark: list[Any] = []
        self._rays: list[Any] = []
        self._on_select = on_select
        self._height = height

    def show(self, points: NDArray[np.float32]) -> Any:
        """Put the points (n, 2) on the plot, and give its widget."""
        self._points = points
        self._span = np.maximum(np.ptp(points, axis=0), 1e-6)
        x, y = points.astype(float).T
        if self._plot is None:
            self._plot = self._build(x, y)
        else:
            self._rays = []
            self.mark(None)
            self._plot.xy(x, y, animate=True)
            self._plot.widget.reset_view()
        return self._plot.widget

    def on_hover(self, act: Callable[[int | None], object]) -> None:
        """Call `act` with the row under the pointer, or with None once there is none."""
        self._plot.widget.observe(lambda change: act(change["new"]), "hovering")

    def colour(self, column: str | None) -> None:
        """Colour the points by a column; None gives all of them one colour."""
        if column is None:
            self._plot.color(default=PLAIN, by=None, map=None, order=None)
        elif is_continuous(self._frame[column]):
            self._plot.color(by=_key(column), map=_scale(self._frame[column]), order=None)
        else:
            self._plot.color(by=_key(column), map=category_colours(self._frame[column]))

    def select(self, rows: Sequence[int]) -> None:
        """Choose rows; the page shows them."""
        self._plot.selection(list(rows) or None)

    def mark(self, place: NDArray[np.float32] | None) -> None:
        """Draw a cross at a place (2,), or none."""
        self._mark = []
        if place is not None:
            (x, y), (dx, dy) = (float(v) for v in place), (float(v) * 0.025 for v in self._span)
            arms = [[(x - dx, y), (x + dx, y)], [(x, y - dy), (x, y + dy)]]
            self._mark = [jscatter.Line(arm, line_color=MARK, line_width=4) for arm in arms]
        self._draw()

    def rays(self, row: int | None, ends: Sequence[int] = ()) -> None:
        """Draw lines from a row's point to those of other rows, or none."""
        points = self._points
        lines = [] if row is None else [[_pair(points[row]), _pair(points[end])] for end in ends]
        if lines or self._rays:
            self._rays = [jscatter.Line(line, line_color=RAY, line_width=2) for line in lines]
            self._draw()

    def shade(self, values: NDArray[np.float32] | None) -> None:
        """Let points fade by a measure (n,) from 0, faint, to 1, full; None shows all alike."""
        self._plot.opacity(default=OPACITY, by=None)  # else jupyter-scatter sends no new numbers
        if values is not None:
            faded = np.clip(values, 0, 1) ** 2  # most measures lie near 1
            self._plot.opacity(by=faded.astype(float).tolist(), map=(FAINT, 1, 64), norm=(0, 1))

    def legend(self, column: str | None) -> str:
        """What the colours mean, as HTML."""
        if column is None:
            return ""
        values = self._frame[column]
        if is_continuous(values):
            known = finite(values)
            low, high = f"{known.min():g}", f"{known.max():g}"
            missing = _item(MISSING, GREY) if len(known) < len(values) else ""
            bar = "background:linear-gradient(90deg,#440154,#31688e,#35b779,#fde725)"
            return (
                f'<div class="inb-legend"><span>{escape(column)}: {low}</span>'
                f'<i style="{bar};width:9em"></i><span>{high}</span>{missing}</div>'
            )
        items = "".join(_item(name, colour) for name, colour in category_colours(values).items())
        return f'<div class="inb-legend">{items}</div>'

    def _draw(self) -> None:
        self._plot.annotations([*self._rays, *self._mark])

    def _build(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
        plot = jscatter.Scatter(
            data=self._shown,
            x=x,
            y=y,
            height=self._height,
            size=7,
            opacity=OPACITY,
            color_selected=MARK,
            color_hover=MARK,
            axes_labels=False,
            axes=False,
            camera_distance=CAMERA,
            lasso_color=MARK,
            background_color=(0.0, 0.0, 0.0, 0.0),
        )
        plot.tooltip(True, properties=[], preview=_TIP, preview_text_lines=9, size="medium")
        widget = plot.widget
        grey = [*(int(GREY[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1]
        widget.axes_color = widget.legend_color = grey
        widget.tooltip_color = [0.16, 0.17, 0.19, 1]
        widget.show(BUTTONS)
        widget.observe(lambda change: self._on_select([int(row) for row in change["new"]]), "selection")
        answer_on_own_loop(widget)
        return plot


def _tips(frame: pd.DataFrame, text: str) -> pd.Series[Any]:
    """What is shown when the mouse is on a point: its text, and its other columns in brackets."""
    if frame.shape[1] == 1:
        return frame[text].astype(object)
    others = zip(*(category_names(frame[column]) for column in frame.columns.drop(text)), strict=True)
    tips = [f"{said} ({', '.join(rest)})" for said, rest in zip(frame[text], others, strict=True)]
    return pd.Series(tips, index=frame.index, dtype=object)


def _pair(place: NDArray[np.float32]) -> tuple[float, float]:
    return float(place[0]), float(place[1])


def _key(column: str) -> str:
    return f"column {column}"


def _shown(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column as the plot takes it; on a scale, what is missing stands one step below the lowest number."""
    if not is_continuous(values):
        return category_names(values).astype("category")
    scale = numbers(values)
    low, high = np.nanmin(scale), np.nanmax(scale)
    return pd.Series(np.where(np.isnan(scale), low - (high - low) / 255, scale), index=values.index)


def _scale(values: pd.Series[Any]) -> list[str]:
    """256 colours from the lowest to the highest number, and grey below them where some are missing."""
    colours = [to_hex(colour) for colour in colormaps["viridis"].colors]  # type: ignore[attr-defined]
    return [GREY, *colours] if np.isnan(numbers(values)).any() else colours


def _item(name: str, colour: str) -> str:
    return f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
