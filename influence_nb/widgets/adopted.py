"""Turns that were answered elsewhere, as messages of a conversation.

It knows conversations and completions; it does not know the panel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from influence_nb.engine.prompts import sorted_out
from influence_nb.errors import InvalidData
from influence_nb.widgets.answering import outcome
from influence_nb.widgets.chat_sent import made_with
from influence_nb.widgets.conversation import Conversation

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.prompts import Prompt


def adopted(before: Conversation, prompt: Prompt, completion: Completion) -> tuple[Conversation, str]:
    """A conversation on whose active path are the prompt's turns and their answer, and its system prompt.

    Args:
        before: what was said until now; it stays reachable as versions of the first message.
        prompt: a text, which is a turn of the user's; or turns {"role", "content"}, of which one of the system comes
            first and gives the system prompt.
        completion: the answer to the last.

    Raises:
        InvalidData: it is token ids; a turn is no user's or assistant's, or its content no text.
    """
    kind, said = sorted_out(prompt)
    if kind == "ids":
        raise InvalidData("A prompt of token ids cannot be shown in a chat.", "Give it as text or messages.")
    turns: Sequence[Mapping[str, Any]] = said if kind == "messages" else [{"role": "user", "content": said}]
    system = before.system
    if turns and turns[0].get("role") == "system":
        system, turns = str(turns[0].get("content", "")), turns[1:]
    after = replace(before, system=system, messages=dict(before.messages), chosen=dict(before.chosen))
    last: str | None = None
    for turn in turns:
        role: Any = turn.get("role")
        content: Any = turn.get("content")
        if role not in ("user", "assistant"):
            raise InvalidData(
                f"A chat has no turn of the role {role!r}.",
                "It has those of user and assistant, after a system turn.",
            )
        last = after.add(role, content, last).id
    receipt = completion.receipt
    facts: dict[str, Any] = {"model": receipt.model, "sampling": dict(receipt.sampling), "seed": receipt.seed}
    came = outcome(completion)
    after.add("assistant", came.pop("content"), last, sent=made_with(system, ()), **facts, **came)
    return after, system
