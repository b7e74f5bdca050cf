"""What generation gives: a `TokenEvent` for each token, and the `Completion` they add up to.

Plain values; they do not know how they came about.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from influence_nb.arguments import whole
from influence_nb.errors import CapabilityMissing, InfluenceError, InvalidData

if TYPE_CHECKING:
    import threading

    from influence_nb.engine.receipts import Receipt
    from influence_nb.engine.runtimes.transformers import TransformersModel
    from influence_nb.engine.sampling import Sampling
    from influence_nb.engine.trace import OnTraced
    from influence_nb.engine.what_if import WhatIf

FinishReason = Literal["stop", "length", "cancelled", "failed"]


@dataclass(frozen=True)
class TokenEvent:
    """One step of a stream.

    Attributes:
        index: the token's place in the output, from 0.
        id: the token's id; None where a server does not tell it, and in a closing event.
        text: the text that this step completes, whole characters only; "" while a character or a possible stop
            string is incomplete, and for tokens that end a turn.
        logprob_raw: log-probability (nats, <= 0) under the model itself; None where a server does not tell it.
        logprob_sampled: log-probability (nats, <= 0) in the distribution that was drawn from; 0 at temperature 0;
            None where a server does not tell it.
        finish_reason: None until the last event, then "stop", "length" or "cancelled".
        top: where it was asked for, the candidates that the model itself finds most probable, the best first: (id,
            log-probability in nats) each, under the model itself as `logprob_raw`.

    A closing event carries no token, only the finish reason and text that was held back: a cancelled stream ends with
    one, and so does every stream from a server.
    """

    index: int
    id: int | None
    text: str
    logprob_raw: float | None = 0.0
    logprob_sampled: float | None = 0.0
    finish_reason: FinishReason | None = None
    top: tuple[tuple[int, float], ...] = ()

    @property
    def is_token(self) -> bool:
        """Whether it carries a token: False for a closing event."""
        return self.id is not None or self.finish_reason is None


@dataclass(frozen=True)
class Usage:
    """Counts of tokens: in the prompt, in the completion, and how many of the prompt's came from a KV cache.

    `prompt_tokens` is None where a server does not tell it.
    """

    prompt_tokens: int | None
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    """Seconds, from the call on: loading the model (before), prefill, first token, all; and the decoding speed.

    `tokens_per_second` counts the tokens after the first, over the time they took; 0.0 for fewer than two.
    """

    load: float
    prefill: float
    first_token: float
    total: float
    tokens_per_second: float


@dataclass(frozen=True)
class Origin:
    """What a completion came from, where it can go on from there: the model, the prompt's ids, and the sampling."""

    model: TransformersModel
    prompt: Sequence[int]
    sampling: Sampling


