"""What a `RunBrowser` makes of several runs: a comparison of those that are chosen, and a metric over a parameter.

It knows runs by their ids; it does not know the list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb.errors import InvalidData
from influence_nb.evaluation.compare import Comparison, compare_runs
from influence_nb.evaluation.facts import FactDifferences, fact_differences
from influence_nb.evaluation.run_picture import MODEL, drawn
from influence_nb.picture import image_html
from influence_nb.widgets import run_words as words
from influence_nb.widgets.amounts import many
from influence_nb.widgets.base import answer_on_own_loop, escape, readable
from influence_nb.widgets.form import labelled, message, page_button
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.run_words import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class RunComparison(ipywidgets.VBox):
    """Runs held against the first of them; hidden until some are compared.

    Args:
        changed: called when other runs are compared.

    Attributes:
        comparison: the statistics; None where there are none.
        differences: of each other run, the recorded facts in which the first differs from it.
        asked: a future of the comparison asked for last; None before.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self.comparison: Comparison | None = None
        self.asked: Future[Comparison] | None = None
        self.differences: dict[str, FactDifferences] = {}
        self._changed, self._work = changed, Newest()
        self._ids: Sequence[str] = ()
        self._filling = False
        self._facts, self._message = ipywidgets.HTML(), ipywidgets.HTML()
        self._common = page_button(
            "Compare what both have",
            "Compare the items that both have, though the data differ",
            self._both_clicked,
        )
        self._tests, self._flips, self._picture = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.metric = labelled(ipywidgets.Dropdown, "Metric", [])
        self.second = labelled(ipywidgets.Dropdown, "Flips of", [])
        self._choose = ipywidgets.HBox([self.metric, self.second]).add_class("inb-tools")
        close = page_button("Close", "Close the comparison", self.hide)
        tools = ipywidgets.HBox([close]).add_class("inb-tools")
        super().__init__(
            [
                self._facts,
                self._message,
                self._common,
                self._tests,
                self._picture,
                self._choose,
                self._flips,
                tools,
            ]
        )
        self.add_class("inb-run-pane")
        self._common.layout = {"width": "auto", "display": "none"}
        self.layout.display = "none"
        for control in (self.metric, self.second):
            control.observe(lambda _: None if self._filling else self._show_flips(), "value")
            answer_on_own_loop(control)

    def compare(self, ids: Sequence[str], other_data: bool = False) -> Future[Comparison]:
        """Compare runs, in the background; see `inb.compare_runs`.

        Returns:
            A future of the comparison; InvalidData where there is none, with the differing facts shown nevertheless.
        """

        def work(turn: Turn) -> Comparison:
            turn.if_newest(lambda: self._show_facts(ids))
            try:
                if len(ids) < 2:
                    raise InvalidData("Two runs or more are compared.", "Tick them in the list.")
                found = compare_runs(*ids, other_data=other_data)
            except Exception as error:
                said = readable(error)
                turn.if_newest(
                    lambda: self._say(message(said.message, said.hint, "problem"), "data" in said.message)
                )
                raise said from error
            turn.if_newest(lambda: self._show(found))
            return found

        self.asked = future = self._work.ask(work, lambda: self._begin(ids))
        return future

    def hide(self) -> None:
        """Compare none."""
        self._begin(())
        self.layout.display = "none"
        self._changed()

    def html(self) -> str:
        """What is shown, for the saved notebook."""
        return (
            ""
            if not self._ids
            else self._facts.value + self._message.value + self._tests.value + self._flips.value
        )

    def _begin(self, ids: Sequence[str]) -> None:
        self._ids, self.comparison, self.differences = ids, None, {}
        for one in (self._facts, self._message, self._tests, self._picture, self._flips):
            one.value = ""
        self._common.layout.display = self._choose.layout.display = "none"
        self.layout.display = ""

    def _both_clicked(self) -> None:
        self.compare(self._ids, other_data=True)

    def _say(self, html: str, data: bool) -> None:
        self._message.value = html
        self._common.layout.display = "" if data else "none"
        self._changed()

    def _show_facts(self, ids: Sequence[str]) -> None:
        self.differences = {other: fact_differences(ids[0], other) for other in ids[1:]}
        self._facts.value = "".join(
            words.differences_html(ids[0][:8], other[:8], found) for other, found in self.differences.items()
        )

    def _show(self, found: Comparison) -> None:
        self.comparison = found
        first = found.results[0].run
        against = f"Against {escape(first.name)} by {escape(first.model)} (<code>{first.id[:8]}</code>), item by item"
        corrected = (
            f"; p after Holm's correction for {many(len(found.tests), 'test')}"
            if len(found.tests) > 1
            else ""
        )
        self._tests.value = f"<p>{against}{corrected}.</p>" + words.tests_html(found.tests)
        self._filling = True
        self.metric.options = list(dict.fromkeys(one.metric for one in found.tests))
        self.second.options = [(one.run.id[:8], place) for place, one in enumerate(found.results) if place]
        self.metric.index = self.second.index = 0
        self._filling = False
        self._choose.layout.display = ""
        self._show_flips()
        self._changed()

    def _show_flips(self) -> None:
        if self.comparison is None:
            return
        metric, second = self.metric.value, self.second.value
        self._flips.value = words.flips_html(self.comparison.flipped(metric, second), metric)
        self._picture.value = image_html(
            self.comparison.plot(metric), f"{metric} of each run with its interval"
        )


