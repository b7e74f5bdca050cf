"""What the page of a `GridPanel` sees: the traits, each with its meaning. It does not know how they come about."""

from __future__ import annotations

import traitlets

from influence_nb.widgets.model_panel import ModelPanel
from influence_nb.widgets.page_panel import STATIC


class GridTraits(ModelPanel):
    """The synced state of a `GridPanel`; only Python sets it."""

    _esm = STATIC / "grid.js"
    _css = STATIC / "grid.css"

    choices = traitlets.List(traitlets.Dict()).tag(sync=True)
    """What may be varied, see `grid_axes.choices`."""

    axes = traitlets.List(traitlets.Dict()).tag(sync=True)
    """What is varied, as it is typed: [{"name", "text"}]."""

    counted = traitlets.Dict().tag(sync=True)
    """What they make: {"words"} such as "3 × 2 = 6 cells", and "problem": {"message", "hint", "field"} or None."""

    progress = traitlets.Dict().tag(sync=True)
    """While a grid is run or texts are embedded: {"done", "total", "words"}; else empty."""

    table = traitlets.Dict().tag(sync=True)
    """Which cell stands where, see `grid_picture.layout`."""

    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The cells that are there, see `grid_picture.cell`."""

    across = traitlets.Unicode().tag(sync=True)
    """The axis whose values are the columns; "" for a row a cell."""

    figures = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What the cells may be coloured by."""

    colour_by = traitlets.Unicode().tag(sync=True)
    """What they are coloured by; "" for nothing."""

    reference = traitlets.Int(-1).tag(sync=True)
    """The place of the cell that the others are compared with; -1 for none."""

    opens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Where a cell can be opened, by name."""
