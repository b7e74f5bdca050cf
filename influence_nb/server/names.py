"""Token ids as text, for lists of log-probabilities.

It does not know where they stand in an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from influence_nb.engine.token_model import TokenModel
from influence_nb.server import wire

_HALF = "\ufffd"


class Names:
    """The text of single tokens of one model, special ones shown; each is looked up once."""

    def __init__(self, model: TokenModel) -> None:
        self._model = model
        self._known: dict[int, str] = {}

    def __getitem__(self, token: int) -> str:
        if token not in self._known:
            self._known[token] = self._model.decode([token], special=True)
        return self._known[token]

    def bytes(self, token: int) -> list[int] | None:
        """The bytes of UTF-8 that a token stands for; None for one that holds half a character."""
        text = self[token]
        return None if _HALF in text else list(text.encode())

    def entry(self, token: int, logprob: float | None) -> dict[str, Any]:
        """A token as OpenAI's and Ollama's lists of log-probabilities have it."""
        return {"token": self[token], "logprob": wire.logprob(logprob), "bytes": self.bytes(token)}

    def by_name(self, own: tuple[int, float], others: Iterable[tuple[int, float]]) -> dict[str, float]:
        """{text: log-probability} of a token and its candidates; of tokens with the same text the best counts."""
        found: dict[str, float] = {}
        for token, logprob in (own, *others):
            found[self[token]] = max(logprob, found.get(self[token], logprob))
        return found
