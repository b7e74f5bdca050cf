"""One answer of llama.cpp in the making: takes its chunks, gives `TokenEvent`s, knows how it ends.

It does not know requests, nor how a chunk came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from influence_nb.engine.clock import Clock
from influence_nb.engine.completion import FinishReason, TokenEvent
from influence_nb.engine.runtimes.endpoint.kinds import draws_raw
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.stopping import Stopping

Split = Callable[[str], list[tuple[int, bytes]]]


class Answer:
    """The events so far.

    llama.cpp tells of a token when it completes a character: of those before it, it gives neither id nor logprob. Their
    ids are found again where the tokenizer splits the character into as many tokens with the same last one; else they
    are None.

    Args:
        sampling: of the request.
        split: text to ids and bytes.

    Attributes:
        events: one a token.
        finish_reason: None until it has ended.
        cached: how many of the prompt's tokens came from a KV cache.
        clock: when things happened.
    """

    def __init__(self, sampling: Sampling, split: Split) -> None:
        self.events: list[TokenEvent] = []
        self.finish_reason: FinishReason | None = None
        self.cached = 0
        self.clock = Clock()
        self._split = split
        self._drawn_raw, self._greedy = draws_raw(sampling), sampling.temperature == 0
        self._stopping = Stopping(sampling.stop)
        self._shown: list[str] = []
        self._ending: FinishReason = "stop"

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(self._shown)

    @property
    def ids(self) -> list[int] | None:
        """The ids so far; None where one of them is not known."""
        found = [event.id for event in self.events if event.id is not None]
        return found if len(found) == len(self.events) else None

    def take(self, chunk: Mapping[str, Any], before: int = 0) -> Iterator[TokenEvent]:
        """The events of a chunk.

        Args:
            chunk: as llama.cpp gave it.
            before: how many tokens an earlier request made of this answer.
        """
        if (progress := chunk.get("prompt_progress")) is not None and not before:
            self.cached = int(progress.get("cache", 0))
        choice = chunk["choices"][0]
        if choice.get("finish_reason") is not None:
            self._ending = "length" if choice["finish_reason"] == "length" else "stop"
            unfinished = before + int(chunk["usage"]["completion_tokens"]) - len(self.events)
            for _ in range(unfinished):  # of a character that stayed incomplete
                yield self._event(None, "", None)
            return
        said = (choice.get("logprobs") or {}).get("content") or []
        if not said:
            return
        text, last = choice["text"], said[-1]
        made = before + int(chunk["timings"]["predicted_n"])
        for lost in self._lost(text, int(last["id"]), made - len(self.events) - 1):
            yield self._event(lost, "", None)
        yield self._event(int(last["id"]), text, float(last["logprob"]))

    def close(self, cancelled: bool) -> TokenEvent:
        """The closing event, which carries no token."""
        self.finish_reason = "cancelled" if cancelled else self._ending
        text = self._stopping.rest()
        self._shown.append(text)
        return TokenEvent(len(self.events), None, text, None, None, self.finish_reason)

    def _event(self, id: int | None, text: str, logprob: float | None) -> TokenEvent:
        raw = None if logprob is None else min(logprob, 0.0)
        sampled = 0.0 if self._greedy else raw if self._drawn_raw else None
        shown = self._stopping.push(text)
        if self._stopping.found:
            self.finish_reason = "stop"
        event = TokenEvent(len(self.events), id, shown, raw, sampled, self.finish_reason)
        self.events.append(event)
        self._shown.append(shown)
        self.clock.tick()
        return event

    def _lost(self, text: str, last: int, count: int) -> list[int | None]:
        if count <= 0:
            return []
        *before, end = self._split(text)
        whole = b"".join(piece for _, piece in (*before, end)) == text.encode()
        if whole and end[0] == last and len(before) == count:
            return [id for id, _ in before]
        return [None] * count
