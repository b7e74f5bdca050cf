"""Lines from the point under the pointer to its nearest in full space, wherever the picture has put them.

It knows maps and the plot; it does not know the panel.
"""

from __future__ import annotations

import ipywidgets

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.scatter import MapScatter


class Rays:
    """Draws them while the pointer is on a point; only the newest point counts.

    Args:
        map: whose neighbours.
        plot: where they are drawn.
        count: how many neighbours.

    Attributes:
        control: switches them off.
    """

    def __init__(self, map: EmbeddingMap, plot: MapScatter, count: int) -> None:
        self._map, self._plot, self._count = map, plot, count
        self._newest = Newest()
        self.control = ipywidgets.Checkbox(True, description="Lines to true neighbours", indent=False)
        self.control.layout.width = "auto"
        answer_on_own_loop(self.control)
        plot.on_hover(self._hovered)

    def _hovered(self, row: int | None) -> None:
        def work(turn: Turn) -> None:
            if row is None or not self.control.value:
                turn.if_newest(lambda: self._plot.rays(None))
                return
            rows = self._map.neighbours(row, self._count).index.tolist()
            turn.if_newest(lambda: self._plot.rays(row, rows))

        self._newest.ask(work)
