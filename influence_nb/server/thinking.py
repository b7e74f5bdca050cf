"""Thinking: told to chat templates that know of it, and read out of what a model writes, `<think>…</think>`.

It does not know any API's fields, nor other ways of writing, such as channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from influence_nb.engine.model import Model
from influence_nb.engine.stopping import Stopping
from influence_nb.engine.token_model import TokenModel

_OPEN, _CLOSE = "<think>", "</think>"
_TAIL = 16
"""Tokens at a prompt's end that are looked at for an open thought."""


def knows(template: str | None) -> bool:
    """Whether a chat template is of a model that thinks."""
    return template is not None and (_OPEN in template or "enable_thinking" in template)


def switches(template: str | None, think: bool | str | None) -> dict[str, Any]:
    """What a template is told.

    Args:
        template: of a model.
        think: whether it is to think; "low", "medium" or "high" for how much; None for the template's own way.
    """
    if think is None or template is None:
        return {}
    found: dict[str, Any] = {}
    if "enable_thinking" in template:
        found["enable_thinking"] = bool(think)
    if isinstance(think, str) and "reasoning_effort" in template:
        found["reasoning_effort"] = think
    return found


def reader(model: Model, prompt: Any) -> Reader:
    """What reads the answer to a prompt, which is given as token ids where the model thinks."""
    on = isinstance(model, TokenModel) and knows(model.chat_template)
    begun = False
    if on and isinstance(model, TokenModel) and isinstance(prompt, Sequence) and not isinstance(prompt, str):
        tail = [token for token in prompt[-_TAIL:] if isinstance(token, int)]
        begun = model.decode(tail, special=True).rstrip().endswith(_OPEN)
    return Reader(on, begun)


class Reader:
    """Takes a text as it comes, and tells what is thought from what is said.

    Args:
        on: whether there is anything to tell apart.
        begun: whether the prompt has opened a thought already; otherwise one stands at the beginning or not at all.
    """

    def __init__(self, on: bool, begun: bool = False) -> None:
        self._at = "thought" if on and begun else "start" if on else "said"
        self._held = ""
        self._fresh = True
        self._end = Stopping((_CLOSE,))

    def push(self, text: str) -> tuple[str, str]:
        """(thought, said) of a piece; what may belong to a mark is held back."""
        if self._at == "start":
            self._held += text
            opening = self._held.lstrip()
            if len(opening) < len(_OPEN) and _OPEN.startswith(opening):
                return "", ""
            text, self._held = self._held, ""
            self._at = "thought" if opening.startswith(_OPEN) else "said"
            if self._at == "thought":
                text = opening[len(_OPEN) :]
        if self._at == "said":
            return "", text
        if self._at == "after":
            return "", self._begun(text)
        held = self._end.rest()
        self._end = Stopping((_CLOSE,))
        whole = held + text
        thought = self._end.push(whole)
        rest = whole[len(thought) + len(_CLOSE) :] if self._end.found else ""
        thought = self._begun(thought)
        if self._end.found:
            self._at, self._fresh = "after", True
            return thought, self._begun(rest)
        return thought, ""

    def rest(self) -> tuple[str, str]:
        """What was held back, now that nothing more will come."""
        held, self._held = self._held, ""
        return (self._begun(self._end.rest()), "") if self._at == "thought" else ("", held)

    def whole(self, text: str) -> tuple[str, str]:
        """(thought, said) of a whole text."""
        (thought, said), (more, rest) = self.push(text), self.rest()
        return thought + more, said + rest

    def _begun(self, text: str) -> str:
        """A thought, or what is said after it, without the space before its first word."""
        if self._fresh:
            text = text.lstrip()
            self._fresh = not text
        return text
