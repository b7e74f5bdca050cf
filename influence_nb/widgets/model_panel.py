"""`ModelPanel`: what panels that ask a loaded model have in common: which one, what it is asked, and whose turn it is.

It does not know what comes of it, nor what the page shows.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

import traitlets

from influence_nb import api
from influence_nb.errors import CapabilityMissing, ModelNotFound
from influence_nb.widgets.newest import Turn
from influence_nb.widgets.page_panel import PagePanel
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt

Kind = TypeVar("Kind", bound="Model")


class ModelPanel(PagePanel):
    """A page that asks the selected model about a prompt.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        state: the selection shared with other panels; None for one of its own.
        values: traits to begin with.

    Raises:
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    model = traitlets.Unicode().tag(sync=True)
    """The name of the model that is asked; "" where none is loaded."""

    prompt = traitlets.Unicode("Once upon a time").tag(sync=True)
    """The text that is gone on with, or the message that is answered."""

    chat = traitlets.Bool(False).tag(sync=True)
    """Whether `prompt` is a message, put through the chat template."""

    length = traitlets.Int(32).tag(sync=True)
    """How many tokens at most."""

    def __init__(self, model: Model | str | None, state: State | None, **values: Any) -> None:
        self._stop = threading.Event()
        shared = state or State(follow=model is None)
        if model is not None:
            shared.selected = shared.named(model) if isinstance(model, str) else model
        super().__init__(shared, state is None, ["loaded", "selected"], **values)
        self._follow()

    def stop(self) -> None:
        """Ask no further; what has come is shown."""
        self._stop.set()

    def load(self) -> Future[None]:
        """Load the model that was asked last, or the starter, again, in the background."""
        source = self._source()

        def work(turn: Turn) -> None:
            with self._running():
                api.load(**({} if source is None else source.arguments))
                self._put(problem=None)

        return self._asking.ask(work, lambda: self._put(status="running", problem=None))

    def close(self) -> None:
        """Stop, and leave the page."""
        if hasattr(self, "_stop"):
            self._stop.set()
        super().close()

    def _source(self) -> Model | None:
        """The model that what is shown came from; None where nothing is shown."""
        return None

    def _asked(self, content: Any) -> None:
        match content:
            case {"type": "stop"}:
                self.stop()
            case {"type": "load"}:
                self.load()
            case _:
                super()._asked(content)

    def _prompt(self, given: Prompt | None) -> Prompt:
        """What is asked: what was given, which the page shows where it is text, else what the page says."""
        if isinstance(given, str):
            self._put(prompt=given, chat=False)
        if given is not None:
            return given
        return [{"role": "user", "content": self.prompt}] if self.chat else self.prompt

    def _begin(self) -> threading.Event:
        """Stop what runs, which is no longer wanted; the event that stops what is asked now."""
        self._stop.set()
        self._stop = threading.Event()
        return self._stop

    def _present(self) -> Model:
        """The model to ask.

        Raises:
            ModelNotFound: none is loaded.
        """
        model: Model | None = self.state.selected
        if model is None:
            raise ModelNotFound("No model is loaded.", "Load one: inb.load(), or the Load panel.")
        return model

    def _own(self, model: Kind) -> Kind:
        """The model that something came from, or a copy of it that was loaded again."""
        if model.is_loaded or model.use.left or model.local is None:
            return model
        for now in self.state.models().values():
            if now.answers_to(model.local, model.device, model.dtype, model.quantization):
                return cast("Kind", now)  # the same files loaded in the same way: of its kind
        return model

    def _remedy(self, error: Exception) -> dict[str, Any]:
        """Whether to offer to load a model: none is there to ask, or the one that what is shown came from is gone."""
        asked, source = self.state.selected, self._source()
        nobody = asked is None or not asked.is_loaded or isinstance(error, ModelNotFound)
        gone = isinstance(error, CapabilityMissing) and source is not None and not self._own(source).is_loaded
        return {"load": nobody or gone}

    def _follow(self, _: Any = None) -> None:
        model = self.state.selected
        self.model = "" if model is None else model.name
