"""`SamplingLab`: the sampler taken apart, in tabs over one shared state.

It knows which panels there are and nothing of how they work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from influence_nb.engine.sampling import Sampling
from influence_nb.widgets.base import StaticFallback, strict
from influence_nb.widgets.state import State
from influence_nb.widgets.xray import XrayPanel

if TYPE_CHECKING:
    from influence_nb.engine.model import Model


class SamplingLab(StaticFallback, ipywidgets.Tab):
    """See every choice that a model makes, and change it.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        sampling: a `Sampling` to begin with; None for the defaults.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        xray: what each stage of the sampler does to each token, an `XrayPanel`.

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
        state: State | None = None,
    ) -> None:
        self._own_state = state is None
        self.state = state or State(follow=model is None)
        self.xray = XrayPanel(model=model, sampling=sampling, state=self.state)
        tabs = {"X-ray": self.xray}
        super().__init__(list(tabs.values()), titles=list(tabs), selected_index=0)
        self.add_class("live")
        self.xray.on_static_change(self.update_static)

    def static_html(self) -> str:
        """What the panels show, for a reader without a kernel."""
        return self.xray.static_html()

    def close(self) -> None:
        """Close every panel."""
        if hasattr(self, "xray"):
            self.xray.close()
            if self._own_state:
                self.state.close()
        super().close()