@dataclass(frozen=True, repr=False)
class Completion:
    """A finished generation. `str()` gives its text.

    Attributes:
        text: the whole text, without the stop string.
        tokens: one event a token, logprobs included.
        finish_reason: "stop" (end of turn or stop string), "length" (token limit or context), "cancelled"; "failed" in
            what is kept of an answer that a server broke off.
        usage: prompt_tokens, completion_tokens, cached_tokens.
        timings: load, prefill, first_token, total (seconds), tokens_per_second.
        receipt: everything needed to repeat it.
    """

    text: str
    tokens: Sequence[TokenEvent]
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    _receipt: Callable[[], Receipt] = field(compare=False)
    _origin: Origin | None = field(default=None, compare=False)

    @property
    def receipt(self) -> Receipt:
        """Made when first asked for, since hashing a model's files can take seconds."""
        return self._receipt()

    @property
    def ids(self) -> list[int]:
        """The output's token ids."""
        return [event.id for event in self.tokens if event.id is not None]

    def what_if(
        self,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
        **overrides: Any,
    ) -> WhatIf:
        """Make every choice again under other settings, with the same noise; say which token would flip first.

        The text is run once more for its logits, token by token as it was generated; the model keeps them for the next
        question about the same text.

        Args:
            sampling: the other settings; by default those that the text came with. Without a seed it has theirs.
            cancel: set it, from any thread, to stop; what was looked at so far is told.
            on_place: called with each `Place` as it comes and the number of tokens, in the calling thread.
            overrides: single parameters, such as temperature=1.2 or order=(...).

        Raises:
            InvalidSampling: unknown, out of range, or none that decides between tokens (max_new_tokens, stop, grammar).
            InvalidData: there are no tokens to look at.
            CapabilityMissing: its model was unloaded, or gives no logits: another runtime.
            OutOfMemory: the logits of so many tokens would take more than 2 GiB.
        """
        from influence_nb.engine.what_if import WhatIf, other

        origin = self._from("make its choices again")
        now = other(origin.sampling, sampling, overrides)
        trace = origin.model.traced(origin.prompt, origin.sampling, self.ids, cancel, on_place)
        return WhatIf(self, trace, now)

    def branch(
        self,
        index: int,
        token: int,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> TokenStream:
        """Take another token at one place, and go on from there. What came before it stays.

        Args:
            index: the place in the output, from 0; one past the last token goes on after it.
            token: the id of the token to take there, whatever the sampler would say.
            sampling: for what follows; by default what the text came with. Without a seed it has theirs.
            cancel: set it, from any thread, to stop at the next token.
            overrides: single parameters of it.

        Returns:
            The events from `index` on; `.completion` is the whole, with the tokens before. In the event of a token
            that the sampler cuts, `logprob_sampled` is -inf.

        Raises:
            InvalidData: no such place, or no such token.
            InvalidSampling: unknown or out of range, or a stop string that has come before.
            CapabilityMissing: its model was unloaded, or takes no token ids: another runtime.
        """
        from influence_nb.engine.sampling import checked

        origin = self._from("go on from one of its tokens")
        begun = [event for event in self.tokens if event.id is not None]
        index = whole("index", index, 0, len(begun))
        token = whole("token", token, 0, origin.model.vocabulary_size - 1)
        now = checked(origin.sampling if sampling is None else sampling, overrides)
        if now.seed is None:
            now = now.replace(seed=origin.sampling.seed)
        return origin.model.branch(origin.prompt, begun[:index], token, now, cancel)

    def on(self, model: Any) -> Completion:
        """The same text, to be gone on with by a copy of its model that was loaded again."""
        if self._origin is None or model is self._origin.model:
            return self
        return replace(self, _origin=replace(self._origin, model=model))

    def _from(self, what: str) -> Origin:
        if self._origin is None:
            raise CapabilityMissing(
                f"This completion is of a runtime that cannot {what}.",
                "Load the model's safetensors with runtime='transformers', which can.",
            )
        if not self.ids:
            raise InvalidData("The completion has no tokens.", "Generate one token at least.")
        return self._origin

    def to_frame(self) -> Any:
        """A pandas DataFrame, one row a token: id, text, logprob_raw, logprob_sampled."""
        import pandas as pd

        names = ["index", "id", "text", "logprob_raw", "logprob_sampled"]
        rows = [{name: getattr(event, name) for name in names} for event in self.tokens]
        return pd.DataFrame(rows, columns=names).set_index("index")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Completion({self.text!r}, {self.finish_reason}, {self.usage.completion_tokens} tokens)"

    def _repr_html_(self) -> str:
        facts = (
            f"{self.usage.completion_tokens} tokens · {self.timings.tokens_per_second:.0f} tokens/s · "
            f"first after {self.timings.first_token:.2f} s · finished: {self.finish_reason}"
        )
        return (
            f'<div style="white-space: pre-wrap">{html.escape(self.text)}</div>'
            f'<div style="opacity: .7; font-size: .85em; margin-top: .4em">{facts}</div>'
        )


class TokenStream(Iterator[TokenEvent]):
    """An iterator of `TokenEvent` with the whole `Completion` at its end.

    Generation starts with the first event that is asked for; `close` (or dropping the stream) stops it.

    Args:
        events: a generator of the events.
        finished: the completion, or None as long as there is none.
    """

    def __init__(
        self, events: Generator[TokenEvent, None, None], finished: Callable[[], Completion | None]
    ) -> None:
        self._events = events
        self._finished = finished
        self._whole: Completion | None = None

    def __next__(self) -> TokenEvent:
        try:
            return next(self._events)
        except StopIteration:
            self.finished()  # its receipt may be wanted though it is not
            raise

    def close(self) -> None:
        """Stop generating; the model takes no further step."""
        self._events.close()
        self.finished()

    def finished(self) -> Completion | None:
        """The whole, or None as long as there is none."""
        if self._whole is None:
            self._whole = self._finished()
        return self._whole

    @property
    def completion(self) -> Completion:
        """The whole; waits for the rest of the stream first."""
        try:
            for _ in self:
                pass
        except BaseException:  # an interrupt may come outside of the events
            self.close()
            raise
        completion = self.finished()
        if completion is None:
            raise InfluenceError(
                "This stream was closed or failed before it gave anything.", "Generate again."
            )
        return completion
