"""The table of models found in a `SearchPanel`: what the page sees of the hits, and what it asks for.

It does not know how the Hub is asked. The page is `widgets/search/`.
"""

from __future__ import annotations

import reprlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.hub.results import SearchResults, cells, count
from influence_nb.widgets.base import answer_on_own_loop, escape, readable, static_table
from influence_nb.widgets.form import link
from influence_nb.widgets.here import here

STATIC = Path(__file__).parent / "static"


def rows(results: SearchResults) -> list[dict[str, str]]:
    """The hits for the page: words ready to be shown, "" for what is not known."""
    shown = ("id", "task", "parameters", "size", "license", "updated")
    return [
        {
            **{name: cells(hit)[name] for name in shown},
            "downloads": count(hit.downloads),
            "downloads_exact": f"{hit.downloads:,}",
            "likes": count(hit.likes),
            "likes_exact": f"{hit.likes:,}",
            "page": results.page_of(hit),
            "library": hit.library or "",
            "gate": hit.gated or "open",
            "fits": hit.fits or "",
        }
        for hit in results
    ]


def static_results(results: SearchResults) -> str:
    """The hits as a plain table that is as narrow as the page's; "" for none."""
    if not results:
        return ""
    heads = {
        "model": False,
        "parameters": True,
        "size": True,
        "fits here": False,
        "licence": False,
        "downloads": True,
    }

    def cells(one: dict[str, str]) -> list[str]:
        gate = "" if one["gate"] == "open" else ", gated"
        shown = [one["parameters"], one["size"], one["fits"], one["license"] + gate, one["downloads"]]
        return [link(one["page"], one["id"]), *map(escape, shown)]

    return static_table(heads, map(cells, rows(results)))


class ResultsTable(anywidget.AnyWidget):
    """The synced state of the table; only Python sets it.

    Args:
        actions: what the page may ask for: "plan" with a model's id, "more", "retry".
    """

    _esm = STATIC / "search.js"
    _css = STATIC / "search.css"

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The models found, each in words: see `rows`."""

    status = traitlets.Enum(("idle", "searching", "paging", "done"), "idle").tag(sync=True)
    """Whether the Hub is being asked, for the first page or for another."""

    note = traitlets.Unicode().tag(sync=True)
    """What is said above the table."""

    problem = traitlets.Any(None, allow_none=True).tag(sync=True)
    """Why there is no answer: {"message", "hint", "retry"}, the last whether asking again may help; or None."""

    more = traitlets.Int(0).tag(sync=True)
    """How many models the next page may have; 0 where there is none."""

    wanted = traitlets.Unicode().tag(sync=True)
    """The model whose download is being planned; "" for none."""

    stale = traitlets.Bool(False).tag(sync=True)
    """Whether the rows answer an earlier question: the one asked last has no answer."""

    judging = traitlets.Bool(False).tag(sync=True)
    """Whether it is still being worked out which models fit."""

    def __init__(self, actions: dict[str, Callable[..., object]]) -> None:
        self._lock = threading.RLock()
        self._actions = actions
        super().__init__()
        self.on_msg(self._on_page)
        answer_on_own_loop(self)

    def show(self, **values: Any) -> None:
        """Set several traits in one message, so that the page never paints half of a change."""
        with self._lock, self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    def say(self, error: Exception, retry: bool = False, **values: Any) -> InfluenceError:
        """Show what went wrong, and set other traits with it; returned as an error of ours."""
        said = readable(error)
        problem = {"message": said.message, "hint": here(said.hint), "retry": retry}
        self.show(status="done", problem=problem, **values)
        return said

    def _on_page(self, _: Any, content: Any, buffers: Any) -> None:
        try:
            self._asked(content)()
        except Exception as error:
            self.say(error)

    def _asked(self, content: Any) -> Callable[[], object]:
        """What a message of the page asks for, once it is known to be well formed."""
        match content:
            case {"type": "plan", "id": str(id), **rest} if not rest and any(
                one["id"] == id for one in self.rows
            ):
                return lambda: self._actions["plan"](id)
            case {"type": "more" | "retry" as kind, **rest} if not rest:
                return self._actions[kind]
        raise InvalidData(
            f"The page asked for something unknown: {reprlib.repr(content)}.",
            "Reload the page; if that does not help, restart the kernel.",
        )
