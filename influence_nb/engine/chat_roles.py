"""Whose words stand where in a chat that a template wrote: each message's content is found again in the text.

It knows templates; it does not know tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from influence_nb.engine import template
from influence_nb.errors import InfluenceError

_STAND_IN = "influence stand-in {} of {}"
_STOOD_IN = re.compile(r"influence stand-in (\d+) of \d+")

Part = tuple[int, int, str]
"""Where a message's content stands in the text, and the message's role."""


def roles(
    tokenizer: template.Templated,
    messages: Sequence[Mapping[str, str]],
    text: str,
    switches: Mapping[str, Any] | None = None,
    answering: bool = True,
) -> Callable[[int], str]:
    """From a place in `text`, in characters, to the role of whose content is there; "template" for what is nobody's.

    Args:
        tokenizer: whose template wrote `text` of `messages`, with these switches.
    """
    parts = _exact(tokenizer, messages, text, switches, answering) or _searched(messages, text)
    starts = [start for start, _, _ in parts]

    def whose(place: int) -> str:
        at = bisect_right(starts, place) - 1
        return parts[at][2] if at >= 0 and place < parts[at][1] else "template"

    return whose


def _exact(
    tokenizer: template.Templated,
    messages: Sequence[Mapping[str, str]],
    text: str,
    switches: Mapping[str, Any] | None,
    answering: bool,
) -> list[Part] | None:
    """From the template's own words around stand-ins; None where it looks at what the messages say."""
    count = len(messages)
    blank = [{**one, "content": _STAND_IN.format(at, count)} for at, one in enumerate(messages)]
    try:
        around = _STOOD_IN.split(template.render(tokenizer, blank, switches, answering))
    except InfluenceError:
        return None
    for trimmed in (False, True):
        parts, made = [], around[0]
        for number, after in zip(around[1::2], around[2::2], strict=True):
            message = messages[int(number) % count]
            content = message["content"].strip() if trimmed else message["content"]
            parts.append((len(made), len(made) + len(content), message["role"]))
            made += content + after
        if made == text:
            return parts
    return None


def _searched(messages: Sequence[Mapping[str, str]], text: str) -> list[Part]:
    """By looking for each content after the one before it; one that the template changed is nobody's."""
    parts: list[Part] = []
    at = 0
    for message in messages:
        content = message["content"].strip()
        place = text.find(content, at) if content else -1
        if place >= 0:
            at = place + len(content)
            parts.append((place, at, message["role"]))
    return parts
