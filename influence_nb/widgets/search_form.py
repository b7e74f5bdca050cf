"""The form of a `SearchPanel`: what is searched for, as fields that a person fills and Python reads and sets.

It does not know what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from influence_nb.errors import InvalidData
from influence_nb.hub.query import SORTS, Query
from influence_nb.widgets.base import answer_on_own_loop
from influence_nb.widgets.form import STYLE, labelled, page_button, suggesting_field, text_field

TASKS = (
    "text-generation", "feature-extraction", "sentence-similarity", "text-classification", "token-classification",
    "fill-mask", "question-answering", "summarization", "translation", "text-ranking", "image-text-to-text",
)  # fmt: skip
LIBRARIES = ("transformers", "gguf", "sentence-transformers", "safetensors", "mlx", "onnx", "peft")
LICENSES = (
    "apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "openrail", "gemma", "llama3.1", "llama3.2",
    "llama3.3", "other",
)  # fmt: skip
LANGUAGES = ("en", "zh", "de", "es", "fr", "it", "ja", "ko", "pt", "ru", "ar", "hi", "multilingual")
GATES = {"Any": None, "Open to all": False, "Gated": True}
PAGES = (10, 20, 50, 100)
FILTERS = ("author", "task", "library", "license", "language", "min_params", "max_params", "gated")

STYLE_SEARCH = """<style>
.inb-search.inb-form { max-width: 78em; }
.inb-search .inb-words { flex: 4 1 18em; }
.inb-search .inb-sort { flex: 1 1 9em; min-width: 9em; }
.inb-search .inb-row > button.jupyter-button { width: auto; height: 30px; margin: 2px; padding: 0 14px;
  line-height: 28px; }
.inb-search .inb-filters { padding: 4px 10px 8px; margin-bottom: 8px; border-radius: 6px;
  border: 1px solid var(--jp-border-color2, rgba(128,128,128,.3)); }
.inb-search .inb-filters .inb-labelled { flex: 1 1 10.5em; min-width: 10.5em; }
.inb-search .jupyter-widgets { max-width: 100%; }
</style>"""


class SearchForm(ipywidgets.VBox):
    """Fields for everything that a search can be narrowed by.

    Args:
        changed: called when a field changes, while typing too.
        entered: called when the answer is wanted at once: the button, or Enter in the first field.
    """

    def __init__(self, changed: Callable[[], object], entered: Callable[[], object]) -> None:
        self._fields: dict[str, Any] = {
            "text": text_field("Name", "Part of a model's name, such as smollm", entered),
            "sort": labelled(ipywidgets.Dropdown, "Sort by", [(name.capitalize(), name) for name in SORTS]),
            "author": text_field("Author or organisation"),
            "task": suggesting_field("Task", "text-generation", options=TASKS),
            "library": suggesting_field("Library", "transformers", options=LIBRARIES),
            "license": suggesting_field("Licence", "apache-2.0", options=LICENSES),
            "language": suggesting_field("Language", "en", options=LANGUAGES),
            "min_params": text_field("Fewest parameters", "100M"),
            "max_params": text_field("Most parameters", "3B"),
            "gated": labelled(ipywidgets.Dropdown, "Gate", list(GATES)),
            "limit": labelled(ipywidgets.Dropdown, "On a page", list(PAGES)),
        }
        self._fields["limit"].value = 20
        self._fields["text"].add_class("inb-words")
        self._fields["sort"].add_class("inb-sort")
        search = page_button("Search", "Ask the Hub now", entered, "primary")
        self._toggle = page_button("Filters", "Show or hide the filters", self._show_or_hide)
        self._clear = page_button("Clear filters", "Empty all filters", self.clear_filters)
        for field in self._fields.values():
            field.observe(lambda _: self._changed(changed), "value")
            answer_on_own_loop(field)
        first = ipywidgets.HBox([self._fields["text"], self._fields["sort"], search, self._toggle])
        filters = [self._fields[name] for name in (*FILTERS, "limit")]
        rows = [ipywidgets.HBox(filters[:4]), ipywidgets.HBox(filters[4:]), ipywidgets.HBox([self._clear])]
        for row in (first, *rows):
            row.add_class("inb-row")
        self._filters = ipywidgets.VBox(rows, layout={"display": "none"}).add_class("inb-filters")
        super().__init__([ipywidgets.HTML(STYLE + STYLE_SEARCH), first, self._filters])

    def query(self) -> Query:
        """What is in the form; "" is None."""
        values = {name: field.value for name, field in self._fields.items()}
        trimmed = {name: value.strip() or None for name, value in values.items() if isinstance(value, str)}
        return Query(**{**values, **trimmed, "gated": GATES[values["gated"]]})

    def fill(self, **values: Any) -> None:
        """Set fields; None leaves one as it is.

        Raises:
            InvalidData: a choice that there is not.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if given.get("sort", "likes") not in SORTS:
            raise InvalidData(
                f"Results cannot be sorted by {given['sort']!r}.", f"Use one of: {', '.join(SORTS)}."
            )
        if "gated" in given:
            given["gated"] = "Gated" if given["gated"] else "Open to all"
        if given.get("limit", 20) not in self._fields["limit"].options:
            self._fields["limit"].options = (*self._fields["limit"].options, given["limit"])
        for name, value in given.items():
            self._fields[name].value = value if name == "limit" else str(value)

    def clear_filters(self) -> None:
        """Empty all that narrows the search but the name."""
        for name in FILTERS:
            self._fields[name].value = "Any" if name == "gated" else ""

    def _changed(self, changed: Callable[[], object]) -> None:
        self._name_toggle()
        changed()

    def _show_or_hide(self) -> None:
        hidden = self._filters.layout.display == "none"
        self._filters.layout.display = "" if hidden else "none"
        self._name_toggle()

    def _name_toggle(self) -> None:
        used = len(filters_of(self.query()))
        open_ = self._filters.layout.display != "none"
        self._toggle.description = ("Hide filters" if open_ else "Filters") + (f" ({used})" if used else "")


def filters_of(query: Query) -> dict[str, Any]:
    """What narrows a query beside the name."""
    return {name: value for name, value in vars(query).items() if name in FILTERS and value is not None}
