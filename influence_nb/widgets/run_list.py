"""The list of a `RunBrowser`: a page of rows at a time, filtered and ordered, some of them chosen.

It shows the rows of the table of runs; it does not know what is in a run's folder.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from influence_nb.widgets import run_words as words
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.form import labelled, page_button, text_field
from influence_nb.widgets.pages import Pages
from influence_nb.widgets.run_words import Row

PAGE = 12
"""Runs on one page of the list."""
ALL = "all"

ORDERS: dict[str, tuple[Callable[[Row], Any], bool]] = {
    "newest first": (lambda row: row["started"], True),
    "oldest first": (lambda row: row["started"], False),
    "task": (lambda row: row["name"], False),
    "model": (lambda row: row["model"], False),
    "status": (lambda row: row["status"], False),
    "longest first": (lambda row: -math.inf if row["seconds"] is None else row["seconds"], True),
}
"""What rows are sorted by, and whether the largest comes first; metrics are added to them."""

RUN_STYLE = """<style>
.inb-form.inb-runs { max-width: 72em; }
.inb-runs .inb-run-row { align-items: center; flex-wrap: nowrap; gap: 4px; padding: 3px 0;
  border-top: 1px solid var(--jp-border-color2, rgba(128,128,128,.35)); }
.inb-runs .inb-run-row > .widget-html { flex: 1 1 auto; min-width: 0; margin: 0; }
.inb-runs .inb-run-row .widget-checkbox { width: 24px; min-width: 24px; margin: 0; }
.inb-runs .inb-run-row .widget-checkbox span { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; } /* the name of the box, for screen readers: the row shows it */
.inb-runs .inb-run-row button { flex: 0 0 64px; width: 64px; padding: 0 4px; margin: 0; }
.inb-runs .inb-run-spacer { flex: 0 0 24px; height: 0; }
.inb-runs .inb-run-spacer.inb-wide { flex-basis: 64px; }
.inb-runs .widget-html-content { line-height: 1.45; width: 100%; }
.inb-runs .inb-run-list { container-type: inline-size; }
.inb-runs .inb-run { display: grid; gap: 1px 10px; align-items: baseline; font-variant-numeric: tabular-nums;
  grid-template-columns: minmax(5em, 1fr) minmax(5em, 1.3fr) 5em 9.8em 9.6em 5em;
  grid-template-areas: "name model status metric started id" "given given given given given given"; }
