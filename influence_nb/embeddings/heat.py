"""A matrix as a heat map that can be read on a light and on a dark page.

It knows numbers and labels; it does not know what they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.embeddings.columns import GREY
from influence_nb.embeddings.picture import MARK
from influence_nb.picture import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_WRITTEN = 14
"""A matrix of so many columns has its numbers written in its cells."""
_MOST_TICKS = 16


def draw(
    table: NDArray[np.floating],
    down: Sequence[str],
    across: Sequence[str],
    axes: tuple[str, str] = ("", ""),
    title: str = "",
    mark: int | None = None,
    bar: str = "",
) -> Figure:
    """Colour every cell by its number, from the least to 1; viridis is read by people who see few colours, too.

    Args:
        table: (rows, columns); what is NaN is left empty.
        down, across: the labels. Of many short ones only some are written.
        axes: what the rows and the columns are.
        title: above the picture.
        mark: a row and the column of the same number to frame.
        bar: what the colours measure.
    """
    height, width = table.shape
    written = width <= MOST_WRITTEN
    cell = 0.52 if written else 0.2
    margin = 0.075 * max(map(len, down), default=0)
    foot = 0.05 * max(map(len, across), default=0)
    figure = new_figure(max(2.2 + margin + cell * width, 4.4), max(1.3 + foot + cell * 0.85 * height, 2.4))
    ax = figure.add_subplot()
    known = table[np.isfinite(table)]
    least = min(float(known.min()), 0.99) if known.size else 0.0
    image: Any = ax.imshow(np.ma.masked_invalid(table), cmap="viridis", aspect="auto", vmin=least, vmax=1)
    ax.set_yticks(*_ticks(down))
    long = max(map(len, across), default=0) > 6
    ax.set_xticks(*_ticks(across), rotation=35 if long else 0, ha="right" if long else "center")
    ax.set_ylabel(axes[0], color=GREY)
    ax.set_xlabel(axes[1], color=GREY)
    ax.set_title(title, color=GREY, fontsize=10.5, loc="left")
    ax.patch.set_alpha(0)
    ax.tick_params(colors=GREY, length=0, labelsize=9)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for y, x in np.ndindex(height, width) if written else ():
        number = table[y, x]
        if not np.isfinite(number):
            ax.text(x, y, "–", ha="center", va="center", color=GREY)
            continue
        dark = image.norm(number) < 0.6  # of viridis
        colour = "white" if dark else "black"
        ax.text(x, y, f"{number:.2f}", ha="center", va="center", color=colour, fontsize=8.5)
    if mark is not None:
        for place, size in (((-0.5, mark - 0.5), (width, 1)), ((mark - 0.5, -0.5), (1, height))):
            _frame(ax, place, size)
    scale = figure.colorbar(image, ax=ax)
    scale.set_label(bar, color=GREY)
    scale.ax.tick_params(colors=GREY, labelsize=8)
    scale.outline.set_visible(False)
    return figure


def _ticks(labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """All labels, or every so many of short ones."""
    step = -(-len(labels) // _MOST_TICKS) if max(map(len, labels), default=0) <= 3 else 1
    places = list(range(0, len(labels), step))
    return places, [labels[place].replace("$", r"\$") for place in places]


def _frame(ax: Any, place: tuple[float, float], size: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle(place, *size, fill=False, edgecolor=MARK, linewidth=2, clip_on=False))
