"""What a point looks like, as the plot takes it: a number for its colour, and one for its size and opacity together.

It knows columns and measures; it does not know the plot. jupyter-scatter has room for two numbers a point beside its
place, so size and opacity share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgba
from numpy.typing import NDArray

from influence_nb.embeddings.columns import MISSING, categories, colours, is_continuous, numbers, scaled
from influence_nb.embeddings.picture import PLAIN
from influence_nb.picture import GREY
from influence_nb.widgets.base import escape

Numbers = NDArray[np.float32]

OPACITY, FAINT, ASIDE = 0.85, 0.08, 0.15
"""Of a point; of the least one where points fade; what is left of that where others are meant."""
LEVELS = 256


@dataclass(frozen=True, eq=False)
class Colours:
    """A colour for each point.

    Attributes:
        codes: (n,), which of the tones; None where all have the first.
        tones: the colours, as "#rrggbb".
        legend: what they mean, as HTML.
        names: the categories, by code; () where there is a scale or nothing.
    """

    codes: Numbers | None
    tones: list[str]
    legend: str = ""
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> Any:
        """The tones as the plot takes them."""
        found = [list(to_rgba(tone)) for tone in self.tones]
        return found[0] if self.codes is None else found


def coloured(values: pd.Series[Any] | None) -> Colours:
    """Points coloured by a column, on a scale where it has numbers enough; None gives all one colour."""
    if values is None:
        return Colours(None, [PLAIN])
    if is_continuous(values):
        return _on_scale(values)
    codes, names = categories(values)
    tones = colours(names)
    legend = "".join(_item(name, tones[name]) for name in names)
    return Colours(
        codes.astype(np.float32), [tones[name] for name in names], f'<div class="inb-legend">{legend}</div>',
        tuple(names),
    )  # fmt: skip


def _on_scale(values: pd.Series[Any]) -> Colours:
    """255 colours from the lowest to the highest number; what is missing is grey."""
    share = scaled(values)
    gone = np.isnan(share)
    codes = np.where(gone, LEVELS - 1, np.nan_to_num(share) * (LEVELS - 2)).round().astype(np.float32)
    scale = colormaps["viridis"].resampled(LEVELS - 1)
    known = numbers(values)[~gone]
    bar = '<i style="background:linear-gradient(90deg,#440154,#31688e,#35b779,#fde725);width:9em"></i>'
    ends = f"<span>{escape(values.name)}: {known.min():g}</span>{bar}<span>{known.max():g}</span>"
    missing = _item(MISSING, GREY) if gone.any() else ""
    legend = f'<div class="inb-legend">{ends}{missing}</div>'
    return Colours(codes, [*map(to_hex, scale(np.arange(LEVELS - 1))), GREY], legend)


def looks(
    size: int, grown: Numbers | None, faded: Numbers | None, meant: NDArray[np.bool_] | None
) -> tuple[Numbers | None, list[float], list[float]]:
    """Sizes and opacities as one number a point.

    Args:
        size: of a point, in pixels, where nothing makes it larger or smaller.
        grown: (n,), 0 for the smallest point to 1 for the largest; NaN as 0. None for all alike.
        faded: (n,), 0 for the faintest to 1; NaN as 0. None for none.
        meant: (n,), which points stand out; None for all.

    Returns:
        The numbers (n,), None where all points look alike, and what each number stands for: sizes in pixels and
        opacities 0 to 1.
    """
    fades = faded is not None or meant is not None
    if grown is None and not fades:
        return None, [float(size)], [OPACITY]
    steps = LEVELS if grown is None else 16 if fades else 1
    heights = LEVELS // steps
    opacity: Any = np.float32(OPACITY) if faded is None else FAINT + (1 - FAINT) * _share(faded)
    if meant is not None:
        opacity = opacity * np.where(meant, np.float32(1), np.float32(ASIDE))
    at = np.zeros(1, np.float32) if not fades else np.round(opacity * (steps - 1))
    if grown is not None:
        at = at + steps * np.round(_share(grown) * (heights - 1))
    across = np.linspace(0, 1, steps) if steps > 1 else np.array([OPACITY])
    high = size * np.linspace(0.5, 2.5, heights) if grown is not None else np.array([float(size)])
    return at.astype(np.float32), np.repeat(high, steps).tolist(), np.tile(across, heights).tolist()


def _share(values: Numbers) -> Numbers:
    return np.clip(np.nan_to_num(values), 0, 1).astype(np.float32)


def _item(name: str, colour: str) -> str:
    return f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