.inb-runs .inb-run > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.inb-runs .inb-run-name { grid-area: name; } .inb-runs .inb-run-model { grid-area: model; }
.inb-runs .inb-run-status { grid-area: status; } .inb-runs .inb-run-metric { grid-area: metric; }
.inb-runs .inb-run-started { grid-area: started; } .inb-runs .inb-run-id { grid-area: id; }
.inb-runs .inb-run > .inb-run-given { grid-area: given; font-size: 12px; opacity: .8; white-space: normal; }
@container (max-width: 700px) { /* the columns do not fit beside each other: each run in lines, which need no heads */
  .inb-runs .inb-run-row:has(> .widget-html .inb-run-heads) { display: none; }
  .inb-runs .inb-run { grid-template-columns: minmax(0, 1fr) 5em 5em;
    grid-template-areas: "name metric metric" "model model status" "given given given" "started started id"; }
  .inb-runs .inb-run-metric, .inb-runs .inb-run-status, .inb-runs .inb-run-id { text-align: right; }
  .inb-runs .inb-run-started, .inb-runs .inb-run-id { font-size: 12px; opacity: .8; }
  .inb-runs .inb-run-started::after { content: " UTC"; }
}
@container (max-width: 330px) {
  .inb-runs .inb-run { grid-template-columns: minmax(0, 1fr) 5em;
    grid-template-areas: "name name" "metric metric" "model status" "given given" "started started" "id id"; }
  .inb-runs .inb-run-metric, .inb-runs .inb-run-id { text-align: left; }
}
.inb-runs .inb-run-name { font-weight: 600; }
.inb-runs .inb-run-heads { font-weight: 600; opacity: .8; }
.inb-runs .inb-run-word { font-size: 11px; line-height: 17px; padding: 0 8px; border-radius: 9px;
  display: inline-block; border: 1px solid var(--jp-border-color1, #bdbdbd); }
.inb-runs .inb-run-word[data-kind=failed] { color: white; border-color: transparent;
  background: var(--inb-ground-bad); }
.inb-runs .inb-run-word[data-kind=running] { color: white; border-color: transparent;
  background: var(--inb-ground-now); }
.inb-runs .inb-pages, .inb-runs .inb-tools { align-items: flex-end; flex-wrap: wrap; gap: 4px 12px; }
.inb-runs .inb-pages { align-items: center; }
.inb-runs .inb-pages .widget-html { margin: 0; }
.inb-runs .inb-run-actions { padding: 2px 0 6px; }
.inb-runs .inb-run-pane > .inb-pages { padding-top: 4px; }
.inb-runs .inb-run-actions > .widget-html { flex: 1 0 16em; } /* what is said while one ticks moves no row */
.inb-runs .inb-tools button, .inb-runs .inb-pages button { width: auto; }
.inb-runs .inb-tools > .inb-labelled { flex: 1 1 8em; min-width: 8em; }
.inb-runs .inb-tools > .widget-text { flex: 2 1 12em; }
.inb-runs .inb-run-pane { margin-top: 10px; padding: 8px 0 2px;
  border-top: 2px solid var(--jp-border-color1, #bdbdbd); }
.inb-runs table { border-collapse: collapse; font-size: 13px; }
.inb-runs p { margin: 4px 0; }
.inb-runs .inb-run-text { margin: 0; padding: 6px 10px; white-space: pre-wrap; overflow-wrap: anywhere;
  max-height: 300px; overflow: auto; border-radius: 4px; background: var(--jp-layout-color2, rgba(128,128,128,.12));
  color: var(--jp-ui-font-color1, inherit); }
.inb-runs .inb-run-label { font-size: 12px; opacity: .8; }
.inb-runs details { margin: 4px 0; } .inb-runs summary { cursor: pointer; }
.inb-runs details table td { overflow-wrap: anywhere; }
</style>"""


class RunRow(ipywidgets.HBox):
    """One run: a box that chooses it, what it is, and a button that opens it. Hidden where there is none."""

    def __init__(self, chosen: Callable[[str, bool], object], opened: Callable[[str], object]) -> None:
        self.row: Row | None = None
        self._chosen, self._filling = chosen, False
        self.box = ipywidgets.Checkbox(indent=False)
        self._facts = ipywidgets.HTML()
        self.button = page_button("Open", "", lambda: opened(self.row["id"]) if self.row else None)
        super().__init__([self.box, self._facts, self.button])
        self.add_class("inb-run-row")
        self.layout.display = "none"
        self.box.observe(self._ticked, "value")
        answer_on_own_loop(self.box)

    def show(self, row: Row | None, chosen: bool) -> None:
        """Show a run, or none."""
        self.row = row
        self.layout.display = "none" if row is None else ""
        if row is None:
            return
        self._filling = True
        self.box.value = chosen
        self._filling = False
        self.box.description = f"Choose {words.label(row)}"
        self._facts.value = words.row_html(row)
        self.button.tooltip = f"Open {words.label(row)}"

    def _ticked(self, change: Any) -> None:
        if not self._filling and self.row is not None:
            self._chosen(self.row["id"], change["new"])


class RunList(ipywidgets.VBox):
    """Rows; `tools` and `pages` are controls to be put above it, so that Tab comes to them before it.

    Args:
        opened: called with the id of a run whose button is pressed.
        changed: called when the rows that match, or the chosen ones, are others.

    Attributes:
        chosen: the ids of the runs that are chosen, in the order in which they were.
    """

    def __init__(self, opened: Callable[[str], object], changed: Callable[[], object]) -> None:
        self._lock = threading.RLock()  # the page, cells and background work all change what is shown
        self._changed = changed
        self._all: Sequence[Row] = ()
        self._found: list[Row] = []
        self._filling = False
        self.chosen: list[str] = []
        self.filter = text_field("Filter", "task, model, id, seed 1")
        self.kind = labelled(ipywidgets.Dropdown, "Kind", [ALL, "task", "notebook"])
        self.status = labelled(ipywidgets.Dropdown, "Status", [ALL, "done", "running", "stopped", "failed"])
        self.task = labelled(ipywidgets.Dropdown, "Task", [ALL])
        self.order = labelled(ipywidgets.Dropdown, "Order", list(ORDERS))
        self.tools = (self.filter, self.kind, self.status, self.task, self.order)
        spacers = [ipywidgets.Box().add_class("inb-run-spacer") for _ in range(2)]
        spacers[1].add_class("inb-wide")
        self._heads = ipywidgets.HBox([spacers[0], ipywidgets.HTML(words.heads()), spacers[1]])
        self._heads.add_class("inb-run-row")
        self.rows = [RunRow(self._ticked, opened) for _ in range(PAGE)]
        self.pages = Pages("runs", PAGE, self._turned)
        super().__init__([self._heads, *self.rows])
        self.add_class("inb-run-list")
        for one in self.tools:
            one.observe(self._rearranged, "value")
            answer_on_own_loop(one)

    @property
    def found(self) -> list[Row]:
        """The rows that match, in order, of all pages."""
        with self._lock:
            return list(self._found)

    def put(self, rows: Sequence[Row]) -> None:
        """Show these runs; those chosen that are still there stay so."""
        with self._lock:
            self._all = rows
            here = {row["id"] for row in rows}
            self.chosen = [one for one in self.chosen if one in here]
            self._offer()
            self._arrange()

    def choose(self, ids: Sequence[str]) -> None:
        """Choose these and no others."""
        with self._lock:
            self.chosen = list(dict.fromkeys(ids))
            self._show()
        self._changed()

    def _offer(self) -> None:
        """The tasks and metrics there are, among what may be chosen."""
        tasks = sorted({row["name"] for row in self._all})
        metrics = sorted(
            {name for text in {row["metrics"] for row in self._all} for name in json.loads(text)}
        )
        orders = [*ORDERS, *(f"{name}, {way} first" for name in metrics for way in ("highest", "lowest"))]
        self._filling = True
        for control, options in ((self.task, [ALL, *tasks]), (self.order, orders)):
            if list(control.options) != options:
                before = control.value
                control.options = options
                control.value = before if before in options else options[0]
        self._filling = False

    def _arrange(self) -> None:
        parts = [part.strip() for part in words.plain(self.filter.value).split(",") if part.strip()]

        def wanted(row: Row) -> bool:
            return (
                self.kind.value in (ALL, row["kind"])
                and self.status.value in (ALL, row["status"])
                and self.task.value in (ALL, row["name"])
                and all(part in words.searched(row) for part in parts)
            )

        key, largest = ORDERS.get(self.order.value) or _by_metric(self.order.value)
        self._found = sorted(filter(wanted, self._all), key=key, reverse=largest)
        self._show()

    def _show(self) -> None:
        shown = self._found[self.pages.among(len(self._found))]
        for place, row in enumerate(self.rows):
            one = shown[place] if place < len(shown) else None
            row.show(one, one is not None and one["id"] in self.chosen)
        self._heads.layout.display = "" if shown else "none"

    def _ticked(self, identifier: str, on: bool) -> None:
        with self._lock:
            self.chosen = [one for one in self.chosen if one != identifier] + ([identifier] if on else [])
        self._changed()

    def _rearranged(self, _: Any) -> None:
        if self._filling:
            return
        with self._lock:
            self.pages.to(0)
            self._arrange()
        self._changed()

    def _turned(self) -> None:
        with self._lock:
            self._show()


def _by_metric(order: str) -> tuple[Callable[[Row], Any], bool]:
    """Runs without a value come last."""
    name, _, way = order.rpartition(", ")
    highest = way.startswith("highest")

    def key(row: Row) -> float:
        value = json.loads(row["metrics"]).get(name, {}).get("value")
        none = value is None or math.isnan(value)
        return (-math.inf if highest else math.inf) if none else float(value)

    return key, highest
