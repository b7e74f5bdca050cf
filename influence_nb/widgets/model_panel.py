"""`ModelPanel`: what panels that ask a loaded model have in common: whose turn it is, and what went wrong.

It does not know what is asked of the model, nor what the page shows.
"""

from __future__ import annotations

import contextlib
import reprlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from influence_nb import api
from influence_nb.errors import InfluenceError, InvalidData, ModelNotFound
from influence_nb.widgets.base import StaticFallback, readable
from influence_nb.widgets.here import here
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

STATIC = Path(__file__).parent / "static"


class ModelPanel(StaticFallback, anywidget.AnyWidget):
    """A page that asks the selected model. Subclasses say what: `_asked` takes the page's messages.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        state: the selection shared with other panels; None for one of its own.
        traits: more to begin with.

    Raises:
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    model = traitlets.Unicode().tag(sync=True)
    """The name of the model that is asked; "" where none is loaded."""

    status = traitlets.Enum(("idle", "running"), "idle").tag(sync=True)
    """Whether the model is being asked."""

    answered = traitlets.Int(0).tag(sync=True)
    """The number of the page's last change that the traits answer."""

    problem = traitlets.Any(None, allow_none=True).tag(sync=True)
    """What went wrong: {"message", "hint", "field", "load"}, the last whether to offer to load the model; or None."""

    def __init__(self, model: Model | str | None, state: State | None, **values: Any) -> None:
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._asking = Newest()
        self._own_state = state is None
        self.state = state or State(follow=model is None)
        if model is not None:
            self.state.selected = self.state.named(model) if isinstance(model, str) else model
        super().__init__(**values)
        self.state.observe(self._follow, ["loaded", "selected"])
        self._follow()
        self.on_msg(self._on_page)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been asked yet."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask no further; what has come is shown."""
        self._stop.set()

    def load(self) -> Future[None]:
        """Load the model that was asked last, or the starter, again, in the background."""

        def work(turn: Turn) -> None:
            with self._running():
                api.load(**self._arguments())
                self._put(problem=None)

        return self._asking.ask(work, lambda: self._put(status="running", problem=None))

    def close(self) -> None:
        """Stop, and leave the page."""
        if hasattr(self, "state"):
            self._stop.set()
            self._asking.cancel()
            with contextlib.suppress(ValueError):
                self.state.unobserve(self._follow, ["loaded", "selected"])
            if self._own_state:
                self.state.close()
        super().close()

    def _arguments(self) -> dict[str, Any]:
        """What `inb.load` is given to load again what was asked last."""
        return {}

    def _asked(self, content: Any) -> None:
        """Do what a message of the page asks for; `_unknown` where it is none."""
        raise NotImplementedError

    def _unknown(self, content: Any) -> InvalidData:
        return InvalidData(
            f"The page asked for something unknown: {reprlib.repr(content)}.",
            "Reload the page; if that does not help, restart the kernel.",
        )

    def _present(self) -> Model:
        """The model to ask.

        Raises:
            ModelNotFound: none is loaded.
        """
        model: Model | None = self.state.selected
        if model is None:
            raise ModelNotFound("No model is loaded.", "Load one: inb.load(), or the Load panel.")
        return model

    def _own(self, model: Model) -> Model:
        """The model that something came from, or the copy of it that was loaded again and is selected."""
        now: Model | None = self.state.selected
        if model.is_loaded or model.use.left or model.local is None or now is None:
            return model
        again = now.answers_to(model.local, model.device, model.dtype, model.quantization)
        return now if again else model

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
        model = self.state.selected
        said = readable(error)
        problem = {
            "message": said.message,
            "hint": here(said.hint),
            "field": getattr(said, "field", None),
            "load": model is None or not model.is_loaded or isinstance(error, ModelNotFound),
        }
        self._put(problem=None)  # the same problem twice is still news
        self._put(problem=problem)
        return said

    def _follow(self, _: Any = None) -> None:
        model = self.state.selected
        self.model = "" if model is None else model.name

    def _on_page(self, _: Any, content: Any, buffers: Any) -> None:
        try:
            self._asked(content)
        except Exception as error:
            self._say(error)
        finally:
            if isinstance(content, Mapping) and type(content.get("number")) is int:
                self.answered = content["number"]
