"""POST /v1/chat/completions: a conversation's next message, whole or as a stream of chunks.

It does not know how tokens come about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from influence_nb.engine.batch import Request
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.errors import InfluenceError
from influence_nb.server import refusals, wire
from influence_nb.server.names import Names
from influence_nb.server.openai.bodies import Body, Head, Whole, refuse, usage
from influence_nb.server.refusals import Refused, unsupported
from influence_nb.server.scheduler import Answers
from influence_nb.server.service import CANDIDATES, LONGEST, Service, with_tokens


class Message(BaseModel):
    """One message; its content is text, or a list of parts of the type "text"."""

    model_config = ConfigDict(strict=True)

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None
    function_call: Any = None


class Chat(Body):
    """A conversation to be answered."""

    messages: list[Message]
    max_completion_tokens: Whole | None = Field(None, description="As max_tokens.")
    logprobs: bool | None = None
    top_logprobs: Whole | None = None
    response_format: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, bool] | None = Field(None, description="Switches of the chat template.")
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    prediction: Any = None
    reasoning_effort: str | None = None
    web_search_options: Any = None

    @property
    def top(self) -> int:
        """How many candidates are listed beside each token."""
        top = self.top_logprobs or 0
        if top and not self.logprobs:
            raise Refused(400, "top_logprobs needs logprobs.", "Set logprobs to true.", field="top_logprobs")
        if not 0 <= top <= CANDIDATES:
            raise Refused(
                400,
                f"top_logprobs={top} is out of range.",
                f"It is from 0 to {CANDIDATES}.",
                field="top_logprobs",
            )
        return top

    @property
    def longest(self) -> int:
        """The most new tokens."""
        wanted = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        return LONGEST if wanted is None else wanted

    def check(self) -> None:
        """Refuse what is not there."""
        refuse(self, "tools", "functions", "function_call", "audio", "prediction", "reasoning_effort",
               "web_search_options")  # fmt: skip
        if self.tool_choice not in (None, "none", "auto"):
            raise unsupported("tool_choice")
        if self.modalities not in (None, ["text"]):
            raise unsupported("modalities", " other than text")
        _ = self.grammar

    @property
    def grammar(self) -> Any:
        """What the answer has to be: None for text, "json", or a JSON schema."""
        wanted = self.response_format or {"type": "text"}
        kind, said = wanted.get("type"), wanted.get("json_schema")
        if kind == "text":
            return None
        if kind == "json_object":
            return "json"
        if kind == "json_schema" and isinstance(said, dict) and isinstance(said.get("schema"), dict):
            return said["schema"]
        raise Refused(
            400,
            "response_format is none that is known.",
            'Give {"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", "json_schema": {"schema": …}}.',
            field="response_format",
        )


def routes(service: Service) -> APIRouter:
    """The endpoint."""
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def chat(body: Chat, request: Asked) -> Response:
        """The next message of a conversation."""
        body.check()
        with_usage = body.with_usage
        answers = await service.ask(request, body.model, lambda model: _wanted(body, model))
        if body.stream:
            chunks = _chunks(service, body, answers, with_usage)
            return wire.Streaming(chunks, wire.EVENTS, answers.close)
        with closing(answers):
            completions = await wire.unless_gone(request, answers.whole())
            for completion in completions:
                service.metrics.completion(completion)
            head = Head("chatcmpl", "chat.completion", answers.model)
            choices = [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": completion.text, "refusal": None},
                    "logprobs": _logprobs(body, answers.model, completion.tokens),
                    "finish_reason": completion.finish_reason,
                }
                for index, completion in enumerate(completions)
            ]
            return wire.answer(head.part(choices, usage=usage(completions, body.choices)))

    return router


def _wanted(body: Chat, model: Model) -> Sequence[Request]:
    messages = [_plain(place, message) for place, message in enumerate(body.messages)]
    prompt: Prompt = messages
    if body.logprobs:
        with_tokens(model, "list log-probabilities")
    if body.chat_template_kwargs:
        known = with_tokens(model, "set switches of the chat template")
        prompt = known.encode(known.render(messages, body.chat_template_kwargs), special=False)
    return body.requests([prompt], body.longest, body.top, body.grammar)


def _plain(place: int, message: Message) -> dict[str, str]:
    """A message as chat templates take it."""
    if message.tool_calls or message.tool_call_id or message.function_call or message.role == "tool":
        raise unsupported(f"messages.{place}.tool_calls")
    content = message.content
    if isinstance(content, list):
        for part in content:
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise unsupported(
                    f"messages.{place}.content", f" of the type {part.get('type')!r}: only text is"
                )
        content = "".join(part["text"] for part in content)
    if content is None:
        raise Refused(400, f"Message {place} has no content.", "Give its text.", field="messages")
    return {"role": "system" if message.role == "developer" else message.role, "content": content}


async def _chunks(service: Service, body: Chat, answers: Answers, with_usage: bool) -> AsyncIterator[bytes]:
    head = Head("chatcmpl", "chat.completion.chunk", answers.model)
    last: dict[str, Any] = {"usage": None} if with_usage else {}

    def chunk(index: int, delta: dict[str, Any], logprobs: Any = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return wire.event(head.part([choice], **last))

    try:
        for index in range(body.choices):
            yield chunk(index, {"role": "assistant", "content": ""})
        async for index, event in answers.events():
            logprobs = _logprobs(body, answers.model, [event])
            if event.text or logprobs:
                yield chunk(index, {"content": event.text}, logprobs)
            if event.finish_reason is not None:
                yield chunk(index, {}, finish=event.finish_reason)
        for completion in answers.completions:
            service.metrics.completion(completion)
        if with_usage:
            yield wire.event(head.part([], usage=usage(answers.completions, body.choices)))
        yield b"data: [DONE]\n\n"
    except InfluenceError as error:
        yield wire.event(refusals.openai(error))


def _logprobs(body: Chat, model: Model, events: Sequence[TokenEvent]) -> dict[str, Any] | None:
    """Of the tokens that are part of the message: not of the one that ends the turn."""
    if not body.logprobs:
        return None
    names = Names(with_tokens(model, "list log-probabilities"))
    content = [
        {
            **_named(names, event.id, event.logprob_raw),
            "top_logprobs": [_named(names, *one) for one in event.top],
        }
        for event in events
        if event.id is not None and not _ends(event)
    ]
    return {"content": content, "refusal": None} if content else None


def _named(names: Names, token: int, logprob: float | None) -> dict[str, Any]:
    return {"token": names[token], "logprob": wire.logprob(logprob), "bytes": names.bytes(token)}


def _ends(event: TokenEvent) -> bool:
    return event.finish_reason == "stop" and not event.text
