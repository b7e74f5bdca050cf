"""POST /v1/completions: texts that go on, and the scores of given texts, as lm-evaluation-harness asks for them.

It does not know how tokens come about, nor how a text is scored.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response
from pydantic import Field

from influence_nb.engine import prompts
from influence_nb.engine.batch import Request
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import InfluenceError, InvalidSampling
from influence_nb.server import refusals, wire
from influence_nb.server.names import Names
from influence_nb.server.openai.bodies import Body, Head, Whole, refuse, usage
from influence_nb.server.refusals import Refused, unsupported
from influence_nb.server.scheduler import Answers
from influence_nb.server.service import CANDIDATES, Service, names, with_tokens

_LENGTH = 16
"""OpenAI's default for max_tokens."""

Candidate = tuple[int, float]


class Complete(Body):
    """Texts to go on from."""

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: bool | None = Field(None, description="Whether the prompt stands before the answer.")
    logprobs: Whole | None = Field(
        None, description="Candidates beside each token; with echo, of the prompt too."
    )
    suffix: str | None = None
    best_of: Whole | None = None

    @property
    def longest(self) -> int:
        """The most new tokens; 0 only with `echo`, for scores alone."""
        return _LENGTH if self.max_tokens is None else self.max_tokens

    @property
    def texts(self) -> list[Any]:
        """The prompts, each text or token ids."""
        given = self.prompt
        if isinstance(given, str) or (given and isinstance(given[0], int)):
            return [given]
        if not given:
            raise Refused(400, "There is no prompt.", "Give a text, or a list of texts.", field="prompt")
        return list(given)

    @property
    def is_scoring(self) -> bool:
        """Whether scores say all: of the prompt, and of the one token that is most probable after it."""
        plain = self.temperature == 0 and not self.logit_bias and self.repetition_penalty in (None, 1)
        one = self.longest == 1 and plain and not self.min_tokens and not self.stop
        return bool(self.echo) and (self.longest == 0 or (one and self.logprobs is not None))

    def check(self) -> None:
        """Refuse what is not there or contradicts itself."""
        refuse(self, "suffix")
        if self.best_of is not None and self.best_of != self.choices:
            raise unsupported("best_of", " other than n")
        if self.logprobs is not None and not 0 <= self.logprobs <= CANDIDATES:
            raise Refused(
                400,
                f"logprobs={self.logprobs} is out of range.",
                f"It is from 0 to {CANDIDATES}.",
                field="logprobs",
            )
        if self.echo and self.stream and self.logprobs is not None:
            raise unsupported("stream", " beside echo and logprobs")
        if self.longest == 0 and not self.echo:
            error = InvalidSampling(
                "max_tokens=0 is out of range.", "It is 0 only with echo, for scores alone."
            )
            error.field = "max_tokens"
            raise error
        _ = self.choices, self.texts, self.sampling(max(self.longest, 1))


@dataclass(frozen=True)
class _Read:
    """What is known of a prompt that is echoed: its text, ids, what was scored, and the candidates after it."""

    text: str
    ids: Sequence[int] = ()
    logprobs: Sequence[float | None] = ()
    tops: Sequence[Sequence[Candidate] | None] = ()
    after: Sequence[Candidate] = ()


def routes(service: Service) -> APIRouter:
    """The endpoint."""
    router = APIRouter()

    @router.post("/v1/completions")
    async def complete(body: Complete, request: Asked) -> Response:
        """Go on from texts, or score them (`echo` with `logprobs`)."""
        body = body.over(service.given)
        body.check()
        with_usage = body.with_usage
        read = await _read(service, request, body)
        if body.is_scoring:
            model = await service.models.hold(body.model)
            model.use.end()
            return wire.answer(_scores_alone(body, model, read))
        answers = await service.ask(
            request, body.model, lambda model: _wanted(body, model), logprobs=body.logprobs is not None
        )
        chunks = _chunks(body, answers, read, with_usage) if body.stream else None
        return await service.reply(request, answers, chunks, partial(_whole, body, answers.model, read))

    return router


def _wanted(body: Complete, model: Model) -> Sequence[Request]:
    return body.requests(body.texts, body.longest, body.logprobs or 0)


async def _read(service: Service, request: Asked, body: Complete) -> list[_Read]:
    """Each prompt as it is echoed or counted from; scored, where scores are asked for."""
    if not body.echo and body.logprobs is None:
        return []
    model = await service.models.hold(body.model)
    cancel = threading.Event()
    try:
        texts = [text if isinstance(text, str) else "" for text in body.texts]
        if not isinstance(model, TokenModel) and not (
            body.echo and (body.logprobs is not None or "" in texts)
        ):
            return [_Read(text) for text in texts]
        known = with_tokens(model, "score a prompt, nor tell the text of token ids")
        work = to_thread.run_sync(
            lambda: [_scored(body, known, text, cancel) for text in body.texts if not cancel.is_set()],
            abandon_on_cancel=True,
        )
        return await wire.unless_gone(request, work)
    finally:
        cancel.set()
        model.use.end()


