"""POST /v1/chat/completions: a conversation's next message, whole or as a stream of chunks.

It does not know how tokens come about.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from influence_nb.engine.batch import Request
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.errors import InfluenceError
from influence_nb.server import refusals, tools, wire
from influence_nb.server.names import Names
from influence_nb.server.openai.bodies import Body, Head, Whole, refuse, usage
from influence_nb.server.refusals import Refused, unsupported
from influence_nb.server.scheduler import Answers
from influence_nb.server.service import CANDIDATES, LONGEST, Service, names, with_tokens


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
        refuse(self, "functions", "function_call", "audio", "prediction", "reasoning_effort",
               "web_search_options")  # fmt: skip
        if self.tool_choice not in (None, "none", "auto"):
            raise unsupported("tool_choice", ' other than "auto" and "none"')
        if any(
            not isinstance(tool, dict) or not isinstance(tool.get("function"), dict)
            for tool in self.tools or ()
        ):
            raise Refused(
                400, "tools has something else than functions in it.",
                'Each is {"type": "function", "function": {"name", "description", "parameters"}}.', field="tools",
            )  # fmt: skip
        if self.modalities not in (None, ["text"]):
            raise unsupported("modalities", " other than text")
        _ = self.grammar

    @property
    def callable(self) -> list[Any]:
        """The tools that the model may call."""
        return [] if self.tool_choice == "none" else self.tools or []

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
        body = body.over(service.given)
        body.check()
        with_usage = body.with_usage
        answers = await service.ask(
            request, body.model, lambda model: _wanted(body, model), logprobs=bool(body.logprobs)
        )
        chunks = _chunks(body, answers, with_usage) if body.stream else None
        return await service.reply(request, answers, chunks, partial(_whole, body, answers.model))

    return router


def _whole(body: Chat, model: Model, completions: Sequence[Completion]) -> dict[str, Any]:
    known = names(model) if body.logprobs else None
    choices = [
        {
            "index": index,
            **_message(body, completion),
            "logprobs": _logprobs(known, completion.tokens),
        }
        for index, completion in enumerate(completions)
    ]
    head = Head("chatcmpl", "chat.completion", model)
    return head.part(choices, usage=usage(completions, body.choices))


def _wanted(body: Chat, model: Model) -> Sequence[Request]:
    messages = [_plain(place, message) for place, message in enumerate(body.messages)]
    prompt: Prompt = messages
    if body.callable:
        prompt = tools.prompt(model, messages, body.callable, body.chat_template_kwargs)
        return body.requests([prompt], body.longest, body.top, body.grammar)
    if body.chat_template_kwargs:
        known = with_tokens(model, "set switches of the chat template")
        prompt = known.encode(known.render(messages, body.chat_template_kwargs), special=False)
    return body.requests([prompt], body.longest, body.top, body.grammar)


def _plain(place: int, message: Message) -> dict[str, Any]:
    """A message as chat templates take it."""
    if message.function_call:
        raise unsupported(f"messages.{place}.function_call")
    content = message.content
    if isinstance(content, list):
        for part in content:
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise unsupported(
                    f"messages.{place}.content", f" of the type {part.get('type')!r}: only text is"
                )
        content = "".join(part["text"] for part in content)
    if message.tool_calls:
        calls = [_called(place, call) for call in message.tool_calls]
        return {"role": message.role, "content": content or "", "tool_calls": calls}
    if content is None:
        raise Refused(400, f"Message {place} has no content.", "Give its text.", field="messages")
    return {"role": "system" if message.role == "developer" else message.role, "content": content}


def _called(place: int, call: Any) -> dict[str, Any]:
    """A call that an earlier answer made; templates take its arguments as a mapping."""
    try:
        function = call["function"]
        given = function["arguments"]
        arguments = json.loads(given) if isinstance(given, str) else given
        return {"type": "function", "function": {"name": str(function["name"]), "arguments": arguments}}
    except (KeyError, TypeError, ValueError):
        raise Refused(
            400,
            f"A tool call of message {place} is none.",
            'Give {"id", "type": "function", "function": {"name", "arguments"}}.',
            field="messages",
        ) from None


def _message(body: Chat, completion: Completion) -> dict[str, Any]:
    """The message, and why it ended."""
    text, calls = tools.read(completion.text, bool(body.callable))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or None if calls else text,
        "refusal": None,
    }
    if calls:
        message["tool_calls"] = [_shaped(call) for call in calls]
    return {"message": message, "finish_reason": _reason(completion.finish_reason, calls)}


def _shaped(call: tools.ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _reason(finish: str, calls: Sequence[tools.ToolCall]) -> str:
    return "tool_calls" if calls and finish == "stop" else finish


async def _chunks(body: Chat, answers: Answers, with_usage: bool) -> AsyncIterator[bytes]:
    head = Head("chatcmpl", "chat.completion.chunk", answers.model)
    last: dict[str, Any] = {"usage": None} if with_usage else {}

    def chunk(index: int, delta: dict[str, Any], logprobs: Any = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return wire.event(head.part([choice], **last))

    try:
        for index in range(body.choices):
            yield chunk(index, {"role": "assistant", "content": ""})
        readers = [tools.Reader(bool(body.callable)) for _ in answers.requests]
        known = names(answers.model) if body.logprobs else None
        async for index, event in answers.events():
            reader, logprobs = readers[index], _logprobs(known, [event])
            before = len(reader.calls)
            text = reader.push(event.text)
            if event.finish_reason is not None:
                text += reader.rest()
            if text or logprobs:
                yield chunk(index, {"content": text}, logprobs)
            for place, call in enumerate(reader.calls[before:], before):
                yield chunk(index, {"tool_calls": [{"index": place, **_shaped(call)}]})
            if event.finish_reason is not None:
                yield chunk(index, {}, finish=_reason(event.finish_reason, reader.calls))
        if with_usage:
            yield wire.event(head.part([], usage=usage(answers.completions, body.choices)))
        yield b"data: [DONE]\n\n"
    except InfluenceError as error:
        yield wire.event(refusals.openai(error))


def _logprobs(known: Names | None, events: Sequence[TokenEvent]) -> dict[str, Any] | None:
    """Of the tokens that are part of the message: not of the one that ends the turn. None where nobody asked."""
    if known is None:
        return None
    content = [
        {
            **known.of(event),
            "top_logprobs": known.candidates(event),
        }
        for event in events
        if event.is_token and not _ends(event)
    ]
    return {"content": content, "refusal": None} if content else None


def _ends(event: TokenEvent) -> bool:
    return event.finish_reason == "stop" and not event.text
