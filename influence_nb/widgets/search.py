"""`SearchPanel`: find models on the Hub while typing, and ask for a download to be planned.

It knows the Hub's search and the shared state by their public calls; how a request is sent is the hub layer's
business, how the table is painted the page's (`widgets/search/`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets

from influence_nb import api
from influence_nb.errors import HubUnreachable, InfluenceError
from influence_nb.hub import search as searching
from influence_nb.hub.query import Query
from influence_nb.hub.results import SearchResults
from influence_nb.widgets.base import StaticFallback, escape, in_background, static_block, strict
from influence_nb.widgets.newest import Newest, Pause, Turn
from influence_nb.widgets.results import ResultsTable, rows, static_results
from influence_nb.widgets.search_form import SearchForm, filters_of
from influence_nb.widgets.state import State

BEGIN = "Type part of a name to search the Hub, or press Search for what is downloaded most."
ORDERS = {
    "downloads": "most downloaded first",
    "likes": "most liked first",
    "trending": "trending first",
    "updated": "last changed first",
    "created": "newest first",
}
SETTLED = 0.5
"""Seconds after a page's own search before the rendering for readers without a kernel is replaced: a page that is
handed both at once paints later."""
LOOK = 0.05
"""Seconds between two looks at whether it is known by now what fits, in the seconds before torch is there."""


class SearchPanel(StaticFallback, ipywidgets.VBox):
    """A form that searches the Hub while one types, and a table of what it finds.

    The button beside a model sets `state.wanted`: a `DownloadPanel` with the same state plans its download. The
    hub is asked when typing pauses, and never twice at once: only the newest question's answer is shown.
    `search`, `more`, `retry` and `plan` do from Python what a person does.

    Args:
        state: what is shared with other panels; None for one of its own.
        mirror: the hub's address; None is INFLUENCE_MIRROR, else huggingface_hub's own.
        token: for models that only its owner sees; None is the one huggingface_hub is logged in with. It stays in
            the kernel.
        pause: seconds without a key before the hub is asked.

    Attributes:
        results: the models shown, all pages together.
        table: the table below the form, a `ResultsTable`.

    Raises:
        TypeError: an unknown keyword.
    """

    @strict
    def __init__(
        self,
        *,
        state: State | None = None,
        mirror: str | None = None,
        token: str | None = None,
        pause: float = 0.3,
    ) -> None:
        self._own_state = state is None
        self.state = state or State()
        self.results = SearchResults(())
        self._mirror, self._token = mirror, token
        self._newest = Newest()
        self._again: Callable[..., Future[SearchResults]] = self._ask
        self._pause = Pause(pause, self._ask_if_new)
        self._settled = Pause(SETTLED, self.update_static)
        self._ready = in_background(api.judge)  # torch takes seconds to import: begin before it is needed
        self._form = SearchForm(changed=self._pause.nudge, entered=self._ask)
        self.table = ResultsTable({"plan": self.plan, "more": self._more, "retry": lambda: self._again()})
        self._query = self._form.query()
        self._asked: Query | None = None
        self.table.show(note=BEGIN, wanted=self.state.wanted)
        super().__init__([self._form, self.table])
        for name in ("inb-form", "inb-search", "live"):
            self.add_class(name)
        self.state.observe(self._wanted_changed, "wanted")

    def search(
        self,
        text: str | None = None,
        *,
        author: str | None = None,
        task: str | None = None,
        library: str | None = None,
        license: str | None = None,
        language: str | None = None,
        min_params: int | str | None = None,
        max_params: int | str | None = None,
        gated: bool | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Future[SearchResults]:
        """Search now, in the background. The arguments are those of `inb.search`; they are put into the form, and
        what is not given is taken from it.

        Returns:
            A future of the results. It is cancelled, or has an error, when something newer is asked for meanwhile.

        Raises:
            InvalidData: `sort` or `gated` is not one of the choices.
        """
        self._form.fill(
            text=text,
            author=author,
            task=task,
            library=library,
            license=license,
            language=language,
            min_params=min_params,
            max_params=max_params,
            gated=gated,
            sort=sort,
            limit=limit,
        )
        return self._ask(waited_for=True)

    def more(self) -> Future[SearchResults]:
        """Add the next page in the background.

        Returns:
            A future of all that is shown then; where there is no other page, of what is shown now.

        Raises:
            InfluenceError: the hub is being asked for something else.
        """
        return self._more(waited_for=True)

    def retry(self) -> Future[SearchResults]:
        """Ask again for what was asked last."""
        return self._again(waited_for=True)

    def plan(self, repo_id: str) -> None:
        """Ask for a model's download to be planned: a `DownloadPanel` with the same state shows the plan."""
        if self.state.wanted == repo_id:
            self.state.wanted = ""  # wanted anew
        self.state.wanted = repo_id

    def static_html(self) -> str:
        """What was found last, for a reader without a kernel."""
        if self.table.note == BEGIN or not (self.table.note or self.results):
            return static_block("Search the Hub", "<p>Nothing was searched for.</p>")
        note = f'<p style="margin:0 0 6px">{escape(self.table.note)}</p>' if self.table.note else ""
        return static_block("Models found on the Hub", note, static_results(self.results))

    def close(self) -> None:
        """Ask nothing any more, and leave the page."""
        if hasattr(self, "state"):  # a constructor that refused its arguments leaves none
            self._pause.cancel()
            self._settled.cancel()
            self._newest.cancel()
            with contextlib.suppress(ValueError):
                self.state.unobserve(self._wanted_changed, "wanted")
            if self._own_state:
                self.state.close()
        super().close()

    def _ask_if_new(self) -> None:
        """After a pause in typing: the page may send what was typed after the key that asked for it at once."""
        if self._form.query() != self._asked:
            self._ask()

    def _ask(self, waited_for: bool = False) -> Future[SearchResults]:
        self._pause.cancel()
        query = self._asked = self._form.query()
        self._again = self._ask

        def work(turn: Turn) -> SearchResults:
            return searching.search(query, mirror=self._mirror, token=self._token, cancel=turn.over)

        return self._run("searching", work, query, waited_for)

    def _more(self, waited_for: bool = False) -> Future[SearchResults]:
        if self.table.status in ("searching", "paging"):
            raise InfluenceError("The hub is still being asked.", "Wait for the answer: .result().")
        before, query = self.results, self._query
        self._again = self._more

        def work(turn: Turn) -> SearchResults:
            return before.with_next(turn.over) if before.more else before

        return self._run("paging", work, query, waited_for)

    def _run(
        self, status: str, work: Callable[[Turn], SearchResults], query: Query, waited_for: bool
    ) -> Future[SearchResults]:
        def whole(turn: Turn) -> SearchResults:
            try:
                found = work(turn)
            except Exception as error:
                turn.if_newest(functools.partial(self._fail, error, query))
                raise
            shown = self._show(turn, found, query)
            # Who waits in a cell leaves with the rendering in place; a page that is typed in is painted first.
            turn.if_newest(self._update_static if waited_for else self._settled.nudge)
            return shown

        return self._newest.ask(whole, lambda: self.table.show(status=status))

    def _fail(self, error: Exception, query: Query) -> None:
        stale = query != self._query  # else what is shown answers it, though not anew
        self.table.say(
            error, isinstance(error, HubUnreachable), **({"stale": True, "note": ""} if stale else {})
        )

    def _show(self, turn: Turn, found: SearchResults, query: Query) -> SearchResults:
        """Show what was found at once, and what of it fits as soon as that is known."""
        if not self._ready.done():
            turn.if_newest(lambda: self._paint(found, query, judging=True))
            while not self._ready.done() and not turn.over.wait(LOOK):
                pass
        judged = self._judged(found)
        turn.if_newest(lambda: self._paint(judged, query, judging=False))
        return judged

    def _judged(self, found: SearchResults) -> SearchResults:
        if not self._ready.done() or self._ready.exception() is not None:
            return found
        return found.judged(api.judge())  # anew: how much memory is free changes

    def _paint(self, found: SearchResults, query: Query, judging: bool) -> None:
        self.results = found
        self._query = query
        self.table.show(
            rows=rows(found),
            note=_note(found, query),
            more=query.limit if found.more else 0,
            status="done",
            problem=None,
            stale=False,
            judging=judging,
        )

    def _update_static(self) -> None:
        self._settled.cancel()
        self.update_static()

    def _wanted_changed(self, change: Any) -> None:
        self.table.show(wanted=change["new"])


def _note(found: SearchResults, query: Query) -> str:
    """In words, what is shown."""
    what = f" for “{query.text}”" if query.text else ""
    filtered = filters_of(query)
    if not found:
        return f"No model found{what}{' with these filters' if filtered else ''}. " + (
            "Fewer filters find more." if filtered else "Fewer letters find more."
        )
    number = "1 model" if len(found) == 1 else f"{len(found):,} models"
    more = ", and there are more" if found.more else ""
    return f"{number}{what}{', filtered' if filtered else ''}, {ORDERS[query.sort]}{more}."
