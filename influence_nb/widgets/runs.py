"""`RunBrowser`: the runs on this machine: find one, look into its items, compare several, replay, export.

It knows the table of runs, and the panes that show what is in their folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb.errors import InfluenceError
from influence_nb.evaluation import runs
from influence_nb.widgets import run_words as words
from influence_nb.widgets.amounts import many
from influence_nb.widgets.base import (
    MUTED,
    StaticFallback,
    in_background,
    readable,
    static_block,
    static_table,
    strict,
)
from influence_nb.widgets.form import STYLE, message, page_button
from influence_nb.widgets.run_detail import RunDetail
from influence_nb.widgets.run_list import RUN_STYLE, RunList
from influence_nb.widgets.run_panes import RunComparison, RunPlot
from influence_nb.widgets.run_words import Row
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from influence_nb.engine.replay import Replay
    from influence_nb.evaluation.compare import Comparison
    from influence_nb.evaluation.runs import Run

_LISTED = 60
"""Runs in the static rendering."""


class RunBrowser(StaticFallback, ipywidgets.VBox):
    """The runs on this machine: filter and sort them, open one, compare those that are ticked.

    Its methods do from Python what the page does.

    Args:
        state: what is shared with other panels; None for one of its own.

    Attributes:
        refreshed: a future that is done when the list was last read.

    Raises:
        TypeError: an unknown keyword.
    """

    refreshed: Future[None]

    @strict
    def __init__(self, *, state: State | None = None) -> None:
        self._own_state = state is None
        self.state = state or State()
        self._rows: Sequence[Row] = ()
        self._summary = ipywidgets.HTML(message("Looking for runs."))
        self._message = ipywidgets.HTML()
        self._list = RunList(self._open_clicked, self._chosen_changed)
        refresh = page_button("Refresh", "Look again for runs on this machine", self.refresh)
        self._tools = ipywidgets.HBox([*self._list.tools, refresh]).add_class("inb-tools")
        self._compare_button = page_button(
            "Compare", "Compare the ticked runs", self._compare_clicked, "primary"
        )
        self._clear = page_button("Tick none", "Tick no run", lambda: self._list.choose(()))
        plot = page_button("Plot", "Plot a metric over a parameter", lambda: self.plot())
        self._ticked = ipywidgets.HTML()
        actions = ipywidgets.HBox([self._compare_button, plot, self._clear, self._ticked, self._list.pages])
        for name in ("inb-pages", "inb-run-actions"):
            actions.add_class(name)
        self._detail = RunDetail(self.state, self.update_static)
        self._comparison = RunComparison(self.update_static)
        self._plot = RunPlot(self._drawn_rows)
        super().__init__([
            ipywidgets.HTML(STYLE + RUN_STYLE), self._summary, self._tools, self._message, actions, self._list,
            self._comparison, self._plot, self._detail,
        ])  # fmt: skip
        for name in ("inb-form", "inb-runs", "live"):
            self.add_class(name)
        self._chosen_changed()
        self.refresh()

    @property
    def run(self) -> Run | None:
        """The run that is open; None for none."""
        return self._detail.run

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that is shown; None for none."""
        return self._comparison.comparison

    def refresh(self) -> Future[None]:
        """Look anew, in the background, for the runs on this machine.

        Returns:
            A future that is done when the panel shows what was found; what failed is said in the panel too.
        """

        def whole() -> None:
            try:
                self._look()
            except Exception as error:
                said = readable(error)
                self._message.value = message(said.message, said.hint, "problem")
                raise said from error

        self.refreshed = in_background(whole, after=getattr(self, "refreshed", None))
        return self.refreshed

    def choose(self, *ids: str) -> None:
        """Tick these runs, by id or its beginning, and no others.

        Raises:
            InvalidData: no such run.
        """
        self._list.choose([runs.find(one).id for one in ids])

    def show(self, run: str) -> Future[Run]:
        """Show a run, by its id or its beginning, in the background.

        Returns:
            A future of the run; InvalidData where there is none.
        """
        return self._detail.show(run)

    def item(self, identifier: str) -> Any:
        """Open an item of the run that is open; what became of it.

        Raises:
            InvalidData: no run is open, or it has no such item.
        """
        return self._detail.item(identifier)

    def compare(self, *ids: str, other_data: bool = False) -> Future[Comparison]:
        """Compare runs against the first of them, in the background; those that are ticked where none is given.

        The page also names the recorded facts in which they differ: see `inb.fact_differences`.

        Returns:
            A future of the comparison; InvalidData where they cannot be compared.

        Raises:
            InvalidData: no such run.
        """
        if ids:
            self.choose(*ids)
        return self._comparison.compare(list(self._list.chosen), other_data)

    def plot(self, metric: str | None = None, over: str | None = None) -> Figure | None:
        """Draw a metric over a parameter, of the ticked runs, or of all that match where none is ticked.

        Args:
            metric: its name; None for the one that is chosen on the page.
            over: a parameter's name, or "model"; None for the one that is chosen on the page.

        Returns:
            The figure; None where the runs have none, which the page says.
        """
        return self._plot.draw(metric, over)

    def replay(self) -> Future[Replay]:
        """Generate the open item once more with the loaded model of that name, in the background.

        Returns:
            A future of the `Replay`; ModelNotFound where the model is not loaded.

        Raises:
            InvalidData: no item is open, or nothing was generated for it.
        """
        return self._detail.replay()

    def export(self) -> Path:
        """Write the open run as a zip file into the working folder.

        Raises:
            InvalidData: there is no writing there, or no run is open.
        """
        return self._detail.export()

    def static_html(self) -> str:
        """The list, and what is opened and compared, for a reader without a kernel."""
        found = self._list.found
        if not found:
            return static_block("Runs on this machine", "<p>None.</p>")
        table = words.wide(static_table(words.STATIC_HEADS, map(words.static_cells, found[:_LISTED])))
        more = len(found) - _LISTED
        rest = f'<p style="{MUTED}">and {more:,} more</p>' if more > 0 else ""
        compared = self._comparison.html()
        parts = [static_block("Runs on this machine", table, rest)]
        parts += [static_block("Compared", compared)] if compared else []
        parts += [static_block("Opened", words.run_html(self.run))] if self.run is not None else []
        return "".join(parts)

    def close(self) -> None:
        """Leave the page."""
        if hasattr(self, "_own_state") and self._own_state:
            self.state.close()
        super().close()

    def _look(self) -> None:
        self._rows = runs.listed()
        self._list.put(self._rows)
        self._message.value = ""
        self._chosen_changed()
        self.update_static()

    def _chosen_changed(self) -> None:
        chosen, found = self._list.chosen, len(self._list.found)
        of = "" if found == len(self._rows) else f", {found:,} of them match"
        empty = "There are no runs yet: inb.evaluate(model, task) makes one."
        self._summary.value = message(
            f"{many(len(self._rows), 'run')} on this machine{of}" if self._rows else empty
        )
        self._compare_button.disabled = len(chosen) < 2
        self._clear.disabled = not chosen
        first = f", held against {chosen[0][:8]}" if len(chosen) > 1 else ""
        self._ticked.value = f'<span role="status">{len(chosen)} ticked{first}</span>'

    def _drawn_rows(self) -> Sequence[Row]:
        chosen = self._list.chosen
        return [row for row in self._rows if row["id"] in chosen] if chosen else self._list.found

    def _open_clicked(self, identifier: str) -> None:
        self.show(identifier)

    def _compare_clicked(self) -> None:
        with suppress(InfluenceError):
            self.compare()
