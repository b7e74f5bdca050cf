"""What all endpoints share: models, the lines of waiting prompts, counts; and asking a model on a client's behalf.

It does not know any API's fields.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response

from influence_nb.engine import batch, keeping
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.runtimes.endpoint.model import EndpointModel
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import CapabilityMissing
from influence_nb.server import front, wire
from influence_nb.server.metrics import Metrics
from influence_nb.server.models import Models
from influence_nb.server.names import Names
from influence_nb.server.scheduler import Answers, Scheduler

Wanted = Callable[[Model], Sequence[batch.Request]]
"""Makes a client's prompts for the model that it asks."""

LONGEST = 4096
"""New tokens of an answer whose length nobody limits, where the context leaves as many."""

CANDIDATES = 20
"""The most candidates that are listed beside a token."""


@dataclass(frozen=True)
class Service:
    """What the endpoints work with.

    Attributes:
        sampling: what our own API takes for parameters that a request leaves out.
        pull, delete: whether Ollama's API may fetch and remove models.
        given: parameters of `Sampling` that hold in the other APIs too, over their own defaults.
        version: influence_nb's.
    """

    models: Models
    scheduler: Scheduler
    metrics: Metrics
    sampling: Sampling
    pull: bool
    delete: bool
    given: Mapping[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=front.version)

    async def ask(
        self,
        request: Request,
        name: str | None,
        wanted: Wanted,
        keep_alive: float | str | None = None,
        logprobs: bool = False,
    ) -> Answers:
        """Ask a model; comes back when the first token has come. The caller closes what it is given.

        Args:
            request: whose client is listened to: when it goes, what was asked for is stopped.
            name: the model's; None is the server's own.
            wanted: makes the prompts, on another thread than the event loop's.
            keep_alive: how long the model is to stay from now on; a notebook's own model does not listen.
            logprobs: whether each token's log-probability is wanted.

        Raises:
            Gone: the client went.
            CapabilityMissing: log-probabilities are wanted, and a server that runs the model does not give them.
            InfluenceError: it cannot be answered.
        """
        began = time.perf_counter()
        model = await self.models.hold(name)
        loaded = time.perf_counter()
        try:
            self.keep(model, keep_alive)
            asked = await to_thread.run_sync(lambda: list(wanted(model)))
            if logprobs:
                _check_logprobs(model, asked)
            answers = self.scheduler.submit(model, asked, self.metrics.completion)
            answers.load_seconds = loaded - began
        except BaseException:
            model.use.end()
            raise
        try:
            first = await wire.unless_gone(request, answers.ready())
            if logprobs and isinstance(first, TokenEvent) and first.is_token and first.logprob_raw is None:
                raise _without_logprobs(model)
        except BaseException:
            answers.close()
            raise
        return answers

    async def reply(
        self,
        request: Request,
        answers: Answers,
        chunks: AsyncIterator[bytes] | None,
        whole: Callable[[Sequence[Completion]], Any],
        media_type: str = wire.EVENTS,
    ) -> Response:
        """What a client is sent, after which the answers are closed.

        Args:
            request: whose client is listened to.
            answers: from `ask`.
            chunks: of a stream; None for one body.
            whole: makes that body, on another thread than the event loop's.
            media_type: of the chunks.

        Raises:
            Gone: the client went.
            InfluenceError: an answer failed.
        """
        if chunks is not None:
            return wire.Streaming(chunks, media_type, answers.close)
        with closing(answers):
            completions = await wire.unless_gone(request, answers.whole())
            return wire.answer(await to_thread.run_sync(whole, completions))

    def keep(self, model: Model, keep_alive: float | str | None) -> None:
        """Let a model stay so long from now on, unless it is a notebook's own."""
        if keep_alive is not None:
            span = keeping.seconds(keep_alive)
            if model is not self.models.own:
                keeping.keep(model, span)


def with_tokens(model: Model, what: str) -> TokenModel:
    """The model, as one whose tokens are known here.

    Raises:
        CapabilityMissing: they are not, and `what` needs them.
    """
    if not isinstance(model, TokenModel):
        raise CapabilityMissing(
            f"The {model.runtime} runtime cannot {what}.", "Ask a model that runs on this machine."
        )
    return model


def names(model: Model) -> Names:
    """The text of a model's single tokens; made once for an answer, it looks each up once.

    Raises:
        CapabilityMissing: they are not known here, nor told by a server.
    """
    if isinstance(model, EndpointModel):
        return Names(None)
    return Names(with_tokens(model, "list log-probabilities"))


def _check_logprobs(model: Model, asked: Sequence[batch.Request]) -> None:
    names(model)
    if isinstance(model, EndpointModel) and not all(model.tells_logprobs(one.sampling) for one in asked):
        raise _without_logprobs(model)


def _without_logprobs(model: Model) -> CapabilityMissing:
    return CapabilityMissing(
        f"{model.device}, which runs {model.name}, gives no log-probabilities of the model's own for this request.",
        "Servers that change them by the sampling give them at temperature 1 with nothing cut or penalized (top_p 1, "
        "top_k off); else leave logprobs out.",
    )
