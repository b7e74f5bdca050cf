"""A matplotlib figure that a notebook shows by itself, on a light and on a dark page.

It does not know what is drawn.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

GREY = "#808790"
"""Words and lines in this can be read on a white and on a near-black page."""


def new_figure(width: float, height: float) -> Figure:
    """A figure without a background, shown whether or not the notebook ever asks for pyplot; sizes in inches."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            return png(self)

    figure = Picture(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as PNG with its background left out."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    return buffer.getvalue()


def image_html(figure: Figure | bytes, about: str, dpi: int = 110) -> str:
    """A figure, or its PNG, as an HTML image that needs no file; `about` is said in its place where it is not seen."""
    data = base64.b64encode(figure if isinstance(figure, bytes) else png(figure, dpi)).decode()
    return f'<img alt="{html.escape(about)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def write_cells(
    ax: Any, image: Any, table: NDArray[np.floating], say: Callable[[float], str], size: float
) -> None:
    """Write a matrix's numbers into the cells of its image in viridis; where there is none, a dash."""
    for y, row in enumerate(table.tolist()):
        for x, number in enumerate(row):
            known = math.isfinite(number)
            colour = GREY if not known else "white" if image.norm(number) < 0.6 else "black"
            ax.text(
                x, y, say(number) if known else "–", ha="center", va="center", color=colour,
                fontsize=size if known else None,
            )  # fmt: skip


def without_frame(ax: Any) -> None:
    """Grey labels at the sides of a matrix, no ticks and no lines around it."""
    ax.tick_params(colors=GREY, length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
