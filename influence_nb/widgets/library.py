"""`LibraryPanel`: what models are on this machine, load them, check their bytes, get rid of them.

It knows the library by its public calls; everything that takes time runs in the background.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb import api
from influence_nb.errors import InfluenceError
from influence_nb.hub.cache import cache_dir
from influence_nb.store.models import LocalModel
from influence_nb.widgets import library_words as words
from influence_nb.widgets.amounts import data, many
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
from influence_nb.widgets.library_list import ModelList
from influence_nb.widgets.library_row import LIBRARY_STYLE, Question
from influence_nb.widgets.library_words import Entry
from influence_nb.widgets.one_job import OneJob
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.store.removal import Pruned
    from influence_nb.store.verify import Verification

_LISTED = 60
"""Models in the static rendering."""


class LibraryPanel(StaticFallback, ipywidgets.VBox):
    """The models on this machine, with what they take and whether they were verified.

    `load`, `verify`, `remove` and `prune` do from Python what the buttons do, without asking twice.

    Args:
        state: what is shared with other panels; None for one of its own.

    Raises:
        TypeError: an unknown keyword.
    """

    @strict
    def __init__(self, *, state: State | None = None) -> None:
        self.state = state or State()
        self._entries: tuple[Entry, ...] = ()
        self._looking = threading.Lock()
        self._job = OneJob("Wait until that is done, or cancel it.")
        self._busy_with = ""
        self._cancel = threading.Event()
        self._refreshed: Future[None] | None = None
        self._asking: Future[None] | None = None  # what would be removed is being found out
        self._telling = 0  # the thread that tells the other panels of a change
        self._summary = ipywidgets.HTML(message("Looking for models."))
        self._message = ipywidgets.HTML()
        self._list = ModelList(self, lambda html: setattr(self._message, "value", html))
        refresh = page_button("Refresh", "Look again for models on this machine", self.refresh)
        tidy = page_button(
            "Leftovers", "Look for leftovers of downloads that were killed", self._tidy_clicked
        )
        self._leftovers = Question(tidy, "Keep them")
        tools = ipywidgets.HBox([self._list.filter, self._list.order, refresh, tidy]).add_class("inb-tools")
        styles = ipywidgets.HTML(STYLE + LIBRARY_STYLE)
        super().__init__([styles, self._summary, tools, self._message, self._leftovers, self._list])
        for name in ("inb-form", "inb-library", "live"):
            self.add_class(name)
        self.state.observe(self._library_changed, "library")
        self.state.observe(self._loaded_changed, "loaded")
        self.refresh()

    def load(self, name: str) -> Future[Model]:
        """Load a model in the background; it becomes the selected one.

        Returns:
            A future of the loaded `Model`.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """

        def tell(stage: str, share: float | None) -> None:
            self._tell(words.stage(f"Loading: {stage}", share), stoppable=False)

        def work() -> Model:
            return api.load(name, on_progress=tell)

        return self._run(name, work, lambda _: message(f"{name} is loaded."))

    def verify(self, name: str) -> Future[Verification]:
        """Check a model's bytes against their known checksums, in the background; see `inb.library().verify`.

        Returns:
            A future of what was checked; an `IntegrityError` where a file is damaged or gone.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """

        def work() -> Verification:
            return api.library().verify(
                name, lambda progress: self._tell(words.moment(progress)), self._cancel
            )

        return self._run(name, work, words.verified, changes=True)

    def remove(self, name: str, revision: str | None = None) -> Future[int]:
        """Delete a model in the background; see `inb.library().remove`.

        Returns:
            A future of the bytes that became free.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """
        return self._remove(name, f"{name}@{revision}" if revision else name)

    def download(self, name: str) -> Future[LocalModel]:
        """Fetch a model again in the background, here; what is whole is kept.

        Returns:
            A future of the `LocalModel`.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """

        def work() -> LocalModel:
            return api.download(
                name, on_progress=lambda one: self._tell(words.moment(one)), cancel=self._cancel
            )

        return self._run(name, work, lambda _: message(f"{name} is here."), changes=True)

    def prune(self) -> Future[Pruned]:
        """Delete the leftovers in the background; see `inb.library().prune`.

        Returns:
            A future of what became free.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """
        self._leftovers.hide()
        return self._run("", lambda: api.library().prune(), words.pruned, changes=True)

    def refresh(self) -> Future[None]:
        """Look anew, in the background, for what is on this machine.

        Returns:
            A future that is done when the panel shows what was found; what failed is said in the panel too.
        """

        def whole() -> None:
            try:
                self._look()
            except Exception as error:
                raise self._say("", error) from error

        self._refreshed = in_background(whole, after=self._refreshed)
        return self._refreshed

    def static_html(self) -> str:
        """The list of models, for a reader without a kernel."""
        if not self._entries:
            return static_block("Models on this machine", "<p>None.</p>")
        rows = (words.static_cells(entry) for entry in self._entries[:_LISTED])
        table = static_table({"model": False, "weights": False, "size": True, "checked": False}, rows)
        more = len(self._entries) - _LISTED
        rest = f'<p style="{MUTED}">and {more} more</p>' if more > 0 else ""
        return static_block("Models on this machine", table, rest)

    def close(self) -> None:
        """Follow the state no longer, and take the panel off the page."""
        if hasattr(self, "_list"):  # there is none where the constructor refused
            self.state.unobserve(self._library_changed, "library")
            self.state.unobserve(self._loaded_changed, "loaded")
        super().close()

    def load_clicked(self, entry: Entry) -> None:
        """A row's Load."""
        self._asked(lambda: self.load(entry.name))

    def again_clicked(self, entry: Entry) -> None:
        """A starter is fetched here; a model of the Hub is planned first, where there is a panel that does it."""
        if entry.source == "starter":
            self._asked(lambda: self.download(entry.name))
            return
        self._list.say(entry.name, message(f"The download of {entry.name} is planned in the download panel."))
        self.state.wanted = ""  # so that asking again is heard
        self.state.wanted = entry.name

    def verify_clicked(self, entry: Entry) -> None:
        """A row's Verify."""
        self._asked(lambda: self.verify(entry.name))

    def cancel_clicked(self) -> None:
        """A row's Cancel."""
        self._cancel.set()

    def remove_clicked(self, entry: Entry) -> None:
        """A row's Remove: ask once more, and say what becomes free."""

        def work() -> None:
            try:
                freed = api.library().frees(exactly(entry))
            except Exception as error:
                raise self._say(entry.name, error) from error
            self._list.ask(entry, words.removal(entry, freed))

        self._asking = in_background(work)

    def sure_clicked(self, entry: Entry) -> None:
        """The answer to that. Its row goes away: the keyboard's place is then on the one that takes its place."""
        place = self._list.place(entry.name)
        removed = self._asked(lambda: self._remove(entry.name, exactly(entry)))
        if removed is not None:
            removed.add_done_callback(lambda _: self._list.focus_on(place))

    def _remove(self, name: str, what: str) -> Future[int]:
        def work() -> int:
            self._tell(words.stage("Removing", None), stoppable=False)
            return api.library().remove(what)

        done = lambda freed: message(f"{name} was removed; {data(freed)} became free.")  # noqa: E731
        return self._run(name, work, done, changes=True)

    def _run(
        self, name: str, work: Callable[[], Any], done: Callable[[Any], str], changes: bool = False
    ) -> Future[Any]:
        """Do something with a model in the background, then show how it ended; `done` says so as HTML."""

        def begin() -> None:
            self._cancel = threading.Event()
            self._busy_with = name
            self._list.say("", "")

        def end(said: str) -> None:
            self._busy_with = ""
            self._list.do(name, "")
            self._settle(name, said, changes)

        return self._job.start(f"busy with {name or 'leftovers'}", work, begin=begin, done=done, end=end)

    def _settle(self, name: str, said: str, changes: bool) -> None:
        """After something was done: show what is here now, say how it ended, and tell the other panels."""
        if changes:
            with suppress(Exception):  # what was done is done, whether or not it can be shown
                self._look()
        self._list.say(name, said)
        if changes:
            self._telling = threading.get_ident()
            self.state.library_changed()
            self._telling = 0

    def _asked(self, action: Callable[[], Future[Any]]) -> Future[Any] | None:
        """Do what a button says; that it cannot be done now is said, not raised."""
        try:
            return action()
        except InfluenceError as error:
            self._say("", error)
            return None

    def _look(self) -> None:
        with self._looking:  # one after the other, so that the last word is of the last look
            self._entries = api.library().everything()
            self._summary.value = _summary(self._entries)
            self._list.put(self._entries, self._loaded())
        self.update_static()

    def _loaded(self) -> set[str]:
        return {model.name for model in self.state.models().values()}

    def _tell(self, html: str, stoppable: bool = True) -> None:
        self._list.do(self._busy_with, html, stoppable)

    def _tidy_clicked(self) -> None:
        """Show what is left over, and ask whether to delete it."""

        def work() -> None:
            try:
                found = api.library().leftovers()
            except Exception as error:
                raise self._say("", error) from error
            if not found:
                self._list.say("", message("There are no leftovers."))
                return
            self._list.say("", "")
            self._leftovers.ask(
                words.leftovers(found), "Delete them", "Delete the leftovers", lambda: self._asked(self.prune)
            )

        self._asking = in_background(work)

    def _say(self, name: str, error: Exception) -> InfluenceError:
        said = readable(error)
        self._list.say(name, message(said.message, said.hint, "problem"))
        return said

    def _library_changed(self, _: Any) -> None:
        if self._telling != threading.get_ident():
            self.refresh()

    def _loaded_changed(self, _: Any) -> None:
        self._list.put(loaded=self._loaded())


def exactly(entry: Entry) -> str:
    """The name that means this one revision, and no other of the same model."""
    if entry.source != "hub" or not entry.revision:
        return entry.name
    return f"{entry.name.partition('@')[0]}@{entry.revision}"


def _summary(entries: Sequence[Entry]) -> str:
    """How many models there are, what they take, what is free."""
    broken = sum(1 for entry in entries if not isinstance(entry, LocalModel))
    whole = len(entries) - broken
    parts = [many(whole, "model") + (f", {broken} not whole" if broken else "")]
    parts.append(f"{data(sum(entry.size for entry in entries))} on disk")
    place = cache_dir()
    with suppress(OSError):
        here = next(path for path in (place, *place.parents) if path.exists())
        parts.append(f"{data(shutil.disk_usage(here).free)} free")
    return message(" · ".join(parts))
