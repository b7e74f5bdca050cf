"""An answer in the making: takes the data of a server's events, gives `TokenEvent`s, knows how it ends.

It knows the shapes of OpenAI's chunks and is wary of all of them; it does not know connections.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from influence_nb.engine.completion import FinishReason, TokenEvent, Usage
from influence_nb.engine.runtimes.endpoint.address import Address
from influence_nb.engine.runtimes.endpoint.refusals import words_of
from influence_nb.engine.stopping import Stopping
from influence_nb.errors import EndpointError

DONE = "[DONE]"
_ENDINGS: Mapping[str, FinishReason] = {"length": "length", "max_tokens": "length"}
"""Every other reason that a server gives is a stop."""
_GIVEN_UP = ("abort", "error")


class Reply:
    """One answer.

    Args:
        address: of the server, for errors.
        stops: the stop strings; a server that leaves one in its text is corrected here.
        raw: whether logprobs are the model's own.
        drawn_raw: whether they are also those that were drawn from.
        greedy: whether nothing is drawn, so that each token was certain.

    Attributes:
        events: one a token, as far as the server tells tokens apart.
        finish_reason: None until it has ended.
        whole: nothing more of it will come.
        usage: as the server counted; None where it does not.
    """

    def __init__(
        self, address: Address, stops: tuple[str, ...], raw: bool, drawn_raw: bool, greedy: bool
    ) -> None:
        self.events: list[TokenEvent] = []
        self.finish_reason: FinishReason | None = None
        self.whole = False
        self.usage: Usage | None = None
        self._address, self._host = address, address.host
        self._raw, self._drawn_raw, self._greedy = raw, drawn_raw, greedy
        self._stopping = Stopping(stops)
        self._shown: list[str] = []
        self._ending: FinishReason | None = None
        self._thinking = False

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(self._shown)

    @property
    def ended(self) -> bool:
        """Whether the server has said that this is the end; what it counted may still come."""
        return self.whole or self._ending is not None

    def take(self, data: str) -> Iterator[TokenEvent]:
        """The events of one of the server's.

        Raises:
            EndpointError: it is none, or says that the server has failed.
        """
        if data.strip() == DONE:
            self.whole = True
            return
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise self._garbage(data) from None
        if not isinstance(chunk, dict):
            raise self._garbage(data)
        if chunk.get("error"):
            words = self._address.scrub(words_of(data))[:300].rstrip(".")
            raise EndpointError(f"{self._host} failed: {words}.", "See the server's log.")
        self._count(chunk.get("usage"))
        choices = chunk.get("choices", [])
        if not isinstance(choices, list) or ("choices" not in chunk and "usage" not in chunk):
            raise self._garbage(data)
        for choice in choices[:1]:
            if not isinstance(choice, dict):
                raise self._garbage(data)
            yield from self._take(choice, data)

    def end(self, cancelled: bool) -> TokenEvent:
        """The closing event, once nothing more comes.

        Raises:
            EndpointError: the answer broke off.
        """
        if self._ending is None and not self.whole and not cancelled:
            raise EndpointError(
                f"The answer of {self._host} ends in the middle.", "See the server's log; ask again."
            )
        return self.close("cancelled" if cancelled and not self.whole else self._ending or "stop")

    def close(self, reason: FinishReason) -> TokenEvent:
        """The closing event with that reason."""
        self.finish_reason = reason
        text = "" if self._stopping.found else self._stopping.rest()
        self._shown.append(text)
        return TokenEvent(len(self.events), None, text, None, None, reason)

    def _take(self, choice: Mapping[str, Any], data: str) -> Iterator[TokenEvent]:
        said = choice.get("delta", choice.get("message"))
        if said is None:
            said = {"content": choice.get("text")}
        if not isinstance(said, dict):
            raise self._garbage(data)
        text = self._thoughts(said.get("reasoning_content") or said.get("reasoning")) + self._words(
            said.get("content")
        )
        entries = _logprobs(choice.get("logprobs"))
        if "".join(entry[0] for entry in entries) != text:
            entries = [(text, *entries[0][1:])] if len(entries) == 1 else [(text, None, None)] if text else []
        for piece, logprob, id in entries if not self._stopping.found else ():
            event = self._event(piece, logprob, id)
            self.events.append(event)
            self._shown.append(event.text)
            yield event
            if self._stopping.found:  # the server's own end, and what it counted, may follow at once
                self._ending = "stop"
                break
        reason = choice.get("finish_reason")
        if reason in _GIVEN_UP:
            raise EndpointError(
                f"{self._host} gave the answer up ({reason}).", "See the server's log; ask again."
            )
        if isinstance(reason, str) and reason:
            self._ending = "stop" if self._stopping.found else _ENDINGS.get(reason, "stop")
            self.whole = "message" in choice

    def _event(self, text: str, logprob: float | None, id: int | None) -> TokenEvent:
        raw = logprob if self._raw else None
        sampled = 0.0 if self._greedy else logprob if self._drawn_raw else None
        return TokenEvent(len(self.events), id, self._stopping.push(text), raw, sampled)

    def _thoughts(self, text: Any) -> str:
        """What a server tells apart as thinking, between the marks that models themselves write."""
        if not isinstance(text, str) or not text:
            return ""
        begins, self._thinking = not self._thinking, True
        return ("<think>\n" if begins else "") + _whole(text)

    def _words(self, text: Any) -> str:
        if text is not None and not isinstance(text, str):
            raise self._garbage(str(text))
        if not text:
            return ""
        ends, self._thinking = self._thinking, False
        return ("\n</think>\n\n" if ends else "") + _whole(text)

    def _count(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        details = usage.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        if (made := _count(usage.get("completion_tokens"))) is not None:
            self.usage = Usage(_count(usage.get("prompt_tokens")), made, cached or 0)

    def _garbage(self, data: str) -> EndpointError:
        return EndpointError(
            f"{self._host} sent something that is no answer: {self._address.scrub(' '.join(data.split()))[:80]!r}.",
            "Check that the address is that of a server which speaks OpenAI's protocol.",
        )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _whole(text: str) -> str:
    """The text with pairs of surrogates joined, and halves of one replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _logprobs(said: Any) -> list[tuple[str, float | None, int | None]]:
    """(text, logprob, id) a token, of a chat's `content` or a completion's `tokens`; [] where nothing is sound."""
    if not isinstance(said, dict):
        return []
    content, tokens, logprobs = said.get("content"), said.get("tokens"), said.get("token_logprobs")
    found: list[tuple[Any, Any, Any]] = []
    if isinstance(content, list):
        found = [
            (one.get("token"), one.get("logprob"), one.get("id")) for one in content if isinstance(one, dict)
        ]
    elif isinstance(tokens, list) and isinstance(logprobs, list):
        found = [(token, logprob, None) for token, logprob in zip(tokens, logprobs, strict=False)]
    if not all(isinstance(text, str) for text, _, _ in found):
        return []
    return [(text, _sound(logprob), _count(id)) for text, logprob, id in found]


def _sound(logprob: Any) -> float | None:
    fine = isinstance(logprob, int | float) and not isinstance(logprob, bool) and math.isfinite(logprob)
    return min(float(logprob), 0.0) if fine else None
