"""A matplotlib figure that a notebook shows by itself, on a light and on a dark page.

It does not know what is drawn.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
