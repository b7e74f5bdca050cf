"""`PagePanel`: what panels with a page of their own have in common: changes in one message, and what went wrong.

It does not know what a page shows, nor what it asks for.
"""

from __future__ import annotations

import contextlib
import reprlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets.base import StaticFallback, readable
from influence_nb.widgets.here import here
from influence_nb.widgets.newest import Newest
from influence_nb.widgets.state import State

STATIC = Path(__file__).parent / "static"


class PagePanel(StaticFallback, anywidget.AnyWidget):
    """A page that asks for things by messages. Subclasses say what: `_asked` takes them.

    Args:
        state: what it follows.
        own_state: whether `state` ends with the panel.
        follows: the traits of `state` whose changes `_follow` is told of.
        values: traits to begin with.
    """

    status = traitlets.Enum(("idle", "running"), "idle").tag(sync=True)
    """Whether something is being worked out."""

    answered = traitlets.Int(0).tag(sync=True)
    """The number of the page's last change that the traits answer."""

    problem = traitlets.Any(None, allow_none=True).tag(sync=True)
    """What went wrong: {"message", "hint", "field"} and what `_remedy` adds; or None."""

    _answers_later = False
    """Whether a change is answered by work in the background, which sets `answered`."""

    def __init__(self, state: State, own_state: bool, follows: list[str], **values: Any) -> None:
        self._lock = threading.RLock()
        self._asking = Newest()
        self._own_state, self._follows = own_state, follows
        self.state = state
        super().__init__(**values)
        self.state.observe(self._follow, follows)
        self.on_msg(self._on_page)

    def close(self) -> None:
        """Work nothing out any more, and leave the page."""
        if hasattr(self, "state"):
            self._asking.cancel()
            with contextlib.suppress(ValueError):
                self.state.unobserve(self._follow, self._follows)
            if self._own_state:
                self.state.close()
        super().close()

    def _follow(self, _: Any = None) -> None:
        """What is followed in `state` has changed."""

    def _asked(self, content: Any) -> None:
        """Do what a message of the page asks for; here none is known.

        Raises:
            InvalidData: it is no message of this panel.
        """
        raise InvalidData(
            f"The page asked for something unknown: {reprlib.repr(content)}.",
            "Reload the page; if that does not help, restart the kernel.",
        )

    def _remedy(self, error: Exception) -> dict[str, Any]:
        """What the page may offer to do about an error."""
        return {}

    def _put(self, **values: Any) -> None:
        """Set several traits in one message, so that the page never paints half of a change."""
        with self._lock, self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong is shown, and raised to who waits."""
        try:
            yield
        except Exception as error:
            raise self._say(error) from error

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """As `_told`; then the panel is idle."""
        try:
            with self._told():
                yield
        finally:
            self._put(status="idle")

    def _say(self, error: Exception) -> InfluenceError:
        """Show what went wrong; returned as an error of ours."""
        said = readable(error)
        told = {"message": said.message, "hint": here(said.hint), "field": getattr(said, "field", None)}
        self._put(problem=None)  # the same problem twice is still news
        self._put(problem={**told, **self._remedy(error)})
        return said

    def _on_page(self, _: Any, content: Any, buffers: Any) -> None:
        over = not self._answers_later
        try:
            self._asked(content)
        except Exception as error:
            over = True
            self._say(error)
        finally:
            if over and isinstance(content, Mapping) and type(content.get("number")) is int:
                self.answered = content["number"]
