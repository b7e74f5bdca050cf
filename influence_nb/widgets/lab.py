"""`SamplingLab`: what a model chooses, token by token and setting by setting, in tabs over one model.

It knows which panels there are and nothing of how they work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from influence_nb.widgets.base import StaticFallback, strict
from influence_nb.widgets.grid import GridPanel
from influence_nb.widgets.inspector import TokenInspector
from influence_nb.widgets.model_panel import ModelPanel
from influence_nb.widgets.state import State
from influence_nb.widgets.tree import TokenTreeView
from influence_nb.widgets.xray import XrayPanel

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.engine.sampling import Sampling


class SamplingLab(StaticFallback, ipywidgets.Tab):
    """See every choice that a model makes, and change it.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        sampling: a `Sampling` to begin with; None for the defaults.
        adopt: takes a prompt and a completion that is to be gone on with, such as the `adopt` of a `ChatPanel`; None
            where there is no chat.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        xray: what each stage of the sampler does to each token, an `XrayPanel`.
        grid: one prompt under many settings, a `GridPanel`.
        inspector: a text as coloured tokens, a `TokenInspector`.
        tree: what may follow a text, a `TokenTreeView`.
        opens: where a text from elsewhere can be looked at: {name: a call that takes its prompt and its completion, and
            brings that tab to the front}, as `ChatPanel(open_with=...)` takes them.

    Raises:
        TypeError: an unknown keyword.
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    @strict
    def __init__(
        self,
        *,
        model: Model | str | None = None,
        sampling: Sampling | None = None,
        adopt: Callable[[Prompt, Completion], object] | None = None,
        state: State | None = None,
    ) -> None:
        self._own_state = state is None
        self.state = state or State(follow=model is None)
        self.xray = XrayPanel(model=model, sampling=sampling, state=self.state)
        self.opens: dict[str, Callable[[Prompt, Completion], object]] = {
            "X-ray": self._look_into,
            "Inspector": self._inspect,
        }
        open_with = self.opens if adopt is None else {**self.opens, "Chat": adopt}
        self.grid = GridPanel(model=model, sampling=sampling, open_with=open_with, state=self.state)
        self.inspector = TokenInspector(model=model, sampling=sampling, state=self.state)
        self.tree = TokenTreeView(model=model, adopt=adopt, state=self.state)
        self._panels: dict[str, ModelPanel] = {
            "X-ray": self.xray,
            "Grid": self.grid,
            "Inspector": self.inspector,
            "Tree": self.tree,
        }
        pages = [self.xray, ipywidgets.VBox([self.grid, self.grid.below]), self.inspector, self.tree]
        super().__init__(pages, titles=list(self._panels), selected_index=0)
        self.add_class("live")
        for panel in self._panels.values():
            panel.on_static_change(self.update_static)

    @property
    def used(self) -> list[ModelPanel]:
        """The panels that hold something to see, in the tabs' order."""
        held = (self.xray.xray, self.grid.grid, self.inspector.inspected, self.tree.tree)
        return [panel for panel, what in zip(self._panels.values(), held, strict=True) if what is not None]

    def static_html(self) -> str:
        """What the panels show, for a reader without a kernel."""
        return "".join(panel.static_html() for panel in self.used or [self.xray])

    def close(self) -> None:
        """Close every panel."""
        if hasattr(self, "_panels"):
            for panel in self._panels.values():
                panel.close()
            if self._own_state:
                self.state.close()
        super().close()

    def _look_into(self, _: Prompt, completion: Completion) -> None:
        self.xray.inspect(completion)
        self.selected_index = list(self._panels).index("X-ray")

    def _inspect(self, _: Prompt, completion: Completion) -> None:
        self.inspector.inspect(completion)
        self.selected_index = list(self._panels).index("Inspector")
