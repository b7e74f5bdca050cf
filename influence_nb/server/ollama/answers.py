"""POST /api/generate and /api/chat: lines of JSON as tokens come, or one whole.

It does not know how tokens come about.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response

from influence_nb.engine import keeping, prompts
from influence_nb.engine.batch import Request
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.runtimes.endpoint.model import EndpointModel
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import ContextTooLong, InfluenceError
from influence_nb.server import refusals, thinking, tools, wire
from influence_nb.server.names import Names
from influence_nb.server.ollama import prompting
from influence_nb.server.ollama.bodies import Body, Chat, Generate
from influence_nb.server.scheduler import Answers
from influence_nb.server.service import LONGEST, Service, names

Shape = Callable[[str, str], dict[str, Any]]
"""A piece of what is said, and of what was thought, as fields of an answer."""

Prompting = Callable[[Model], Prompt]


@dataclass(frozen=True)
class _Kind:
    """What generate and chat have apart: how a prompt is made, and how a text is put."""

    prompt: Prompting
    shape: Shape
    with_context: bool
    thinks: bool
    tools: bool = False

    def thoughts(self, answers: Answers) -> thinking.Reader:
        """What tells thoughts from the answer, where the prompt went through a template that may have any."""
        return (
            thinking.reader(answers.model, answers.requests[0].prompt)
            if self.thinks
            else thinking.Reader(False)
        )


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter()

    @router.post("/api/generate")
    async def generate(body: Generate, request: Asked) -> Response:
        """Answer a text; without one, load the model, or unload it where keep_alive is 0."""
        plain = body.raw or body.template or body.suffix or body.format
        kind = _Kind(partial(prompting.of_text, body), _response, not body.raw, not plain)
        return await _answer(service, request, body, kind, empty=not body.prompt)

    @router.post("/api/chat")
    async def chat(body: Chat, request: Asked) -> Response:
        """Answer a conversation; without messages, load or unload the model."""
        kind = _Kind(partial(prompting.of_messages, body), _message, False, not body.format, bool(body.tools))
        return await _answer(service, request, body, kind, empty=not body.messages)

    return router


def _response(text: str, thought: str) -> dict[str, Any]:
    return {"response": text, **({"thinking": thought} if thought else {})}


def _message(text: str, thought: str) -> dict[str, Any]:
    more = {"thinking": thought} if thought else {}
    return {"message": {"role": "assistant", "content": text, **more}}


async def _answer(service: Service, request: Asked, body: Body, kind: _Kind, empty: bool) -> Response:
    began = time.perf_counter()
    body = body.over(service.given)
    body.check()
    if empty:
        reason = await _moved(service, body)
        name = body.model or service.models.default
        said = {
            "model": name,
            "created_at": wire.now(),
            **kind.shape("", ""),
            "done": True,
            "done_reason": reason,
        }
        return wire.answer(said)
    answers = await service.ask(
        request,
        body.model,
        lambda model: [_wanted(body, model, kind.prompt(model))],
        body.keep_alive,
        bool(body.logprobs),
    )
    chunks = None if body.stream is False else _lines(body, answers, kind, began)
    return await service.reply(
        request, answers, chunks, partial(_whole, body, answers, kind, began), wire.LINES
    )


def _whole(
    body: Body, answers: Answers, kind: _Kind, began: float, completions: Sequence[Completion]
) -> dict[str, Any]:
    (completion,) = completions
    thought, text = kind.thoughts(answers).whole(completion.text)
    text, calls = tools.read(text, kind.tools)
    known = names(answers.model) if body.logprobs else None
    return {
        **_part(body, answers.model, known, _with_calls(kind.shape(text, thought), calls), completion.tokens),
        **_end(answers, completion, kind, began),
    }


async def _moved(service: Service, body: Body) -> str:
    """Load a model, or unload it; "load" or "unload"."""
    span = keeping.seconds(body.keep_alive)
    if span != 0:
        model = await service.models.hold(body.model)
        service.keep(model, body.keep_alive)
        model.use.end()
        return "load"
    await to_thread.run_sync(service.models.unload, body.model)
    return "unload"


def _wanted(body: Body, model: Model, prompt: Prompt) -> Request:
    options = body.chosen
    longest = options.num_predict if options.num_predict and options.num_predict > 0 else LONGEST
    if options.num_ctx is not None and isinstance(model, TokenModel):
        prompt = prompts.ids(prompt, model)
        room = options.num_ctx - len(prompt)
        if room < 1:
            raise ContextTooLong(
                f"The prompt is {len(prompt)} tokens long; num_ctx is {options.num_ctx}.",
                "Shorten the prompt, or leave num_ctx out: at least one token must be left for the answer.",
            )
        longest = min(longest, room)
    # a server that knows no top-k is asked with it only where the client wants it
    top_k = 0 if isinstance(model, EndpointModel) and "top_k" not in model.served.kind.takes else 40
    return Request(prompt, options.sampling(longest, body.format, top_k), top=body.top)


async def _lines(body: Body, answers: Answers, kind: _Kind, began: float) -> AsyncIterator[bytes]:
    try:
        known = names(answers.model) if body.logprobs else None
        thoughts, reader = kind.thoughts(answers), tools.Reader(kind.tools)
        async for _, event in answers.events():
            before = len(reader.calls)
            thought, text = thoughts.push(event.text)
            if event.finish_reason is not None:
                more, rest = thoughts.rest()
                thought, text = thought + more, reader.push(text + rest) + reader.rest()
            else:
                text = reader.push(text)
            calls = reader.calls[before:]
            if thought or text or calls or (body.logprobs and event.finish_reason is None):
                shaped = _with_calls(kind.shape(text, thought), calls)
                yield wire.line({**_part(body, answers.model, known, shaped, [event]), "done": False})
        (completion,) = answers.completions
        head = {"model": body.model or answers.model.name, "created_at": wire.now(), **kind.shape("", "")}
        yield wire.line({**head, **_end(answers, completion, kind, began)})
    except InfluenceError as error:
        yield wire.line(refusals.ollama(error))


def _with_calls(shaped: dict[str, Any], calls: Sequence[tools.ToolCall]) -> dict[str, Any]:
    if calls:
        shaped["message"]["tool_calls"] = [
            {"function": {"name": call.name, "arguments": call.arguments}} for call in calls
        ]
    return shaped


def _part(
    body: Body, model: Model, known: Names | None, shaped: dict[str, Any], events: Sequence[TokenEvent]
) -> dict[str, Any]:
    part = {"model": body.model or model.name, "created_at": wire.now(), **shaped}
    if known is not None:
        part["logprobs"] = [
            {**known.of(event), **({"top_logprobs": known.candidates(event)} if event.top else {})}
            for event in events
            if event.is_token and not (event.finish_reason == "stop" and not event.text)
        ]  # fmt: skip
    return part


def _end(answers: Answers, completion: Completion, kind: _Kind, began: float) -> dict[str, Any]:
    """What is known at the end; times in nanoseconds."""
    timings = completion.timings
    end: dict[str, Any] = {"done": True, "done_reason": completion.finish_reason}
    if kind.with_context and (context := _context(answers, completion)) is not None:
        end["context"] = context
    return end | {
        "total_duration": _ns(time.perf_counter() - began),
        "load_duration": _ns(answers.load_seconds),
        "prompt_eval_count": completion.usage.prompt_tokens,
        "prompt_eval_duration": _ns(timings.prefill),
        "eval_count": completion.usage.completion_tokens,
        "eval_duration": _ns(max(timings.total - timings.first_token, 0.0)),
    }


def _context(answers: Answers, completion: Completion) -> list[int] | None:
    """The conversation so far as token ids, which a client may send back."""
    if not isinstance(answers.model, TokenModel):
        return None
    return [*prompts.ids(answers.requests[0].prompt, answers.model), *completion.ids]


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
