"""One model of the library as a row: what it is, whether it was verified, its buttons, and what is being done with it.

It knows the library's two kinds of entries by their fields; it does not know how anything is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import ipywidgets

from influence_nb.store.models import LocalModel
from influence_nb.widgets.form import page_button
from influence_nb.widgets.library_words import Entry, can_be_had_again, facts

LIBRARY_STYLE = """<style>
.inb-library .inb-model-row { padding: 5px 0 5px 2px;
  border-top: 1px solid var(--jp-border-color2, rgba(128,128,128,.35)); }
.inb-library .inb-model-top { align-items: center; flex-wrap: wrap; gap: 4px 10px; } /* narrow: the buttons go below */
.inb-library .inb-model-top > .widget-html { flex: 1 1 28em; min-width: 0; margin: 0; }
.inb-library .inb-model-row > .widget-html { margin: 0; }
.inb-library .widget-html-content { line-height: 1.45; width: 100%; }
.inb-library .inb-model-buttons { flex: 0 0 auto; gap: 4px; }
.inb-library .inb-model-buttons button { width: 72px; padding: 0 4px; margin: 0; }
.inb-library .inb-shelved { display: grid; gap: 1px 12px; align-items: baseline; font-variant-numeric: tabular-nums;
  grid-template-columns: minmax(7em, 1fr) 4.8em 6em 6em; }
