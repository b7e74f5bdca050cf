"""One text in the making: takes the tokens drawn for it, knows when it ends and what may be shown.

It does not know models, logits or what the other rows hold.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from influence_nb.engine.clock import Clock
from influence_nb.engine.completion import FinishReason, TokenEvent
from influence_nb.engine.detokenize import Detokenizer
from influence_nb.engine.stopping import Stopping
from influence_nb.errors import InvalidSampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from influence_nb.engine.grammar import Guide
    from influence_nb.engine.sampler import Pick
    from influence_nb.engine.sampling import Sampling


class Row:
    """A prompt, its sampling (with a seed) and the events so far.

    Args:
        prompt: token ids, not empty.
        sampling: with `seed` set.
        tokenizer: turns ids into text.
        ends: the ids that end a turn.
        room: how many new tokens the context still holds, >= 1.
        cancel: ends this row alone.
        top: how many of the most probable candidates each of its events lists.
        guide: holds it to a grammar.
        begun: the output's first tokens, which are given: they count as drawn, and only what follows them is run.
        forced: the token that comes after them, whatever the sampler says.

    Attributes:
        limit: the most new tokens that it takes.
        clock: when things happened to it.
        cached: how many of the prompt's tokens came from a KV cache.
        batch_shape: (rows, tokens with padding) of the prefill that it was part of.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        tokenizer: PreTrainedTokenizerBase,
        ends: Collection[int],
        room: int | None = None,
        cancel: threading.Event | None = None,
        top: int = 0,
        guide: Guide | None = None,
        begun: Sequence[TokenEvent] = (),
        forced: int | None = None,
    ) -> None:
        self.prompt = list(prompt)
        self.sampling = sampling
        self.top = top
        self.guide = guide
        self.events: list[TokenEvent] = []
        self.finish_reason: FinishReason | None = None
        self.limit = sampling.max_new_tokens if room is None else min(sampling.max_new_tokens, room)
        self.clock = Clock()
        self.cached = 0
        self.batch_shape = (1, len(self.prompt))
        self._cancel = cancel
        self._ends = frozenset(ends)
        self._tokenizer = tokenizer
        self._text = Detokenizer(tokenizer)
        self._stopping = Stopping(sampling.stop)
        self._shown: list[str] = []
        self._begun, self._forced = tuple(begun), forced
        for event in begun:
            assert event.id is not None
            self._shown.append(self._stopping.push(self._text.push(event.id)))
            self.events.append(event)
            if guide is not None:
                guide.take(event.id)
        if self._stopping.found:
            raise InvalidSampling(
                "The text before this token has a stop string in it already.", "Leave that one out of stop."
            )

    def accept(self, pick: Pick) -> TokenEvent:
        """Take the next token; afterwards `finish_reason` says whether it was the last."""
        if pick.id in self._ends:
            self.finish_reason = "stop"
            text = self._rest()
        else:
            text = self._stopping.push(self._text.push(pick.id))
            if self._stopping.found:
                self.finish_reason = "stop"
            elif len(self.events) + 1 >= self.limit:
                self.finish_reason = "length"
                text += self._rest()
        event = TokenEvent(
            len(self.events),
            pick.id,
            text,
            pick.logprob_raw,
            pick.logprob_sampled,
            self.finish_reason,
            pick.top[: self.top],
        )
        self.events.append(event)
        self._shown.append(text)
        self.clock.tick()
        return event

    def again(self) -> Row:
        """The same row before its first token, asked for when this one was."""
        fresh = Row(
            self.prompt, self.sampling, self._tokenizer, self._ends, self.limit, self._cancel, self.top,
            self.guide and self.guide.fresh(), self._begun, self._forced,
        )  # fmt: skip
        fresh.clock.called = self.clock.called
        return fresh

    @property
    def so_far(self) -> list[int]:
        """The token ids of the prompt and of what has come."""
        return [*self.prompt, *self.ids]

    @property
    def ids(self) -> list[int]:
        """The output so far."""
        return [event.id for event in self.events if event.id is not None]

    @property
    def forced(self) -> int | None:
        """The token that has to come next, if one has to."""
        return self._forced if len(self.events) == len(self._begun) else None

    @property
    def given(self) -> int:
        """How many of the output's first tokens were given and not drawn."""
        return 0 if self._forced is None else len(self._begun) + 1

    @property
    def is_cancelled(self) -> bool:
        """Whether whoever asked for it no longer wants it."""
        return self._cancel is not None and self._cancel.is_set()

    def cancel(self) -> TokenEvent:
        """End here. The closing event carries no token, only text that was held back."""
        self.finish_reason = "cancelled"
        text = self._rest()
        self._shown.append(text)
        return TokenEvent(len(self.events), None, text, finish_reason="cancelled")

    def _rest(self) -> str:
        """What was held back, now that nothing more will come."""
        return self._stopping.rest() + self._text.rest()

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(self._shown)
