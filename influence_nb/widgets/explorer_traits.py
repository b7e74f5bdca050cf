"""What an `EmbeddingExplorer` can be told, as traits that a page and Python set alike; each is checked.

It knows the map and which columns there are, and says what goes wrong; it does not know what a trait does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from numpy.typing import NDArray

from influence_nb.arguments import real
from influence_nb.embeddings.columns import can_colour, is_numeric
from influence_nb.embeddings.filters import checked
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.project import find_projection
from influence_nb.errors import InvalidData
from influence_nb.widgets.base import in_background, readable
from influence_nb.widgets.columns_shown import expect_column, expect_rows
from influence_nb.widgets.form import message

if TYPE_CHECKING:
    from influence_nb.widgets.explorer_rooms import Controls

CLUSTERS = "(clusters)"
"""What `color` is while clusters that were found colour the points."""


class ExplorerTraits(traitlets.HasTraits):
    """The traits; the explorer says what they do."""

    map: EmbeddingMap
    _clustered: bool = False
    _shown_rows: NDArray[np.bool_] | None = None
    _shows: Controls

    selected: Any = traitlets.List()
    """The chosen rows' numbers; set it, or lasso on the page. `selection` is the same as a DataFrame. Rows that a
    filter hides are not chosen."""

    color = traitlets.Unicode(None, allow_none=True)
    """The column that colours the points; None for one colour, "(clusters)" for the clusters that were found."""

    size = traitlets.Unicode(None, allow_none=True)
    """The column of numbers that the points grow with; None for one size."""

    projection = traitlets.Unicode()
    """"umap", "tsne" or "pca"."""

    typed = traitlets.Unicode()
    """The text in the box; `type` sets it and gives its neighbours."""

    threshold = traitlets.Float(None, allow_none=True)
    """All texts at least so similar to the typed or the one chosen text are listed and stand out, -1 to 1; None lists
    the ten nearest."""

    filters = traitlets.Dict()
    """Which rows are shown, {column: what it has to be}: a str is contained in the value, whatever its case, a list
    holds the categories that are let through, a pair (low, high) is a range, None where it is open. {} shows all."""

    problem = traitlets.Unicode()
    """What went wrong with the last request, "" when nothing did."""

    @traitlets.validate("selected")
    def _rows_exist(self, proposal: Any) -> list[int]:
        return self._visible(expect_rows(proposal["value"], len(self.map)))

    @traitlets.validate("color")
    def _column_exists(self, proposal: Any) -> str | None:
        name = proposal["value"]
        if name == CLUSTERS and not self._clustered:
            raise InvalidData("No clusters were found yet.", "Find them first: explorer.clusters().result().")
        return name if name == CLUSTERS else expect_column(name, self._colouring())

    @traitlets.validate("size")
    def _size_exists(self, proposal: Any) -> str | None:
        return expect_column(proposal["value"], self._growing(), "size")

    @traitlets.validate("projection")
    def _projection_exists(self, proposal: Any) -> str:
        find_projection(proposal["value"])
        return str(proposal["value"])

    @traitlets.validate("threshold")
    def _can_be_reached(self, proposal: Any) -> float | None:
        least = proposal["value"]
        return None if least is None else real("threshold", least, -1, 1)

    @traitlets.validate("filters")
    def _filters_hold(self, proposal: Any) -> dict[str, Any]:
        return checked(self.map.frame.drop(columns=["x", "y"]), proposal["value"])

    def _colouring(self) -> list[str]:
        """The columns that colour points."""
        frame = self.map.frame
        return [name for name in self.map.columns if can_colour(frame[name])]

    def _growing(self) -> list[str]:
        """The columns that points grow with."""
        frame = self.map.frame
        return [name for name in self.map.columns if is_numeric(frame[name])]

    def _visible(self, rows: list[int]) -> list[int]:
        """Those of the rows that no filter hides."""
        mask = self._shown_rows
        return rows if mask is None else [row for row in rows if mask[row]]

    def _run(self, work: Callable[[], Any]) -> Future[Any]:
        return in_background(self._guarded(work))

    def _guarded(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same; what goes wrong is said in the explorer, and raised."""

        def whole(*given: Any) -> Any:
            try:
                return work(*given)
            except Exception as error:
                said = readable(error)
                self.problem = said.message
                self._shows.message.value = message(said.message, said.hint, "problem")
                raise said from error

        return whole

    def _say(self, words: str) -> None:
        self.problem = ""
        self._shows.message.value = message(words) if words else ""
