"""A heat map of a grid: one figure for each combination of two axes, the mean over all others.

It knows frames; it does not know where their figures come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from influence_nb.arguments import quoted
from influence_nb.engine.grid import Grid
from influence_nb.engine.grid_view import shown
from influence_nb.errors import InvalidData
from influence_nb.picture import GREY, new_figure, without_frame, write_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_WIDE = 50
"""Positive figures that lie so many times apart are coloured by their logarithms."""


def heat_map(
    data: Grid | pd.DataFrame, value: str = "perplexity", rows: str | None = None, columns: str | None = None
) -> Figure:
    """Colour every combination of two axes by a figure; where the grid has more axes, by the mean over them.

    Args:
        data: a grid, or a frame of one, such as `inb.diversity(grid)`.
        value: the column to show: "perplexity", "tokens", "distinct_2", "self_similarity"...
        rows, columns: axes; by default the first two that have several values.

    Raises:
        InvalidData: no such column, one without numbers, or no such axis.
    """
    from pandas.api.types import is_numeric_dtype

    frame = data.to_frame() if isinstance(data, Grid) else data
    known = getattr(frame, "attrs", {}).get("axes")
    if known is None:
        raise InvalidData(
            f"data={quoted(type(data).__name__)} is no grid, and no frame of one.",
            "Give what model.grid, grid.to_frame() or inb.diversity(grid) gave.",
        )
    axes = {str(name): list(values) for name, values in known.items()}
    rows, columns = _chosen(axes, rows, columns)
    numbers = [name for name in frame.columns if name not in axes and is_numeric_dtype(frame[name])]
    if value not in numbers:
        raise InvalidData(
            f"There are no numbers called {quoted(value)}.", f"There are: {', '.join(numbers)}."
        )
    down, across = axes[rows], axes[columns] if columns else [None]
    table = np.full((len(down), len(across)), np.nan)
    for y, one in enumerate(down):
        for x, other in enumerate(across):
            here = [
                number
                for number, a, b in zip(
                    frame[value], frame[rows], frame[columns] if columns else [None] * len(frame), strict=True
                )
                if _same(a, one) and _same(b, other) and number == number
            ]
            table[y, x] = float(np.mean(here)) if here else np.nan
    return _drawn(
        table, value, (rows, [shown(one) for one in down]), (columns, [shown(one) for one in across])
    )


def _same(found: Any, value: Any) -> bool:
    """Whether a frame's value is that of an axis; None is NaN in a column of numbers."""
    return bool(found == value) or (value is None and (found is None or found != found))


def _chosen(axes: dict[str, list[Any]], rows: str | None, columns: str | None) -> tuple[str, str | None]:
    for name in (rows, columns):
        if name is not None and name not in axes:
            raise InvalidData(f"There is no axis {quoted(name)}.", f"The axes are: {', '.join(axes)}.")
    if rows is not None and rows == columns:
        raise InvalidData(
            f"rows and columns are both {rows}.", "Choose two different axes, or leave one out."
        )
    several = [name for name, values in axes.items() if len(values) > 1] or list(axes)
    left = [name for name in several if name not in (rows, columns)]
    if rows is None:
        rows = left.pop(0) if left else next(name for name in axes if name != columns)
    return rows, columns if columns is not None or not left else left[0]


def _drawn(
    table: np.ndarray[Any, Any], value: str, down: tuple[str, list[str]], across: tuple[str | None, list[str]]
) -> Figure:
    height, width = table.shape
    figure = new_figure(max(2.6 + 0.95 * width, 4.2), max(1.3 + 0.5 * height, 2.2))
    ax = figure.add_subplot()
    known = table[np.isfinite(table)]
    spread = known.size and known.min() > 0 and known.max() > _WIDE * known.min()
    scale = "log" if spread else "linear"
    image: Any = ax.imshow(np.ma.masked_invalid(table), cmap="viridis", aspect="auto", norm=scale)
    ax.set_yticks(range(height), down[1])
    ax.set_xticks(range(width), across[1] if across[0] else [""])
    ax.set_ylabel(down[0], color=GREY)
    ax.set_xlabel(across[0] or "", color=GREY)
    ax.set_title(f"{value}, coloured by its logarithm" if spread else value, color=GREY, fontsize=11)
    without_frame(ax)
    write_cells(ax, image, table, lambda one: f"{one:,.0f}" if abs(one) >= 1000 else f"{one:.3g}", 9)
    return figure
