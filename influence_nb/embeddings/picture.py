"""A map as a matplotlib picture that can be read on a light and on a dark page.

It knows points, a column of values and a few labels; it knows no encoders.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from influence_nb.embeddings.columns import (
    MISSING,
    MOST_CATEGORIES,
    NONE,
    PALETTE,
    categories,
    colours,
    is_continuous,
    numbers,
)
from influence_nb.errors import InvalidData
from influence_nb.picture import GREY, new_figure

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN = PALETTE[0]
MARK = "#f5470c"
LABELS = ("direct", "legend", "none")


def draw(
    points: NDArray[np.float32],
    axes: tuple[str, str],
    title: str,
    values: pandas.Series[Any] | None = None,
    label: str = "direct",
    marks: Sequence[tuple[NDArray[np.float32], str]] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw points, coloured by a column, with some of them marked.

    Args:
        points: (n, 2).
        axes: what the axes are.
        title: above the picture.
        values: a column of n values; None draws all points alike. Points without a value are grey.
        label: "direct" writes each category's name at the middle of its points, "legend" lists them beside
            the picture, "none" does neither.
        marks: places (2,) to ring, each with its words ("" for none).
        ax: draw here instead of in a new figure.

    Raises:
        InvalidData: no such way to label.
    """
    if label not in LABELS:
        raise InvalidData(f"There is no label={label!r}.", f"Choose one of {', '.join(LABELS)}.")
    figure = new_figure(8.4, 5.6) if ax is None else cast("Figure", ax.figure)
    if ax is None:
        ax = figure.add_subplot()
    _style(ax, axes, title)
    size = 26 if len(points) < 3000 else 6
    if values is None:
        _dots(ax, points, size, color=PLAIN)
    elif is_continuous(values):
        scale = numbers(values)
        known = np.isfinite(scale)
        _dots(ax, points[~known], size, color=GREY, label=MISSING)
        bar = figure.colorbar(_dots(ax, points[known], size, c=scale[known], cmap="viridis"), ax=ax)
        bar.set_label(str(values.name), color=GREY)
        bar.ax.tick_params(colors=GREY)
        bar.outline.set_visible(False)
    else:
        _categories(ax, points, values, label, size)
    for place, words in marks:
        ax.scatter([place[0]], [place[1]], s=150, facecolors="none", edgecolors=MARK, linewidths=2, zorder=4)
        if words:
            _chip(ax, place, textwrap.shorten(words, 44, placeholder="…"), MARK, offset=14)
    return figure


def _style(ax: Axes, axes: tuple[str, str], title: str) -> None:
    ax.patch.set_alpha(0)
    ax.set_title(title, color=GREY, fontsize=10.5, loc="left")
    ax.set_xlabel(axes[0], color=GREY, fontsize=9)
    ax.set_ylabel(axes[1], color=GREY, fontsize=9)
    ax.tick_params(colors=GREY, labelsize=8, length=3)
    ax.grid(color=GREY, alpha=0.15, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.margins(0.06)
    for side, spine in ax.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GREY)


def _dots(ax: Axes, points: NDArray[np.float32], size: int, **look: Any) -> Any:
    return ax.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, alpha=0.85, **look)


def _categories(
    ax: Axes, points: NDArray[np.float32], values: pandas.Series[Any], label: str, size: int
) -> None:
    codes, names = categories(values)
    tones = colours(names)
    for number, name in enumerate(names):
        _dots(ax, points[codes == number], size, color=tones[name], label=name)
    if len(names) > MOST_CATEGORIES or label == "none":
        return
    if label == "legend":
        ax.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, labelcolor=GREY, title=str(values.name),
            fontsize=9,
        ).get_title().set_color(GREY)  # fmt: skip
        return
    for name, place in _apart(middles(points, codes, names), points).items():
        _chip(ax, place, name, tones[name])


def middles(
    points: NDArray[np.float32], codes: NDArray[np.intp], names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Where each category's name stands: the median of its points, (2,); what is in no group has no name there."""
    return {
        name: np.median(points[codes == number], axis=0) for number, name in enumerate(names) if name != NONE
    }


def _apart(
    places: dict[str, NDArray[np.float32]], points: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Move labels up or down until none lies on another: a label is about 0.13 of the width, 0.05 of the height."""
    size = np.ptp(points, axis=0) * (0.13, 0.05)
    moved = {name: place.astype(float) for name, place in places.items()}
    for _ in range(60):
        clear = True
        for one, a in moved.items():
            for other, b in moved.items():
                gap = np.abs(a - b)
                if one < other and size.all() and (gap < size).all():
                    push = (size[1] - gap[1]) / 2 + size[1] * 0.01
                    up = 1 if a[1] >= b[1] else -1
                    a[1] += up * push
                    b[1] -= up * push
                    clear = False
        if clear:
            break
    return moved


def _chip(ax: Axes, place: NDArray[np.float32], words: str, colour: str, offset: int = 0) -> None:
    ax.annotate(
        words, (place[0], place[1]), xytext=(0, offset), textcoords="offset points", ha="center", va="center",
        color="white", fontsize=8.5, fontweight="bold", zorder=5, annotation_clip=False, parse_math=False,
        bbox={"boxstyle": "round,pad=0.28", "facecolor": colour, "edgecolor": "none", "alpha": 0.92},
    )  # fmt: skip
