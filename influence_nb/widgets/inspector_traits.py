"""What the page of a `TokenInspector` sees: the traits, each with its meaning. It does not know how they come about."""

from __future__ import annotations

import traitlets

from influence_nb.engine.inspection import MEASURES
from influence_nb.widgets.inspector_picture import LEGENDS
from influence_nb.widgets.model_panel import ModelPanel
from influence_nb.widgets.page_panel import STATIC


class InspectorTraits(ModelPanel):
    """The synced state of a `TokenInspector`; only Python sets it."""

    _esm = STATIC / "inspector.js"
    _css = STATIC / "inspector.css"

    prompt = traitlets.Unicode("The capital of France is Paris, and its river is the Thames.").tag(sync=True)
    """The text to look at or to go on with, or the message that is answered."""

    measure = traitlets.Enum(MEASURES, "logprob").tag(sync=True)
    """What the colours show; `colour` changes it."""

    of = traitlets.Enum(("raw", "sampled"), "raw").tag(sync=True)
    """Of which distribution: the model's own, or the one that was drawn from."""

    has_sampled = traitlets.Bool(False).tag(sync=True)
    """Whether there is a distribution that was drawn from."""

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The texts of the tokens, special ones shown."""

    given = traitlets.Int(0).tag(sync=True)
    """How many of them were given, and not drawn."""

    levels = traitlets.List(traitlets.Int()).tag(sync=True)
    """How unexpected each token is by `measure`, 0 to 4; -1 is not known."""

    legend = traitlets.List(traitlets.Unicode(), list(LEGENDS["logprob"])).tag(sync=True)
    """What each level means, in words."""

    where = traitlets.Int(0).tag(sync=True)
    """The index of the token that is looked at."""

    view = traitlets.Dict().tag(sync=True)
    """What is known of that token, see `inspector_picture.picture`; empty where there is none."""

    hint = traitlets.Dict().tag(sync=True)
    """The same of the token under the pointer."""

    branches = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The texts that were kept, in words: the first, and a branch for each token that was taken."""

    branch = traitlets.Int(0).tag(sync=True)
    """Which of them is shown."""

    summary = traitlets.Unicode().tag(sync=True)
    """The text as a whole, in a sentence."""

    note = traitlets.Unicode().tag(sync=True)
    """What is not known and why; "" where all is."""

    progress = traitlets.Dict().tag(sync=True)
    """How far the pass over the text is: {"done", "total"} in tokens; empty where nothing is to be told."""
