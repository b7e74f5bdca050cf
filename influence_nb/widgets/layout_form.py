"""What a projection is told: a field for each of its parameters.

It knows which parameters there are; it does not know maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets

from influence_nb.embeddings.project import PARAMETERS, Parameter
from influence_nb.widgets.base import answer_on_own_loop


class LayoutForm(ipywidgets.HBox):
    """The parameters of the projection that is shown; those of the others are hidden.

    Args:
        changed: called with that projection and its {parameter: value} when somebody has changed one.
    """

    def __init__(self, changed: Callable[[str, dict[str, float]], object]) -> None:
        self._changed = changed
        self._quiet = False
        self._projection = ""
        self._fields = {
            name: {one.name: self._field(one) for one in known} for name, known in PARAMETERS.items()
        }
        self._shown: dict[str, ipywidgets.Widget] = {}
        super().__init__()
        self.add_class("inb-row")

    def show(self, projection: str, values: Mapping[str, float]) -> None:
        """Show the fields of a projection, with what it was told."""
        self._projection, self._shown = projection, self._fields[projection]
        self._quiet = True
        try:
            for name, field in self._shown.items():
                field.value = values[name]
        finally:
            self._quiet = False
        self.children = list(self._shown.values())

    def _field(self, parameter: Parameter) -> ipywidgets.Widget:
        kind = ipywidgets.BoundedIntText if parameter.whole else ipywidgets.BoundedFloatText
        step = {} if parameter.whole else {"step": 0.05 if parameter.high <= 1 else 1}
        field = kind(
            parameter.default, min=parameter.low, max=parameter.high, description=parameter.title,
            continuous_update=False, style={"description_width": "auto"}, layout={"width": "auto"}, **step,
        )  # fmt: skip
        answer_on_own_loop(field)
        field.observe(lambda _: self._tell(), "value")
        return field

    def _tell(self) -> None:
        if not self._quiet:
            self._changed(self._projection, {name: field.value for name, field in self._shown.items()})
