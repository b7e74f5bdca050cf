"""One run of a `RunBrowser`, opened: its facts and figures, its items, one of them, its replay, its export.

It knows runs by their folders; it does not know the list.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ipywidgets

from influence_nb import api
from influence_nb.arguments import quoted
from influence_nb.errors import InfluenceError, InvalidData, ModelNotFound
from influence_nb.evaluation import runs
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.scorers import MultipleChoice
from influence_nb.evaluation.tasks import Task
from influence_nb.widgets import run_words as words
from influence_nb.widgets.base import answer_on_own_loop, readable
from influence_nb.widgets.form import labelled, message, page_button
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.pages import Pages
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.engine.replay import Replay

T = TypeVar("T")
Item = Mapping[str, Any]

_SHOWS = ("all", "wrong", "without a value")
_NONE = "(none)"
PAGE = 12
"""Items on one page of the table."""


class RunDetail(ipywidgets.VBox):
    """A run and its items; hidden until one is opened.

    Args:
        state: the loaded models.
        changed: called when another run is shown.

    Attributes:
        run: the one that is open; None for none.
        asked: a future of what was asked for last; None before.
    """

    def __init__(self, state: State, changed: Callable[[], object]) -> None:
        self.run: Run | None = None
        self.asked: Future[Any] | None = None
        self._state, self._changed = state, changed
        self._work = Newest()
        self._task: Task | None = None
        self._items: list[Item] = []
        self._found: list[Item] = []
        self._rows: Mapping[str, Mapping[str, Any]] = {}
        self._filling = False
        self._facts = ipywidgets.HTML()
        self._export = page_button("Export", "Write the whole run as one zip file here", self.export)
        self._copy = page_button(
            "Notebook", "Copy the executed notebook here, to be opened", self.copy_notebook
        )
        close = page_button("Close", "Close this run", self.hide)
        buttons = ipywidgets.HBox([self._export, self._copy, close]).add_class("inb-tools")
        self._message = ipywidgets.HTML()
        self.shows = labelled(ipywidgets.Dropdown, "Items", list(_SHOWS))
        self.which = labelled(ipywidgets.Dropdown, "Open item", [_NONE])
        self._choose = ipywidgets.HBox([self.shows, self.which]).add_class("inb-tools")
        self._pages = Pages("items", PAGE, self._show_page)
        self._table, self._item = ipywidgets.HTML(), ipywidgets.HTML()
        self._replay = page_button("Replay", "Generate it once more and compare", self._replay_clicked)
        self._load = page_button("Load the model", "Load the model of this receipt", self.load)
        self._again = ipywidgets.HBox([self._replay, self._load]).add_class("inb-tools")
        self._said = ipywidgets.HTML()
        super().__init__(
            [
                self._facts,
                buttons,
                self._message,
                self._choose,
                self._pages,
                self._table,
                self._item,
                self._again,
                self._said,
            ]
        )
        self.add_class("inb-run-pane")
        self.layout.display = "none"
        for control, act in ((self.shows, self._show_items), (self.which, self._show_item)):
            control.observe(lambda _, act=act: None if self._filling else act(), "value")
            answer_on_own_loop(control)

    def show(self, identifier: str) -> Future[Run]:
        """Show a run, in the background."""

        def work(turn: Turn) -> Run:
            with_trouble = self._told(lambda: self._read(identifier))
            turn.if_newest(lambda: self._show(*with_trouble))
            return with_trouble[0]

        return self._ask(work)

    def hide(self) -> None:
        """Show none."""
        self.run = None
        self.layout.display = "none"
        self._changed()

    def item(self, identifier: str) -> Item:
        """Open an item of the run that is open.

        Raises:
            InvalidData: no run is open, or it has no such item.
        """
        found = next((one for one in self._items if one["id"] == str(identifier)), None)
        if found is None:
            raise InvalidData(
                f"There is no item {quoted(identifier)}.", "Open a run, and give one of its ids."
            )
        if self.which.value != found["id"]:
            if found not in self._found:
                self.shows.value = "all"
            self._pages.to(self._found.index(found))
            self._show_page()
            self.which.value = found["id"]
        return found

    def export(self) -> Path:
        """Write the run as a zip file into the working folder.

        Raises:
            InvalidData: there is no writing there, or no run is open.
        """
        run = self._open()
        path = self._told(lambda: run.export(Path.cwd() / f"run-{run.id}.zip"))
        self._message.value = message(f"Written to {path}. inb.import_run takes it in elsewhere.")
        return path

    def copy_notebook(self) -> Path:
        """Copy the executed notebook into the working folder, where JupyterLab can open it.

        Raises:
            InvalidData: there is no writing there, or no run of a notebook is open.
        """
        run = self._open()
        source = run.folder / "notebook.ipynb"

        def copy() -> Path:
            try:
                return Path(shutil.copyfile(source, Path.cwd() / f"{Path(run.name).stem}-{run.id[:8]}.ipynb"))
            except OSError as error:
                raise InvalidData(f"{source} cannot be copied: {error}.", "Open it where it is.") from error

        path = self._told(copy)
        self._message.value = message(f"Copied to {path.name}: open it from the file browser.")
        return path

    def replay(self) -> Future[Replay]:
        """Generate the open item once more with the loaded model of that name; in the background.

        Returns:
            A future of the `Replay`; ModelNotFound where the model is not loaded.

        Raises:
            InvalidData: no item is open, or nothing was generated for it.
        """
        receipt = self._receipt()

        def work(turn: Turn) -> Replay:
            found = self._told(lambda: self._model(receipt).replay(receipt), self._said)
            turn.if_newest(lambda: self._tell(found._repr_html_()))
            return found

        return self._ask(work, lambda: self._tell(message("Generating it once more.")))

    def load(self) -> Future[Model]:
        """Load the model of the open item's receipt, as it was loaded then; in the background."""
        receipt = self._receipt()

        def work(_: Turn) -> Model:
            made = self._told(lambda: api.load(receipt["model"], **api.as_recorded(receipt)), self._said)
            self._load.layout.display = "none"
            self._tell(message(f"{made.name} is loaded: press Replay."))
            self._replay.focus()
            return made

        return self._ask(work, lambda: self._tell(message(f"Loading {receipt['model']}.")))

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _read(self, identifier: str) -> tuple[Run, Task | None, list[Item]]:
        run = runs.find(identifier)
        if run.kind != "task":
            return run, None, _receipts(run)
        return run, run.task(), list(run.items())

    def _show(self, run: Run, task: Task | None, items: list[Item]) -> None:
        self.run, self._task, self._items = run, task, items
        self._rows = {row["id"]: row for row in task.rows} if task is not None else {}
        self._facts.value = words.run_html(run)
        self._message.value = ""
        self._copy.layout.display = "" if (run.folder / "notebook.ipynb").is_file() else "none"
        self.shows.layout.display = "" if task is not None else "none"
        self.layout.display = ""
        self._filling = True
        self.shows.value = "all"
        self._filling = False
        self._show_items()
        self._changed()

    def _show_items(self) -> None:
        self._found = [one for one in self._items if self._wanted(one)]
        self._choose.layout.display = "" if self._items else "none"
        self._pages.to(0)
        self._show_page()

    def _show_page(self) -> None:
        """The table, and the same items to be opened."""
        shown = self._found[self._pages.among(len(self._found))]
        asked = {one["id"]: known for one in shown if (known := self._asked(one)) is not None}
        self._table.value = words.items_html(shown, asked, len(self._found), len(self._items))
        self._filling = True
        self.which.options = [_NONE, *(one["id"] for one in shown)]
        self.which.value = _NONE
        self._filling = False
        self._show_item()

    def _wanted(self, item: Item) -> bool:
        if self.shows.value == "all" or self._task is None:
            return True
        figure = self._task.scorer.figures[0]
        value = item["values"].get(figure.part or figure.name)
        return value is None if self.shows.value == "without a value" else value == 0

    def _show_item(self) -> None:
        item = self._item_open()
        self._tell("")
        self._load.layout.display = "none"
        self._again.layout.display = "" if item is not None and item["receipt"] is not None else "none"
        self._item.value = "" if item is None else words.item_html(item, self._asked(item))

    def _asked(self, item: Item) -> words.Asked | None:
        """What was asked in an item; None where the task is not known."""
        row = self._rows.get(item["id"])
        if self._task is None or row is None:
            return None
        scorer = self._task.scorer
        if not isinstance(scorer, MultipleChoice):
            return words.Asked(self._task.prompt(row), row.get(getattr(scorer, "answer", "")))
        choices, right = scorer.choices_of(row), scorer.right_of(row)
        return words.Asked(self._task.prompt(row), "" if right is None else choices[right], choices)

    def _item_open(self) -> Item | None:
        return next((one for one in self._items if one["id"] == self.which.value), None)

    def _tell(self, html: str) -> None:
        self._said.value = f'<div role="status">{html}</div>' if html else ""

    # -- what it needs -----------------------------------------------------------------------------------------------

    def _open(self) -> Run:
        if self.run is None:
            raise InvalidData("No run is open.", "Open one: browser.show(id).")
        return self.run

    def _receipt(self) -> Mapping[str, Any]:
        item = self._item_open()
        if item is None or item["receipt"] is None:
            raise InvalidData(
                "No item with a receipt is open.", "Open one for which something was generated."
            )
        receipt: Mapping[str, Any] = item["receipt"]
        return receipt

    def _model(self, receipt: Mapping[str, Any]) -> Model:
        """The loaded model of that name, and if there are several the one that was loaded in the same way."""
        named = [one for one in self._state.models().values() if one.name == receipt["model"]]
        if not named:
            self._load.layout.display = ""
            raise ModelNotFound(
                f"{receipt['model']} is not loaded.", "Load it with the button, and replay then."
            )
        how = ("dtype", "device", "quantization")
        same = [one for one in named if all(getattr(one, name) == receipt[name] for name in how)]
        return (same or named)[0]

    def _ask(self, work: Callable[[Turn], T], begin: Callable[[], None] = lambda: None) -> Future[T]:
        self.asked = future = self._work.ask(work, begin)
        return future

    def _replay_clicked(self) -> None:
        with suppress(InfluenceError):
            self.replay()

    def _told(self, act: Callable[[], T], place: ipywidgets.HTML | None = None) -> T:
        """What goes wrong is shown, and raised to who waits."""
        try:
            return act()
        except Exception as error:
            said = readable(error)
            (place or self._message).value = message(said.message, said.hint, "problem")
            self.layout.display = ""
            raise said from error


def _receipts(run: Run) -> list[Item]:
    """What a notebook generated, as items without values."""
    return [
        {"id": str(place), "values": {}, "output": f"{len(one.get('output_ids', ()))} tokens by {one.get('model')}",
         "detail": {}, "receipt": one, "error": ""}
        for place, one in enumerate(runs.lines(run.folder / "receipts.jsonl"))
    ]  # fmt: skip
