"""What was sent for an answer: the few values that an answer keeps of it, and the prompt that they give back.

It knows sessions and messages; it does not know the panel or its page.

An answer keeps what the prompt was made with, not the prompt: the messages before it never change, so the prompt
can be made again, and a digest of the token ids tells whether what is made is what was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from influence_nb.widgets.conversation import Conversation, Message

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.engine.session import Session, WhenFull

MOST_TOKENS = 4000  # shown of what was sent

NOTHING_YET = "Nothing has been sent yet."
BY_HAND = "This answer was written by a person: nothing was sent for it."
REFUSED = "Nothing was sent for this answer: it failed before that."
REBUILT = (
    "Rebuilt from the present settings: this answer does not tell with which system prompt and switches it was made."
)
DIFFERS = (
    "This is not exactly what was sent: the model's files have changed since, or its chat template writes the date."
)


def made_with(system: str, switches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an answer keeps as its `sent` when it begins: the system prompt and the template's switches."""
    return {"system": system, "switches": {one["name"]: one["value"] for one in switches}}


def and_sent(sent: Mapping[str, Any], left_out: int, ids: Iterable[int]) -> dict[str, Any]:
    """What it keeps once the prompt is on its way: how many of the oldest messages it lacks, and its digest."""
    return {**sent, "left_out": left_out, "ids": _digest(ids)}


def set_up(session: Session, sent: Mapping[str, Any]) -> Session:
    """Give a session the system prompt and the switches of `sent`."""
    session.system = sent["system"] or None
    session.switches = dict(sent["switches"])
    return session


def what_was_sent(
    conversation: Conversation,
    answer: Message | None,
    models: Sequence[Model],
    present: Mapping[str, Any],
    when_full: WhenFull = "stop",
) -> dict[str, Any]:
    """The prompt of an answer, as the page is told it.

    Args:
        conversation: holds the answer.
        answer: None where there is none yet.
        models: the loaded ones, that which is preferred first.
        present: the panel's settings now, as `made_with` gives them.
        when_full: the panel's; for answers that do not tell what was left out.

    Returns:
        {"type": "rendered", "template", "tokens": [{"id", "text"}], "truncated", "note"}; without template and tokens
        where nothing was sent or nothing can be shown, and then the note says why.
    """
    if answer is None:
        return _shown("", [], NOTHING_YET)
    if answer.model is None:
        return _shown("", [], BY_HAND)
    if answer.sent is not None and answer.sent.get("ids") is None:
        return _shown("", [], "" if answer.status == "running" else REFUSED)
    known = [model for model in models if model.name == answer.model]
    if not known:
        gone = f"It was sent to {answer.model}, which is not loaded any more: load it again to see the prompt."
        return _shown("", [], gone)
    sent = answer.sent or {**present, "left_out": 0, "ids": ""}
    messages = conversation.for_model(answer.parent)[sent["left_out"] :]
    for model in known:  # two may have one name
        session = set_up(model.session(), sent)
        session.messages = list(messages)
        session.when_full = when_full if answer.sent is None else "stop"
        text, tokens = session.rendered()
        if _digest(token for token, _ in tokens) == sent["ids"]:
            break
    else:
        return _shown(text, tokens, REBUILT if answer.sent is None else DIFFERS)
    left_out = sent["left_out"]
    which = "The oldest message was" if left_out == 1 else f"The oldest {left_out} messages were"
    return _shown(text, tokens, f"{which} left out: the context was full." if left_out else "")


def _shown(text: str, tokens: Sequence[tuple[int, str]], note: str) -> dict[str, Any]:
    shown = [{"id": token, "text": piece} for token, piece in tokens[:MOST_TOKENS]]
    truncated = len(tokens) - len(shown)
    return {"type": "rendered", "template": text, "tokens": shown, "truncated": truncated, "note": note}


def _digest(ids: Iterable[int]) -> str:
    """64 bits of SHA-256 as hexadecimal digits: it is a check, nobody gains by forging it."""
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()[:16]