def _scored(body: Complete, model: TokenModel, prompt: Any, cancel: threading.Event) -> _Read:
    ids = prompts.ids(prompt, model)
    text = prompt if isinstance(prompt, str) else model.decode(ids, special=True)
    if not body.echo or body.logprobs is None:
        return _Read(text, ids)
    context = model.context_length
    if context is not None and len(ids) + body.longest > context:
        raise Refused(
            400,
            f"The prompt and max_tokens come to {len(ids) + body.longest} tokens; {model.name} has a context of "
            f"{context}.",
            "Shorten the prompt.",
            code="context_length_exceeded",
            field="prompt",
        )
    # A token more, whichever it is: the candidates for its place are those for what comes after the prompt.
    scored = [*ids, ids[-1]] if body.is_scoring and body.longest else ids
    if len(scored) == 1:
        return _Read(text, ids, [None], [None])
    scores = model.score(scored, window=len(scored), cancel=cancel, top=max(body.logprobs, 1))
    after = scores.tops[-1] if len(scored) > len(ids) else None
    return _Read(text, ids, scores.logprobs[: len(ids)], scores.tops[: len(ids)], after or ())


def _scores_alone(body: Complete, model: Model, read: Sequence[_Read]) -> dict[str, Any]:
    known = None if body.logprobs is None else names(model)
    choices = []
    for index, one in enumerate(one for one in read for _ in range(body.choices)):
        events = [_most_probable(model, one.after)] if one.after else []
        choices.append(
            {
                "index": index,
                "text": one.text + "".join(event.text for event in events),
                "logprobs": _logprobs(body, known, one, events),
                "finish_reason": "length",
            }
        )
    count, written = sum(len(one.ids) for one in read), body.longest * len(choices)
    counted = {"prompt_tokens": count, "completion_tokens": written, "total_tokens": count + written}
    return Head("cmpl", "text_completion", model).part(choices, usage=counted)


def _most_probable(model: Model, after: Sequence[Candidate]) -> TokenEvent:
    token, logprob = after[0]
    text = with_tokens(model, "list log-probabilities").decode([token]).rstrip("\ufffd")
    return TokenEvent(0, token, text, logprob, 0.0, "length", tuple(after))


def _whole(
    body: Complete, model: Model, read: Sequence[_Read], completions: Sequence[Completion]
) -> dict[str, Any]:
    known = None if body.logprobs is None else names(model)
    choices = []
    for index, completion in enumerate(completions):
        before = read[index // body.choices] if read else None
        choices.append(
            {
                "index": index,
                "text": (before.text if before and body.echo else "") + completion.text,
                "logprobs": _logprobs(body, known, before, completion.tokens),
                "finish_reason": completion.finish_reason,
            }
        )
    return Head("cmpl", "text_completion", model).part(choices, usage=usage(completions, body.choices))


async def _chunks(
    body: Complete, answers: Answers, read: Sequence[_Read], with_usage: bool
) -> AsyncIterator[bytes]:
    head = Head("cmpl", "text_completion", answers.model)
    last: dict[str, Any] = {"usage": None} if with_usage else {}
    offsets = [len(one.text) for one in read for _ in range(body.choices)]

    def chunk(index: int, text: str, logprobs: Any = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
        return wire.event(head.part([choice], **last))

    try:
        if body.echo:
            for index in range(len(answers.requests)):
                yield chunk(index, read[index // body.choices].text)
        known = None if body.logprobs is None else names(answers.model)
        async for index, event in answers.events():
            logprobs = None
            if known is not None:
                logprobs = _logprobs(body, known, _Read(" " * offsets[index]), [event])
                offsets[index] += len("".join(logprobs["tokens"])) if logprobs else 0
            if event.text or logprobs or event.finish_reason:
                yield chunk(index, event.text, logprobs, event.finish_reason)
        if with_usage:
            yield wire.event(head.part([], usage=usage(answers.completions, body.choices)))
        yield b"data: [DONE]\n\n"
    except InfluenceError as error:
        yield wire.event(refusals.openai(error))


def _logprobs(
    body: Complete, known: Names | None, before: _Read | None, events: Sequence[TokenEvent]
) -> dict[str, Any] | None:
    """Of the prompt, where it is echoed, and of the answer; one entry a token, the prompt's first without a value."""
    if known is None or before is None:
        return None
    rows: list[tuple[str, float | None, Sequence[Candidate] | None]] = []
    if body.echo:
        rows += zip(map(known.__getitem__, before.ids), before.logprobs, before.tops, strict=True)
    rows += [(known.name(event), event.logprob_raw, event.top) for event in events if event.is_token]
    tokens = [token for token, _, _ in rows]
    begin = 0 if body.echo else len(before.text)
    tops = [
        None if own is None else known.by_name(token, own, (top or ())[: body.logprobs or 0])
        for token, own, top in rows
    ]
    return {
        "tokens": tokens,
        "token_logprobs": [wire.logprob(own) for _, own, _ in rows],
        "top_logprobs": [
            None if top is None else {name: wire.logprob(one) for name, one in top.items()} for top in tops
        ],
        "text_offset": list(accumulate((len(token) for token in tokens), initial=begin))[: len(tokens)],
    }
