"""Tokens as text, for lists of log-probabilities.

It does not know where they stand in an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.token_model import TokenModel
from influence_nb.server import wire

_HALF = "\ufffd"


class Names:
    """The text of single tokens of one model, special ones shown; each is looked up once.

    Args:
        model: whose; None where only a server knows its tokens: then each is called by the text that it brought.
    """

    def __init__(self, model: TokenModel | None) -> None:
        self._model = model
        self._known: dict[int, str] = {}

    def __getitem__(self, token: int) -> str:
        if token not in self._known:
            assert self._model is not None
            self._known[token] = self._model.decode([token], special=True)
        return self._known[token]

    def name(self, event: TokenEvent) -> str:
        """The text of an event's token."""
        return event.text if self._model is None or event.id is None else self[event.id]

    def of(self, event: TokenEvent) -> dict[str, Any]:
        """An event's token as OpenAI's and Ollama's lists of log-probabilities have it."""
        return _entry(self.name(event), event.logprob_raw)

    def candidates(self, event: TokenEvent) -> list[dict[str, Any]]:
        """The same of the candidates beside it."""
        return [_entry(self[token], logprob) for token, logprob in event.top]

    def by_name(self, own: str, logprob: float, others: Iterable[tuple[int, float]]) -> dict[str, float]:
        """{text: log-probability} of a token and its candidates; of tokens with the same text the best counts."""
        found = {own: logprob}
        for token, other in others:
            found[self[token]] = max(other, found.get(self[token], other))
        return found


def _entry(text: str, logprob: float | None) -> dict[str, Any]:
    """The bytes are those of UTF-8; None for a token that holds half a character."""
    raw = None if _HALF in text else list(text.encode())
    return {"token": text, "logprob": wire.logprob(logprob), "bytes": raw}
