"""Our own API: /v1/generate and its stream, tokens, health and counts.

It knows requests' fields and the values of the engine; it does not know threads or lines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from influence_nb.engine import batch, noise
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.errors import BrokenModel, InfluenceError
from influence_nb.server import front, metrics, refusals, wire
from influence_nb.server.refusals import Refused
from influence_nb.server.scheduler import Answers
from influence_nb.server.service import CANDIDATES, Service, with_tokens


class Strict(BaseModel):
    """A body whose fields are of their type, and none of another name."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Generate(Strict):
    """What is to be generated."""

    model: str | None = Field(None, description="A name of the library; left out, the server's own model.")
    prompt: str | list[int] | None = Field(
        None, description="Text that is continued as it stands, or token ids."
    )
    messages: list[dict[str, str]] | None = Field(
        None, description="Or a conversation: role and content each."
    )
    sampling: dict[str, Any] = Field({}, description="Parameters of `Sampling` by name.")
    top: int = Field(0, ge=0, le=CANDIDATES, description="Candidates to list with each token.")
    receipt: bool = Field(False, description="Whether the answer has its receipt, for model.replay.")


class Tokenize(Strict):
    """A text to be cut into tokens."""

    model: str | None = None
    prompt: str
    add_special_tokens: bool = True


class Detokenize(Strict):
    """Tokens to be made a text."""

    model: str | None = None
    tokens: list[int]
    special: bool = Field(True, description="Whether special tokens are shown.")


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["influence_nb"])

    @router.post("/v1/generate")
    async def generate(body: Generate, request: Request) -> Response:
        """Generate to the end."""
        answers = await service.ask(request, body.model, lambda model: _wanted(service, body, model))
        return await service.reply(request, answers, None, partial(_whole, answers, body))

    @router.post("/v1/generate_stream")
    async def generate_stream(body: Generate, request: Request) -> Response:
        """Generate token by token, as server-sent events: one a token, then `done`, or `error`."""
        answers = await service.ask(request, body.model, lambda model: _wanted(service, body, model))
        return await service.reply(request, answers, _events(answers, body), partial(_whole, answers, body))

    @router.get("/health")
    async def health() -> Response:
        """Whether the server lives (it answers) and is ready (its model is in memory)."""
        models = service.models
        ready, failure = models.is_ready, models.failure
        status = "ready" if ready else "failed" if failure else "loading" if not models.default else "idle"
        error = None if ready or failure is None else refusals.native(failure)["error"]
        loaded = [model.name for model in models.present()]
        waiting, running = service.scheduler.waiting, service.scheduler.running
        return wire.answer(front.health(status, models.default, error, loaded, waiting, running))

    @router.get("/metrics")
    async def counts() -> Response:
        """Counts for Prometheus."""
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)

    @router.post("/tokenize")
    async def tokenize(body: Tokenize) -> Response:
        """The token ids of a text."""

        def ids(model: Model) -> list[int]:
            return with_tokens(model, "tokenize").encode(body.prompt, body.add_special_tokens)

        found = await _held(service, body.model, ids)
        return wire.answer({"tokens": found, "count": len(found)})

    @router.post("/detokenize")
    async def detokenize(body: Detokenize) -> Response:
        """The text of token ids."""

        def text(model: Model) -> str:
            known = with_tokens(model, "detokenize")
            if outside := [token for token in body.tokens if not 0 <= token < known.vocabulary_size]:
                raise Refused(
                    400,
                    f"Token id {outside[0]} is outside the vocabulary.",
                    f"Ids go from 0 to {known.vocabulary_size - 1}.",
                    field="tokens",
                )
            return known.decode(body.tokens, body.special)

        return wire.answer({"prompt": await _held(service, body.model, text)})

    @router.get("/tokenizer_info")
    async def tokenizer_info(model: str | None = None) -> Response:
        """The tokenizer's special tokens, its size, and the chat template."""
        return wire.answer(await _held(service, model, _tokenizer))

    return router


async def _held(service: Service, name: str | None, work: Any) -> Any:
    """What `work` makes of the model of that name, on another thread."""
    model = await service.models.hold(name)
    try:
        return await to_thread.run_sync(work, model)
    finally:
        model.use.end()


def _tokenizer(model: Model) -> dict[str, Any]:
    known = with_tokens(model, "tell its tokenizer")
    words = getattr(known, "tokenizer", None)
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    return {
        "model": known.name,
        **{name: getattr(words, name, None) for name in names},
        "eos_token_id": getattr(words, "eos_token_id", None),
        "vocabulary_size": known.vocabulary_size,
        "model_max_length": known.context_length,
        "chat_template": known.chat_template,
    }


def _wanted(service: Service, body: Generate, model: Model) -> Sequence[batch.Request]:
    sampling = service.sampling.replace(**_named(body.sampling))
    if sampling.seed is None:
        sampling = sampling.replace(seed=noise.draw_seed())
    return [batch.Request(_prompt(body), sampling, top=body.top)]


def _named(sampling: dict[str, Any]) -> dict[str, Any]:
    """The parameters; JSON has no whole numbers for names, so that the bias's are text."""
    bias = sampling.get("logit_bias")
    if not isinstance(bias, dict):
        return sampling
    return {**sampling, "logit_bias": {int(k) if k.isdecimal() else k: v for k, v in bias.items()}}


def _prompt(body: Generate) -> Prompt:
    if (body.prompt is None) == (body.messages is None):
        raise Refused(
            400, "Give either prompt or messages.", "One of the two says what to answer.", field="prompt"
        )
    if body.messages is not None:
        return body.messages
    assert body.prompt is not None
    return body.prompt


def _whole(answers: Answers, body: Generate, completions: Sequence[Completion]) -> dict[str, Any]:
    (completion,) = completions
    found = {
        "model": answers.model.name,
        "text": completion.text,
        "tokens": [_token(event) for event in completion.tokens],
        **_end(answers, completion),
    }
    if body.receipt:
        found["receipt"] = _receipt(completion)
    return found


def _receipt(completion: Completion) -> dict[str, Any]:
    try:
        return completion.receipt.to_dict()
    except OSError as error:  # it names the sums of the model's files
        raise BrokenModel(
            f"The model's files cannot be read any more: {error.strerror}.", "Ask without a receipt."
        ) from error


def _end(answers: Answers, completion: Completion) -> dict[str, Any]:
    usage, timings = completion.usage, completion.timings
    return {
        "finish_reason": completion.finish_reason,
        "seed": answers.requests[0].sampling.seed,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "timings": {
            "load": timings.load,
            "prefill": timings.prefill,
            "first_token": timings.first_token,
            "total": timings.total,
            "tokens_per_second": timings.tokens_per_second,
        },
    }


def _token(event: TokenEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "index": event.index,
        "id": event.id,
        "text": event.text,
        "logprob_raw": wire.logprob(event.logprob_raw),
        "logprob_sampled": wire.logprob(event.logprob_sampled),
        "finish_reason": event.finish_reason,
    }
    if event.top:
        found["top"] = [{"id": token, "logprob_raw": wire.logprob(known)} for token, known in event.top]
    return found


async def _events(answers: Answers, body: Generate) -> AsyncIterator[bytes]:
    try:
        async for _, event in answers.events():
            yield wire.event(_token(event))
        (completion,) = answers.completions
        end = _end(answers, completion)
        if body.receipt:
            end["receipt"] = await to_thread.run_sync(_receipt, completion)
        yield wire.event(end, "done")
    except InfluenceError as error:
        yield wire.event(refusals.native(error), "error")
