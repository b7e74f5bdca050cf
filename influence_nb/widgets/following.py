"""What follows from which models are loaded and which one is chosen, in a chat.

It knows the selection that panels share and the traits that tell of it; it does not know how answers are written.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import traitlets

from influence_nb.widgets.answering import Answering
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model


class Following(Answering):
    """A panel's conversation, answered by a model that may be another one tomorrow.

    Args:
        model: as `ChatPanel` takes it.
        state: the selection shared with other panels; None for one of its own.
        values: the other traits.
    """

    _other: Model | None = None
    """The model that `other_model` names; it may have gone by itself."""

    def __init__(self, model: Model | str | None, state: State | None, **values: Any) -> None:
        super().__init__(**values)
        self._own_state = state is None
        self.state = state or State(follow=model is None)
        if model is not None:
            self.model = model
        self.state.observe(self._follow, ["loaded", "selected"])
        self._follow()

    def close(self) -> None:
        """Follow no longer, and leave the page. Closing again does nothing."""
        if hasattr(self, "state"):  # a constructor that refused its arguments leaves none
            with contextlib.suppress(ValueError):  # it is not observed any more, or not yet
                self.state.unobserve(self._follow, ["loaded", "selected"])
            if self._own_state:
                self.state.close()
        super().close()

    def _follow(self, _: Any = None) -> None:
        with self._lock:
            self.model = self.state.selected
            with self.hold_sync():  # a page sees the list and what is chosen of it as one change
                self.loaded = list(self.state.loaded)
                self.chosen = self.state.label(self.model)
                self._follow_other()

    def _follow_other(self) -> None:
        """Keep the model of the right answer: by the name it has now, or loaded again; "" where it was unloaded."""
        models = self.state.models()
        if self._other in models.values():
            self.other_model = self.state.label(self._other)
        elif self.other_model in models:
            self._other = models[self.other_model]
        elif self._other is not None and not self._other.use.left:
            self.other_model = ""

    @traitlets.observe("other_model")
    def _other_changed(self, change: Any) -> None:
        self._other = self.state.models().get(change["new"])

    @traitlets.validate("model")
    def _known(self, proposal: Any) -> Model | None:
        model: Model | str | None = proposal["value"]
        return self.state.named(model) if isinstance(model, str) else model

    @traitlets.observe("model")
    def _model_changed(self, change: Any) -> None:
        with self._lock:
            model = change["new"]
            self._sessions.clear()
            self.state.selected = model
            self.chosen = self.state.label(model)
            if model is not None and self.problem is not None and "field" not in self.problem:
                self.problem = None  # "No model is loaded." is true no longer
            known = {} if model is None else model.template_switches()
            if model is not None and _is_back(model, change["old"]):
                known.update({one["name"]: one["value"] for one in self.switches if one["name"] in known})
            self.switches = [
                {"name": name, "label": name.replace("_", " ").capitalize(), "value": value}
                for name, value in known.items()
            ]
            self._measure()
        self.update_static()

    @traitlets.observe("system")
    def _system_changed(self, change: Any) -> None:
        self.conversation.system = change["new"]


def _is_back(model: Model, before: Model | None) -> bool:
    """Whether it is the one before, which went by itself, loaded again."""
    return before is not None and before.use.left and before.name == model.name
