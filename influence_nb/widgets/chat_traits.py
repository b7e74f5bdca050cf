"""What the page of a chat sees: the traits, each with its meaning, and the checks on what the page sets.

It does not know how a conversation is kept, nor sessions.
"""

from __future__ import annotations

import reprlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from influence_nb.engine.sampling import FIELDS, Sampling
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling
from influence_nb.widgets.base import StaticFallback, readable
from influence_nb.widgets.conversation import plain_text
from influence_nb.widgets.fields import described
from influence_nb.widgets.two import warmer

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

STATIC = Path(__file__).parent / "static"


def _model_json(model: Model | None, _: Any) -> dict[str, Any] | None:
    names = ("name", "device", "dtype", "context_length")
    return None if model is None else {name: getattr(model, name) for name in names}


def _sampling(value: Any) -> Sampling:
    if isinstance(value, Sampling):
        return value
    try:
        return Sampling.from_dict(value)
    except (TypeError, OverflowError):
        raise InvalidSampling(
            f"{reprlib.repr(value)} is not a set of sampling parameters.",
            "Give a Sampling, or a dict of its parameters.",
        ) from None


def _switches(value: Any) -> list[dict[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        fits = isinstance(one, Mapping) and isinstance(one.get("name"), str)
        if not fits or not isinstance(one.get("value"), bool):
            raise InvalidData(
                f"{reprlib.repr(one)} is not a switch of a chat template.",
                'Give {"name": ..., "value": True or False} for each, in a list.',
            )
    return value  # type: ignore[no-any-return]


def _other(value: Any) -> Sampling | None:
    return None if value is None else _sampling(value)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "sampling": _sampling,
    "other_sampling": _other,
    "switches": _switches,
    "system": plain_text,
}


class ChatTraits(StaticFallback, anywidget.AnyWidget):
    """The synced state of a `ChatPanel`."""

    _esm = STATIC / "chat.js"
    _css = STATIC / "chat.css"

    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The active path of the conversation: a dict a message, with its figures. Methods change it.

    `beside` is the dict of the answer that stands beside it, or None; `pieces` of two such answers is the content as
    [text, whether the other has it too] each; `kept` is whether an answer's tokens are here to be looked at.
    """

    running = traitlets.Unicode("").tag(sync=True)
    """The id of the answer that is being written, of two the left one's as long as it is; "" when none is."""

    model = traitlets.Any(None, allow_none=True).tag(sync=True, to_json=_model_json)
    """The `Model` that answers; None where none is loaded. Set it to a loaded model or its name."""

    loaded = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The names of the loaded models."""

    chosen = traitlets.Unicode("").tag(sync=True)
    """The name in `loaded` of the model that answers; "" where none does."""

    fields = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The sampling parameters, described for the page's controls."""

    sampling = traitlets.Any(Sampling()).tag(
        sync=True, to_json=lambda value, _: value.to_dict(), from_json=lambda value, _: _sampling(value)
    )
    """The `Sampling` of the next answers. A dict of parameters sets it too; an invalid one is refused."""

    two = traitlets.Bool(False).tag(sync=True)
    """Whether the page has each message answered twice, beside each other, as `compare` does."""

    other_sampling = traitlets.Any(None, allow_none=True).tag(
        sync=True,
        to_json=lambda value, _: None if value is None else value.to_dict(),
        from_json=lambda value, _: _other(value),
    )
    """The `Sampling` of the second of two answers; None until `two` is set: then that of the first, but warmer."""

    other_model = traitlets.Unicode("").tag(sync=True)
    """The name in `loaded` of the model that writes the second of two answers; "" for the same one.

    It stays when that model goes by itself, which is then loaded again; when somebody unloads it, it becomes "".
    """

    system = traitlets.Unicode("").tag(sync=True)
    """The system prompt; "" for none."""

    switches = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The chat template's own switches, such as enable_thinking: {"name", "label", "value"} each."""

    when_full = traitlets.Enum(("stop", "drop_oldest"), "stop").tag(sync=True)
    """What to do when the context is full: "stop" with an error, or "drop_oldest" turns."""

    context = traitlets.Dict({"used": 0, "size": None}).tag(sync=True)
    """Tokens: {"used", "size"}; the size is None where the model states none."""

    opens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Where an answer can be taken up, see `open_with`; offered for those whose tokens are here (`kept`)."""

    problem = traitlets.Any(None, allow_none=True).tag(sync=True)
    """An error that belongs to no message: {"message", "hint", "field"}; None when all is well."""

    def __init__(self, **values: Any) -> None:
        self._lock = threading.RLock()
        super().__init__(fields=described(FIELDS), **values)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page changed; what is invalid becomes `problem`, and the last valid value stays."""
        with self._lock:
            valid, refused = {}, None
            for name, value in sync_data.items():
                try:
                    _CHECKS.get(name, bool)(value)
                except InfluenceError as error:
                    refused = error
                else:
                    valid[name] = value
            if refused is None and valid.keys() & {"sampling", "other_sampling"}:
                self.problem = None
            try:
                super().set_state(valid)
            except traitlets.TraitError as error:
                refused = InvalidData(f"The page set something invalid: {error}", "Reload the page.")
            except Exception as error:  # an observer's
                refused = readable(error)
            if refused is not None:
                self._show_problem(refused)

    def _post(self, message: dict[str, Any]) -> None:
        super().send(message)

    def _show_problem(self, error: InfluenceError) -> None:
        with self._lock:
            said = {"message": error.message, "hint": error.hint}
            self.problem = None  # the same problem twice is still news
            self.problem = {**said, "field": error.field} if hasattr(error, "field") else said

    @traitlets.validate("sampling")
    def _valid(self, proposal: Any) -> Sampling:
        return _sampling(proposal["value"])

    @traitlets.validate("other_sampling")
    def _valid_other(self, proposal: Any) -> Sampling | None:
        return _other(proposal["value"])

    @traitlets.observe("two")
    def _two_changed(self, change: Any) -> None:
        if change["new"] and self.other_sampling is None:
            self.other_sampling = warmer(self.sampling)

    @traitlets.validate("switches")
    def _valid_switches(self, proposal: Any) -> list[dict[str, Any]]:
        return _switches(proposal["value"])

    @traitlets.validate("system")
    def _valid_system(self, proposal: Any) -> str:
        return plain_text(proposal["value"])
