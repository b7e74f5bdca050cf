"""What the page of a `TokenizerExplorer` draws, tab by tab: plain values.

It knows tokenizers; it does not know the panel. The page is `widgets/tokenizer/`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from influence_nb.engine.tokenizer import Tokenizer
from influence_nb.engine.tokens import Token, Tokens
from influence_nb.errors import InfluenceError, InvalidData

WINDOW = 2000
"""Characters whose tokens are drawn at once: about a page of a book."""

FOUND = 100
"""Tokens of the vocabulary that a search shows."""

KINDS = ("text", "bytes", "id", "regex")
"""What a search may be given."""

Side = dict[str, Any]
"""What one tokenizer has to show: {"name", "size", "problem", ...}."""


def text(tokenizers: Sequence[Tokenizer], source: str, start: int) -> dict[str, Any]:
    """A text cut: {"characters", "start", "end", "differences", "sides"}; each side has "count" and "tokens".

    Args:
        tokenizers: one or two.
        source: the text.
        start: the character at which what is drawn begins.
    """
    cut = [one.tokenize(source) for one in tokenizers]
    apart: list[Collection[int]] = [() for _ in cut]
    differences = None
    if len(cut) == 2:
        found = cut[0].compare(cut[1]).differences
        differences = len(found)
        apart = [
            {place for one in found for place in one.first},
            {place for one in found for place in one.second},
        ]
    start = max(0, min(start, (len(source) - 1) // WINDOW * WINDOW))
    end = min(len(source), start + WINDOW)
    sides = [
        {**_side(one), "count": len(tokens), "tokens": _between(tokens, start, end, marked)}
        for one, tokens, marked in zip(tokenizers, cut, apart, strict=True)
    ]
    return {
        "characters": len(source),
        "start": start,
        "end": end,
        "differences": differences,
        "sides": sides,
    }


def _between(tokens: Tokens, start: int, end: int, apart: Collection[int]) -> list[dict[str, Any]]:
    first = 0 if start == 0 else bisect_left(tokens.spans, start, key=lambda span: span[0])
    last = bisect_right(tokens.spans, end - 1, key=lambda span: span[0]) if start < end else len(tokens)
    if tokens.source is not None and end == len(tokens.source):
        last = len(tokens)  # a mark at the end stands after the last character
    return [{**_drawn(tokens[at]), "index": at, "apart": at in apart} for at in range(first, last)]


def vocabulary(tokenizers: Sequence[Tokenizer], query: str, kind: str) -> dict[str, Any]:
    """A search: each side has "total", "tokens", and of special tokens "special" and "special_total".

    Raises:
        InvalidData: the query is no such thing.
    """
    wanted = _query(query, kind)

    def side(one: Tokenizer) -> Side:
        found = one.find(wanted, FOUND) if wanted is not None else []
        total = found.total if isinstance(found, Tokens) else 0
        return {"total": total, "tokens": list(map(_drawn, found))}

    return {
        "asked": wanted is not None,
        "sides": [{"total": 0, "tokens": [], **_special(one), **_side(one, side)} for one in tokenizers],
    }


def _special(one: Tokenizer) -> Side:
    return {
        "special": list(map(_drawn, one.special_tokens[:FOUND])),
        "special_total": len(one.special_tokens),
    }


def _query(query: str, kind: str) -> Any:
    """What `Tokenizer.find` takes; None where nothing is asked yet."""
    if not query:
        return None
    try:
        match kind:
            case "bytes":
                return bytes.fromhex(query)
            case "id":
                return int(query)
            case "regex":
                return re.compile(query)
            case _:
                return query
    except ValueError as error:
        hint = {"bytes": "Write them as e4 b8.", "id": "Write a whole number."}[kind]
        raise InvalidData(f"{query!r} is not {'bytes' if kind == 'bytes' else 'an id'}.", hint) from error
    except re.error as error:
        raise InvalidData(f"{query!r} is no regular expression: {error}.", "Look at its brackets.") from error


def chat(
    tokenizers: Sequence[Tokenizer], messages: Sequence[Mapping[str, str]], answering: bool
) -> dict[str, Any]:
    """A conversation through the chat templates: each side has "count", "by_role" and "tokens"."""

    def side(one: Tokenizer) -> Side:
        tokens = one.chat(messages, answering)
        drawn = list(map(_drawn, tokens))
        roles = [token["role"] for token in drawn]
        return {
            "count": len(tokens),
            "by_role": {role: roles.count(role) for role in dict.fromkeys(roles)},
            "tokens": drawn[:WINDOW],
        }

    empty = {"count": 0, "by_role": {}, "tokens": []}
    return {"sides": [{**empty, **_side(one, side)} for one in tokenizers]}


def languages(tokenizers: Sequence[Tokenizer]) -> dict[str, Any]:
    """The costs of the sample: each side has "costs", a row a language."""

    def side(one: Tokenizer) -> Side:
        costs = one.costs()
        return {
            "costs": [
                {
                    "name": cost.name,
                    "tokens": cost.tokens,
                    "times": cost.tokens / costs[0].tokens,
                    "per_character": cost.per_character,
                    "per_word": None if math.isnan(cost.per_word) else cost.per_word,
                }
                for cost in costs
            ]
        }

    return {"sides": [_side(one, side) for one in tokenizers]}


def _side(one: Tokenizer, more: Callable[[Tokenizer], Side] | None = None) -> Side:
    """What goes wrong with one tokenizer is told beside its name, and the other one is shown all the same."""
    side: Side = {"name": one.name, "size": len(one), "problem": None}
    try:
        return side | (more(one) if more else {})
    except InfluenceError as error:
        return side | {"problem": {"message": error.message, "hint": error.hint}}


def _drawn(token: Token) -> dict[str, Any]:
    return {
        "text": token.visible,
        "id": token.id,
        "piece": token.piece,
        "bytes": token.bytes.hex(" "),
        "start": token.start,
        "end": token.end,
        "special": token.special,
        "role": token.role,
        "line": token.bytes.endswith(b"\n"),
    }