class RunPlot(ipywidgets.VBox):
    """A metric over a parameter; hidden until it is asked for.

    Args:
        rows: gives the runs that are drawn.
    """

    def __init__(self, rows: Callable[[], Sequence[Row]]) -> None:
        self._rows, self._filling = rows, False
        self.metric = labelled(ipywidgets.Dropdown, "Plot", [])
        self.over = labelled(ipywidgets.Dropdown, "Over", [])
        close = page_button("Close", "Close the plot", self.hide)
        tools = ipywidgets.HBox([self.metric, self.over, close]).add_class("inb-tools")
        self._picture = ipywidgets.HTML()
        super().__init__([tools, self._picture])
        self.add_class("inb-run-pane")
        self.layout.display = "none"
        for control in (self.metric, self.over):
            control.observe(lambda _: None if self._filling else self.draw(), "value")
            answer_on_own_loop(control)

    def draw(self, metric: str | None = None, over: str | None = None) -> Figure | None:
        """Draw one metric over one parameter; None for those that are chosen, or the first ones there are.

        Returns:
            The figure; None where the runs have none, which is said.
        """
        rows = self._rows()
        self._offer(rows, metric, over)
        self.layout.display = ""
        try:
            figure = drawn(rows, self.metric.value or "", self.over.value or MODEL)
        except InvalidData as error:
            self._picture.value = message(error.message, error.hint, "problem")
            return None
        self._picture.value = image_html(figure, f"{self.metric.value} of runs over {self.over.value}")
        return figure

    def hide(self) -> None:
        """Draw none."""
        self.layout.display = "none"

    def _offer(self, rows: Sequence[Row], metric: str | None, over: str | None) -> None:
        metrics = _names(rows, "metrics")
        names = _names(rows, "parameters")
        self._filling = True
        for control, options, wanted in ((self.metric, metrics, metric), (self.over, [MODEL, *names], over)):
            before = control.value
            if wanted is not None and wanted not in options:
                options = [*options, wanted]  # which is refused in words
            control.options = options
            value = wanted if wanted is not None else before if before in options else None
            control.value = value if value is not None else (options[0] if options else None)
        self._filling = False


def _names(rows: Sequence[Row], column: str) -> list[str]:
    found: dict[str, Any] = {}
    for text in dict.fromkeys(row[column] for row in rows):
        found |= dict.fromkeys(json.loads(text))
    return list(found)
