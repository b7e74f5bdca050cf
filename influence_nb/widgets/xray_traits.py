"""What the page of an `XrayPanel` sees: the traits, each with its meaning. It does not know how they come about."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from influence_nb.engine.sampling import FIELDS, STAGES
from influence_nb.errors import InfluenceError, ModelNotFound
from influence_nb.widgets.base import StaticFallback, readable
from influence_nb.widgets.fields import described
from influence_nb.widgets.here import here

STATIC = Path(__file__).parent / "static"
SHOWN = (*STAGES, "penalty_window", "seed")
"""The sampling parameters that decide between tokens."""


class XrayTraits(StaticFallback, anywidget.AnyWidget):
    """The synced state of an `XrayPanel`; only Python sets it."""

    _esm = STATIC / "xray.js"
    _css = STATIC / "xray.css"

    fields = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The sampling parameters that decide between tokens, described for the page's controls."""

    model = traitlets.Unicode().tag(sync=True)
    """The name of the model that writes; "" where none is loaded."""

    prompt = traitlets.Unicode("Once upon a time").tag(sync=True)
    """What the text begins with, or the message that it answers."""

    chat = traitlets.Bool(False).tag(sync=True)
    """Whether `prompt` is a message, put through the chat template."""

    length = traitlets.Int(24).tag(sync=True)
    """How many tokens are looked at."""

    status = traitlets.Enum(("idle", "running"), "idle").tag(sync=True)
    """Whether a text is being written."""

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

    answered = traitlets.Int(0).tag(sync=True)
    """The number of the page's last change of settings that `view` answers."""

    problem = traitlets.Any(None, allow_none=True).tag(sync=True)
    """What went wrong: {"message", "hint", "field", "load"}, the last whether to offer to load the model; or None."""

    def __init__(self, **values: Any) -> None:
        self._lock = threading.RLock()
        super().__init__(fields=described(one for one in FIELDS if one.name in SHOWN), **values)

    def _put(self, **values: Any) -> None:
        """Set several traits in one message, so that the page never paints half of a change."""
        with self._lock, self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    def _show_problem(self, error: Exception, load: bool) -> InfluenceError:
        """Show what went wrong; returned as an error of ours.

        Args:
            load: whether loading the model is the way out.
        """
        said = readable(error)
        problem = {
            "message": said.message,
            "hint": here(said.hint),
            "field": getattr(said, "field", None),
            "load": load or isinstance(error, ModelNotFound),
        }
        self._put(problem=None)  # the same problem twice is still news
        self._put(problem=problem)
        return said