.inb-library .inb-model-name { font-weight: 600; }
.inb-library .inb-model-size { text-align: right; white-space: nowrap; }
.inb-library .inb-model-more { grid-column: 1 / -1; font-size: 12px; opacity: .8; }
.inb-library .inb-shelved[data-status=broken] .inb-model-name { opacity: .75; }
.inb-library .inb-model-heads { font-weight: 600; opacity: .8; padding-top: 6px; }
.inb-library .inb-model-heads .inb-model-model { padding-left: 2px; }
.inb-library .inb-model-spacer { flex: 0 0 224px; height: 0; }
.inb-library .inb-mark-word { font-size: 11px; line-height: 17px; padding: 0 8px; border-radius: 9px;
  white-space: nowrap;
  display: inline-block; border: 1px solid var(--jp-border-color1, #bdbdbd); }
.inb-library .inb-mark-word[data-kind=good] { border-color: var(--jp-success-color1, #388e3c); }
.inb-library .inb-mark-word[data-kind=bad] { color: white; border-color: transparent;
  background: var(--inb-ground-bad); }
.inb-library .inb-mark-word[data-kind=now] { color: white; border-color: transparent;
  background: var(--inb-ground-now); }
.inb-library .inb-never { opacity: .75; }
.inb-library .inb-model-doing { font-size: 12px; font-variant-numeric: tabular-nums; padding: 2px 0; }
.inb-library .inb-model-doing .inb-track { display: block; margin: 3px 0; }
.inb-library .inb-ask { align-items: center; gap: 4px 10px; margin-top: 4px; padding: 4px 10px; flex-wrap: wrap;
  border-left: 3px solid var(--jp-warn-color1, #f57c00); background: var(--jp-layout-color2, rgba(128,128,128,.12)); }
.inb-library .inb-ask > .widget-html { flex: 1 1 20em; min-width: 0; margin: 0; }
.inb-library .inb-ask button { width: auto; }
.inb-library .inb-ask button:not(.mod-danger) { border: 1px solid var(--jp-border-color1, #bdbdbd); }
.inb-library .inb-pages { align-items: center; gap: 10px; border-top: 1px solid var(--jp-border-color2, #ddd);
  padding-top: 6px; }
.inb-library .inb-pages .widget-html { margin: 0; }
.inb-library .inb-tools { align-items: flex-end; flex-wrap: wrap; gap: 4px 12px; }
.inb-library .inb-tools button { width: auto; }
</style>"""


class Actions(Protocol):
    """What a row's buttons ask for, each for the entry that was shown when it was clicked."""

    def load_clicked(self, entry: Entry) -> object:
        """Load it."""

    def again_clicked(self, entry: Entry) -> object:
        """Download it again."""

    def verify_clicked(self, entry: Entry) -> object:
        """Check its bytes."""

    def cancel_clicked(self) -> object:
        """Give up what is being done."""

    def remove_clicked(self, entry: Entry) -> object:
        """Say what removing it would free, and ask."""

    def sure_clicked(self, entry: Entry) -> object:
        """Remove it."""


class Question(ipywidgets.HBox):
    """A question with two answers; hidden until something is asked.

    Args:
        asker: the button that asks; once it is answered, the keyboard's place is there again.
        no: what not doing it is called.
    """

    def __init__(self, asker: ipywidgets.Button, no: str = "Keep it") -> None:
        self._asker = asker
        self._text = ipywidgets.HTML()
        self._yes = page_button("", "", lambda: self._answered(True), "danger")
        self._no = page_button(no, no, lambda: self._answered(False))
        self._then: Callable[[], object] | None = None
        super().__init__([self._text, self._yes, self._no], layout={"display": "none"})
        self.add_class("inb-ask")

    def ask(self, html: str, yes: str, title: str, then: Callable[[], object]) -> None:
        """Show the question; `then` is called once if the answer is yes."""
        self._text.value = f'<span role="alert">{html}</span>'
        self._yes.description, self._yes.tooltip = yes, title
        self._then = then
        self.layout.display = ""

    def hide(self) -> None:
        """Ask no more."""
        self._then = None
        self.layout.display = "none"

    def _answered(self, yes: bool) -> None:
        then = self._then
        self._asker.focus()  # before the button that was pressed goes away
        self.hide()
        if yes and then is not None:  # else it was clicked twice
            then()


class ModelRow(ipywidgets.VBox):
    """A row that shows one entry after another: it stays on the page, so that the keyboard's place does not jump."""

    def __init__(self, actions: Actions) -> None:
        self.entry: Entry | None = None
        self._actions = actions
        self._facts = ipywidgets.HTML()
        self._first = page_button("Load", "", self._first_clicked)
        self._second = page_button("Verify", "", self._second_clicked)
        self._third = page_button("Remove", "", self._third_clicked)
        buttons = ipywidgets.HBox([self._first, self._second, self._third]).add_class("inb-model-buttons")
        top = ipywidgets.HBox([self._facts, buttons]).add_class("inb-model-top")
        self._doing = ipywidgets.HTML(layout={"display": "none"})
        self._note = ipywidgets.HTML(layout={"display": "none"})
        self.question = Question(self._third)
        super().__init__([top, self._doing, self._note, self.question], layout={"display": "none"})
        self.add_class("inb-model-row")

    def show(self, entry: Entry | None, loaded: bool = False, note: str = "") -> None:
        """Show an entry, or nothing.

        Args:
            entry: what to show.
            loaded: whether the model is in memory.
            note: HTML below it; "" for none.
        """
        if entry is None or self.entry is None or entry.name != self.entry.name:
            self.question.hide()
        self.entry = entry
        self.layout.display = "none" if entry is None else ""
        if entry is None:
            return
        _set(self._facts, facts(entry, loaded))
        _set(self._note, note, hide=True)
        whole = isinstance(entry, LocalModel)
        name = entry.name
        self._first.description = "Load" if whole else "Fetch"
        self._first.tooltip = f"Load {name}" if whole else f"Download {name} again: what is whole is kept"
        possible = entry.kind == "chat" if isinstance(entry, LocalModel) else can_be_had_again(entry)
        self._first.layout.visibility = "visible" if possible else "hidden"
        self._third.tooltip = f"Remove {name}"

    def do(self, html: str, stoppable: bool = True) -> None:
        """Say, as HTML, what is being done with it; "" for nothing. What is `stoppable` the second button cancels."""
        _set(self._doing, html, hide=True)
        name = self.entry.name if self.entry else ""
        self._second.description = "Cancel" if html and stoppable else "Verify"
        self._second.disabled = bool(html) and not stoppable
        self._second.tooltip = (
            f"Stop what is being done with {name}" if html and stoppable else f"Check the bytes of {name}"
        )

    def _first_clicked(self) -> None:
        entry = self.entry
        if isinstance(entry, LocalModel):
            self._actions.load_clicked(entry)
        elif entry is not None:
            self._actions.again_clicked(entry)

    def _second_clicked(self) -> None:
        if self._second.description == "Cancel":
            self._actions.cancel_clicked()
        elif self.entry is not None:
            self._actions.verify_clicked(self.entry)

    def _third_clicked(self) -> None:
        if self.entry is not None:
            self._actions.remove_clicked(self.entry)

    def focus(self) -> None:
        """Put the keyboard's place on its last button."""
        self._third.focus()

    def ask(self, entry: Entry, html: str) -> None:
        """Ask whether to remove the entry."""
        if self.entry is not None and self.entry.name == entry.name:
            title = f"Remove {entry.name} for good"
            self.question.ask(html, "Remove it", title, lambda: self._actions.sure_clicked(entry))


def _set(widget: ipywidgets.HTML, html: str, hide: bool = False) -> None:
    if widget.value != html:
        widget.value = html
    if hide:
        widget.layout.display = "" if html else "none"
