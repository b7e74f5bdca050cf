"""What the page of an `XrayPanel` sees: the traits, each with its meaning. It does not know how they come about."""

from __future__ import annotations

import traitlets

from influence_nb.engine.sampling import STAGES
from influence_nb.widgets.model_panel import ModelPanel
from influence_nb.widgets.page_panel import STATIC

SHOWN = (*STAGES, "penalty_window", "seed")
"""The sampling parameters that decide between tokens."""


class XrayTraits(ModelPanel):
    """The synced state of an `XrayPanel`; only Python sets it."""

    _esm = STATIC / "xray.js"
    _css = STATIC / "xray.css"

    fields = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The sampling parameters that decide between tokens, described for the page's controls."""

    length = traitlets.Int(24).tag(sync=True)
    """How many tokens are looked at."""

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The texts of the tokens that came, special ones shown."""

    where = traitlets.Int(0).tag(sync=True)
    """The index of the token whose choice is shown."""

    view = traitlets.Dict().tag(sync=True)
    """That choice, see `xray_view.picture`; empty where there is none."""

    flips = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The tokens that would come otherwise under the settings of now, see `xray_view.flips`."""

    judged = traitlets.Bool(True).tag(sync=True)
    """Whether `flips` are those of the settings of now."""

    sampling = traitlets.Dict().tag(sync=True)
    """The settings of now, by name; `set` and `reorder` change them."""

    changed = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The parameters that are not those that the text was written with."""

    pinned = traitlets.Bool(False).tag(sync=True)
    """Whether settings are kept to compare with."""

    earlier = traitlets.Int(0).tag(sync=True)
    """How many texts `back` can return to."""
