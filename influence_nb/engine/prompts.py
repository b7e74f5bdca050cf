"""What may be given as a prompt, and the token ids it comes to.

It does not know what is generated from them.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    from influence_nb.engine.token_model import TokenModel

Kind = Literal["text", "messages", "ids"]
Prompt = str | Sequence[Mapping[str, str]] | Sequence[int]


def ids(prompt: Prompt, model: TokenModel) -> list[int]:
    """The prompt's token ids: of a text as it stands, of messages through the chat template, or given as ids.

    Raises:
        InvalidData: it is empty, of another kind, or has ids outside the vocabulary.
        CapabilityMissing: messages, and the model has no chat template.
    """
    found = _ids(prompt, model)
    if not found:
        raise InvalidData("The prompt is empty.", "Give at least one character, one message or one token id.")
    vocabulary = model.vocabulary_size
    outside = [token for token in found if not 0 <= token < vocabulary]
    if outside:
        raise InvalidData(
            f"Token id {outside[0]} is outside the vocabulary.", f"Ids go from 0 to {vocabulary - 1}."
        )
    return found


def _ids(prompt: Any, model: TokenModel) -> list[int]:
    kind, given = sorted_out(prompt)
    if kind == "text":
        return model.encode(given)
    if kind == "messages" and given:
        return model.encode(model.render(given), special=False)
    return list(given)


def sorted_out(prompt: Any) -> tuple[Kind, Any]:
    """Which kind of prompt it is, and the prompt as a str, a list of messages or a list of ints.

    What messages hold is not looked at; an empty list, of which one cannot tell what it lacks, counts as one without
    messages.

    Raises:
        InvalidData: it is none of the three.
    """
    if isinstance(prompt, str):
        return "text", prompt
    if isinstance(prompt, bytes | Mapping) or not hasattr(prompt, "__iter__"):
        raise _no_prompt(prompt)
    items = list(prompt)
    if not items or any(isinstance(item, Mapping) for item in items):
        return "messages", items
    if any(isinstance(item, bool) for item in items):
        raise _no_prompt(prompt)
    try:
        return "ids", [operator.index(item) for item in items]
    except TypeError:
        raise _no_prompt(prompt) from None


def _no_prompt(prompt: object) -> InvalidData:
    return InvalidData(
        f"prompt={quoted(prompt)} is no prompt.",
        "Give a str, a list of messages ({'role': ..., 'content': ...}), or a list of token ids.",
    )
