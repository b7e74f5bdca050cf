"""What was asked of a map: the texts nearest to one that was typed or chosen, ten of them or all above a similarity.

It knows similarities; it does not know who asked, nor how points are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.form import message, page_button
from influence_nb.widgets.picks import Picks

NEIGHBOURS = 10


class Asked(ipywidgets.VBox):
    """A slider for the least similarity, how many texts reach it, and the list.

    Args:
        map: the map.
        moved: called with a similarity when somebody has moved the slider, and with None for the ten nearest.
        picked: called with the row of the map that is clicked in the list.
    """

    def __init__(
        self,
        map: EmbeddingMap,
        moved: Callable[[float | None], object],
        picked: Callable[[int], object],
    ) -> None:
        self._map = map
        self._found: NDArray[np.float32] | None = None
        self._of = ""
        self._own: int | None = None
        self._quiet = False
        self._put = 1.0
        self.near: pd.DataFrame | None = None
        """What is listed; None when nothing was asked."""
        self.meant: NDArray[np.bool_] | None = None
        """(n,), which texts reach the threshold; None without one."""
        self.slider = ipywidgets.FloatSlider(
            1.0, min=-1, max=1, step=0.01, description="Similarity at least", readout_format=".2f",
            style={"description_width": "auto"}, layout={"width": "26em"},
        )  # fmt: skip
        answer_on_own_loop(self.slider)
        self._moved = moved
        self.slider.observe(lambda change: self._slid(change["new"]), "value")
        nearest = page_button(f"{NEIGHBOURS} nearest", "List the ten nearest again", lambda: moved(None))
        self._count = ipywidgets.HTML()
        self._row = ipywidgets.HBox([self.slider, nearest, self._count]).add_class("inb-row")
        self._row.layout.display = "none"
        self._list = Picks(lambda at: picked(int(self.near.index[at])) if self.near is not None else None)
        super().__init__([self._row, self._list])

    def answer(self, found: NDArray[np.float32], of: str, own: int | None = None) -> None:
        """Take the similarities (n,) of all texts to one; `own` is its row, where it is of the map."""
        self._found, self._of, self._own = found, of, own

    def forget(self) -> None:
        """Nothing is asked."""
        self._found = None

    def list(self, least: float | None, among: NDArray[np.bool_] | None) -> None:
        """Work out and show what is near: at least so similar, or the nearest; among these rows (n,)."""
        found, own = self._found, self._own
        if found is None:
            self.near = self.meant = None
            self._row.layout.display = "none"
            self._list.clear()
            return
        allowed = np.ones(len(found), bool) if among is None else among.copy()
        if own is not None:
            allowed[own] = False
        count = NEIGHBOURS if least is None else None
        self.near = near = self._map.most_similar(found, count, least, allowed)
        self.meant = None
        if least is not None:
            self.meant = found >= least
            if own is not None:
                self.meant[own] = True
        self._quiet = True
        try:
            self._put = least if least is not None else _floor(near)
            self.slider.value = self._put
        finally:
            self._quiet = False
        total = f"{int(allowed.sum()):,}"
        self._count.value = message(f"{len(near):,} of {total} texts are at {least:.2f} or above." if least
                                    is not None else f"The {len(near)} nearest of {total} texts.")  # fmt: skip
        self._row.layout.display = ""
        self._list.show(self.heading, near.reset_index(drop=True).rename_axis(None))

    def _slid(self, least: float) -> None:
        # The page tells the value that it was told, and rounds it.
        if not self._quiet and abs(least - self._put) > 0.005:
            self._moved(least)

    @property
    def heading(self) -> str:
        """What the list is."""
        return f"Nearest in full space to: {self._of}"


def _floor(near: Any) -> float:
    return float(np.floor(near["similarity"].iloc[-1] * 100) / 100) if len(near) else 1.0
