"""Tool calls: told to chat templates that know them, and read out of what a model writes.

It knows the way of writing that most open models share, `<tool_call>{"name": …, "arguments": {…}}</tool_call>`; it
does not know any API's fields.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from influence_nb.engine.model import Model
from influence_nb.engine.stopping import Stopping
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import CapabilityMissing
from influence_nb.server.service import with_tokens

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called."""

    id: str
    name: str
    arguments: dict[str, Any]


def knows(template: str | None) -> bool:
    """Whether a chat template knows tools, and calls them in that way."""
    return template is not None and "tools" in template and _OPEN in template


def with_tools(model: Model) -> TokenModel:
    """The model, as one whose chat template knows tools.

    Raises:
        CapabilityMissing: it does not, or knows another way of writing calls.
    """
    known = with_tokens(model, "take tools")
    if not knows(known.chat_template):
        raise CapabilityMissing(
            f"The chat template of {model.name} knows no tools.",
            f"Leave tools out, or ask a model whose template writes {_OPEN}.",
        )
    return known


def prompt(
    model: Model,
    messages: list[dict[str, Any]],
    tools: Sequence[Any],
    switches: Mapping[str, Any] | None = None,
) -> list[int]:
    """A conversation and the tools that may be called, as token ids; `switches` are the template's own."""
    known = with_tools(model)
    told: Any = {"tools": list(tools), **(switches or {})}
    return known.encode(known.render(messages, told), special=False)


class Reader:
    """Takes a text as it comes, and tells calls from what is said beside them.

    Attributes:
        calls: all calls so far.
    """

    def __init__(self, on: bool) -> None:
        self.calls: list[ToolCall] = []
        self._on = on
        self._outside = Stopping((_OPEN,))
        self._inside: str | None = None
        self._after_call: str | None = None

    def push(self, text: str) -> str:
        """What of the text so far is said; whole calls go to `calls`."""
        if not self._on:
            return text
        said = ""
        while text:
            if self._inside is None:
                held = self._outside.rest()
                self._outside = Stopping((_OPEN,))
                whole = held + text
                shown = self._outside.push(whole)
                said += self._spoken(shown)
                if not self._outside.found:
                    return said
                self._inside, text = "", whole[len(shown) + len(_OPEN) :]
            else:
                self._inside += text
                body, closed, text = self._inside.partition(_CLOSE)
                if not closed:
                    return said
                self._inside, self._outside = None, Stopping((_OPEN,))
                said += self._spoken(self._read(body))
        return said

    def rest(self) -> str:
        """What was held back, now that nothing more will come."""
        if not self._on:
            return ""
        held = self._outside.rest() if self._inside is None else _OPEN + self._inside
        self._inside = None
        return self._spoken(held)

    def _spoken(self, text: str) -> str:
        """What is said: of line breaks after a call only those that a word follows."""
        if self._after_call is None:
            return text
        self._after_call += text
        if not self._after_call.strip():
            return ""
        text, self._after_call = self._after_call, None
        return text

    def _read(self, body: str) -> str:
        """Keep a call; a body that is none is said as it stands."""
        try:
            found = json.loads(body)
            name, arguments = found["name"], found.get("arguments", found.get("parameters", {}))
            if not isinstance(name, str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{_OPEN}{body}{_CLOSE}"
        self.calls.append(ToolCall(f"call_{uuid.uuid4().hex[:24]}", name, arguments))
        self._after_call = ""
        return ""


def read(text: str, on: bool) -> tuple[str, list[ToolCall]]:
    """A whole text: what is said, and the calls."""
    reader = Reader(on)
    said = reader.push(text) + reader.rest()
    return said, reader.calls
