"""Saving what an explorer shows: as what, which rows, under which name.

It knows the kinds of file; it does not know maps. Files go to INFLUENCE_OUTPUT_DIR, or to the notebook's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ipywidgets

from influence_nb.settings import settings
from influence_nb.widgets.base import answer_on_own_loop, in_background, readable
from influence_nb.widgets.form import labelled, message, page_button, text_field

KINDS = {
    "Page to look around in (.html)": ".html",
    "Picture (.png)": ".png",
    "Picture (.svg)": ".svg",
    "Vectors (.npy)": ".npy",
    "Data with vectors (.parquet)": ".parquet",
}
ROWS = {"all rows": "all", "the rows that are shown": "shown", "the chosen rows": "chosen"}


class SaveForm(ipywidgets.VBox):
    """Fields and a button.

    Args:
        save: called with a path, which rows ("all", "shown" or "chosen") and whether a file may be replaced; gives the
            file's path, or raises.
    """

    def __init__(self, save: Callable[[Path, str, bool], Path]) -> None:
        self._save = save
        self.kind = labelled(ipywidgets.Dropdown, "Save as", list(KINDS.items()))
        self.rows = labelled(ipywidgets.Dropdown, "Rows", list(ROWS.items()))
        self.name = text_field("File", entered=lambda: self.save())
        self.name.value = "map.html"
        self.replace = ipywidgets.Checkbox(False, description="Replace a file of that name", indent=False)
        self.replace.layout.width = "auto"
        self._line = ipywidgets.HTML()
        for control in (self.kind, self.rows, self.replace):
            answer_on_own_loop(control)
        self.kind.observe(lambda change: self._end(change["new"]), "value")
        button = page_button("Save", "Write the file", lambda: self.save())
        fields = ipywidgets.HBox([self.kind, self.rows, self.name]).add_class("inb-row")
        acts = ipywidgets.HBox([button, self.replace]).add_class("inb-row")
        super().__init__([fields, acts, self._line])

    def save(self) -> Future[Path]:
        """Do what the button does, in the background; what came of it is said."""
        name = Path(self.name.value.strip() or "map").expanduser()
        path = (settings().output_dir or Path.cwd()) / name
        rows, replace = self.rows.value, self.replace.value
        self._line.value = message("Saving …")

        def work() -> Path:
            try:
                saved = self._save(path, rows, replace)
            except Exception as error:
                said: Any = readable(error)
                self._line.value = message(said.message, said.hint, "problem")
                raise said from error
            self._line.value = message(f"Saved: {saved}")
            return saved

        return in_background(work)

    def _end(self, suffix: str) -> None:
        self.name.value = str(Path(self.name.value.strip() or "map").with_suffix(suffix))
