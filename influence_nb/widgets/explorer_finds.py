"""What is looked for in a whole map: clusters, duplicates, outliers, each with a button, its progress and a list.

It knows maps; it does not know how points are drawn. All are looked for in the background, one at a time each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence_nb.embeddings.clusters import STAGES, Clusters
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.widgets.base import answer_on_own_loop, readable
from influence_nb.widgets.form import message, page_button, stages
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.picks import Picks

Mask = NDArray[np.bool_]
SETTLED = {"style": {"description_width": "auto"}, "layout": {"width": "auto"}, "continuous_update": False}


class Find(ipywidgets.VBox):
    """One kind of thing to look for.

    Args:
        map: the map.
        among: gives the rows (n,) that may be named, None for all.
        choose: called with the rows of the map that belong to what is clicked in the list.
        said: called when something was found.
    """

    button = "Find"
    explained = ""
    stops = True
    """Whether it can be stopped while it looks."""

    def __init__(
        self,
        map: EmbeddingMap,
        among: Callable[[], Mask | None],
        choose: Callable[[list[int]], object],
        said: Callable[[], object],
    ) -> None:
        self._map, self._among, self._choose, self._said = map, among, choose, said
        self._newest = Newest()
        self.found: Any = None
        self.field = self._field()
        answer_on_own_loop(self.field)
        self._find = page_button(self.button, self.explained, lambda: self.look(self.field.value))
        self._line = ipywidgets.HTML(message(self.explained))
        self._list = Picks(lambda at: choose(self._rows(at)))
        self._stop = page_button("Stop", "Look no further", self._give_up)
        self._stop.layout.display = "none"
        row = ipywidgets.HBox([self.field, self._find, self._stop]).add_class("inb-row")
        super().__init__([row, self._line, self._list])

    def look(self, wanted: float) -> Future[Any]:
        """Look for it in the background: a future of what was found, done when it is listed."""
        if self.field.value != wanted:
            self.field.value = wanted

        def work(turn: Turn) -> Any:
            try:
                found = self._found(
                    wanted, lambda words: turn.if_newest(lambda: self._tell(words)), turn.over
                )
            except Exception as error:
                said = readable(error)
                turn.if_newest(lambda: self._end(message(said.message, said.hint, "problem")))
                raise said from error
            turn.if_newest(lambda: self._take(found))
            return found

        return self._newest.ask(work, self._begin)

    def refresh(self) -> None:
        """List again what was found, among the rows that are shown now."""
        if self.found is not None:
            self.look(self.field.value)

    def _begin(self) -> None:
        self._tell(message(f"Looking among {len(self._map):,} texts …"))
        self._stop.layout.display = "" if self.stops else "none"

    def _give_up(self) -> None:
        self._newest.cancel()
        self._end(
            message(
                "Stopped; nothing was found yet."
                if self.found is None
                else "Stopped; what was found before is listed."
            )
        )

    def _end(self, html: str) -> None:
        self._stop.layout.display = "none"
        self._tell(html)

    def _take(self, found: Any) -> None:
        self.found = found
        self._stop.layout.display = "none"
        self._show(found)
        self._said()

    def _tell(self, html: str) -> None:
        self._line.value = html

    def _field(self) -> Any:
        raise NotImplementedError

    def _found(self, wanted: float, tell: Callable[[str], None], over: threading.Event) -> Any:
        raise NotImplementedError

    def _show(self, found: Any) -> None:
        raise NotImplementedError

    def _rows(self, at: int) -> list[int]:
        raise NotImplementedError


class FindClusters(Find):
    """Groups, called by the words that set them apart."""

    button = "Find clusters"
    stops = False
    explained = (
        "Groups are looked for among the vectors, not on the picture. Another size or seed gives others: they are a "
        "way to look, not a finding."
    )

    _column: tuple[Any, Any] = (None, None)

    def _field(self) -> Any:
        return ipywidgets.BoundedIntText(
            8, min=2, max=10_000, description="Fewest texts of a cluster", **SETTLED
        )

    def _found(self, wanted: float, tell: Callable[[str], None], over: threading.Event) -> Clusters:
        return self._map.clusters(int(wanted), lambda stage: tell(stages(STAGES, stage)))

    def _show(self, found: Clusters) -> None:
        frame = found.to_frame()
        among = self._among()
        if among is not None:
            frame["shown"] = [int((among & (found.labels == number)).sum()) for number in frame.index]
        alone = int((found.labels < 0).sum())
        self._tell(message(f"{len(found):,} clusters; {alone:,} of {len(self._map):,} texts are in none."))
        self._list.show("Clusters: click one to choose its texts", frame)

    @property
    def values(self) -> pd.Series[Any]:
        """Each text's cluster, as a column (n,) called cluster."""
        if self._column[0] is not self.found:
            self._column = self.found, pd.Series(self.found.column, name="cluster")
        column: pd.Series[Any] = self._column[1]
        return column

    def _rows(self, at: int) -> list[int]:
        mine = self.found.labels == at
        among = self._among()
        return np.flatnonzero(mine if among is None else mine & among).tolist()


class FindDuplicates(Find):
    """Texts that say what an earlier one says."""

    button = "Find duplicates"
    explained = "Texts that are at least so similar to an earlier one; every pair is compared."

    def _field(self) -> Any:
        return ipywidgets.BoundedFloatText(
            0.95, min=-1, max=1, step=0.01, description="Similarity at least", **SETTLED
        )

    def _found(self, wanted: float, tell: Callable[[str], None], over: threading.Event) -> pd.DataFrame:
        return self._map.duplicates(wanted, self._among(), _telling(tell), over)

    def _show(self, found: pd.DataFrame) -> None:
        self._tell(message(f"{len(found):,} texts repeat an earlier one."))
        text = self._map.text
        listed = found[["similarity", text, "first", "of"]].rename(
            columns={"first": "earlier", "of": "its row"}
        )
        self._list.show("Duplicates: click one to choose both", listed)

    def _rows(self, at: int) -> list[int]:
        return [int(self.found["of"].iloc[at]), int(self.found.index[at])]


class FindOutliers(Find):
    """Texts that are like no others."""

    button = "Find outliers"
    explained = (
        "Texts whose ten nearest neighbours in full space are the least like them; every pair is compared."
    )

    def _field(self) -> Any:
        return ipywidgets.BoundedIntText(10, min=1, max=10_000, description="How many", **SETTLED)

    def _found(self, wanted: float, tell: Callable[[str], None], over: threading.Event) -> pd.DataFrame:
        return self._map.outliers(int(wanted), among=self._among(), on_progress=_telling(tell), cancel=over)

    def _show(self, found: pd.DataFrame) -> None:
        self._tell(message(self.explained))
        self._list.show("Outliers: click one to choose it", found)

    def _rows(self, at: int) -> list[int]:
        return [int(self.found.index[at])]


def _telling(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    return lambda done, count: tell(message(f"{done:,} of {count:,} texts compared …"))
