"""The explorer's controls and where they stand: the map calm above, all that can be done with it in tabs below.

It does not know what the controls do.
"""

from __future__ import annotations

from typing import Any

import ipywidgets

from influence_nb.embeddings.project import TITLES
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.columns_shown import ONE_COLOUR
from influence_nb.widgets.explorer_traits import CLUSTERS
from influence_nb.widgets.form import labelled, page_button

ONE_SIZE = "(one size)"
ROOMS = ("Found", "Filter", "Clusters", "Duplicates", "Outliers", "Look", "Save")


class Controls:
    """What belongs to no room of its own.

    Attributes:
        box: the text to find.
        colour, size, projection: what is chosen of columns and projections.
        title, legend, message, help: lines of HTML.
        count: how many rows are shown, in a line with the button that shows all, which is hidden without a filter.
    """

    def __init__(self, columns: list[str], sizes: list[str], clear: Any) -> None:
        self._columns = columns
        self.box = ipywidgets.Text(
            description="Text to find", placeholder="Type any text: its neighbours appear as you type"
        ).add_class("inb-find")
        self.colour = labelled(ipywidgets.Dropdown, "Colour", [ONE_COLOUR, *columns])
        self.size = labelled(ipywidgets.Dropdown, "Size by", [ONE_SIZE, *sizes])
        names = [(title, name) for name, title in TITLES.items()]
        self.projection = labelled(ipywidgets.Dropdown, "Projection", names)
        self.title, self.legend, self.message, self.help, self.count = (ipywidgets.HTML() for _ in range(5))
        button = page_button("Show all", "Take all filters away", clear)
        self.filtered = ipywidgets.HBox([self.count, button]).add_class("inb-row")
        self.filtered.layout.display = "none"
        for control in (self.box, self.colour, self.size, self.projection):
            answer_on_own_loop(control)

    def offer_clusters(self) -> None:
        """Let clusters be chosen as the colour."""
        if CLUSTERS not in self.colour.options:
            self.colour.options = [ONE_COLOUR, CLUSTERS, *self._columns]

    def arranged(self, style: str, plot: Any, line: Any, rooms: dict[str, list[Any]]) -> list[Any]:
        """The parts from top to bottom.

        Args:
            style: HTML that goes before all.
            plot: the map.
            line: what is said of how far it can be trusted.
            rooms: what is in each tab.
        """
        row = ipywidgets.HBox([self.box, self.colour, self.projection]).add_class("inb-row")
        tabs = ipywidgets.Tab(
            [_room(parts) for parts in rooms.values()], titles=tuple(rooms), selected_index=0
        ).add_class("inb-rooms")
        answer_on_own_loop(tabs)
        framed = ipywidgets.VBox([plot]).add_class("inb-map")
        above = [ipywidgets.HTML(style), row, self.title, framed, self.legend, self.filtered]
        return [*above, line, self.message, tabs]


def _room(parts: list[Any]) -> Any:
    """Parts below each other, but for small controls, which stand beside each other."""
    small = [
        part
        for part in parts
        if isinstance(part, (ipywidgets.Dropdown, ipywidgets.HBox, ipywidgets.Checkbox))
    ]
    return ipywidgets.VBox(
        parts if len(small) < len(parts) else [ipywidgets.HBox(parts).add_class("inb-row")]
    )
