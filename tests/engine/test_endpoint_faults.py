"""A server that hangs, answers garbage, refuses, stumbles or dies midway; and a key that nobody ever sees."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.engine.runtimes.endpoint import wire
from influence_nb.errors import (
    CapabilityMissing,
    ContextTooLong,
    EndpointError,
    InfluenceError,
    ModelNotFound,
)
from influence_nb.settings import settings
from tests.chat_server import ChatServer, Handler

HI = [{"role": "user", "content": "Hi"}]
KEY = "sk-secret-0123456789"
Fault = Callable[[Handler], bool]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.fixture
def model(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[inb.Model]:
    """A model whose patience is short."""
    soon = replace(wire.PATIENCE, first_wait=0.001, longest_wait=0.01, longest_asked=0.01)
    monkeypatch.setattr(wire, "PATIENCE", soon)
    made = inb.load(endpoint=server.url)
    yield made
    made.unload()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INFLUENCE_ENDPOINT_TIMEOUT", "1")
    settings.cache_clear()
    yield
    settings.cache_clear()


def refuses(status: int, body: Any = "", **headers: str) -> Fault:
    kind = "application/json" if isinstance(body, dict) else "text/html" if "<" in body else "text/plain"
    return lambda handler: handler.answer(status, body, kind, **headers) or True


def says(*data: str) -> Fault:
    return lambda handler: handler.stream(iter(data)) or True


def sends(*chunks: bytes) -> Fault:
    def fault(handler: Handler) -> bool:
        handler.begin()
        for chunk in (*chunks, b""):
            handler.chunk(chunk)
        return True

    return fault


def test_a_server_that_hangs_is_given_up(server: ChatServer, model: inb.Model, impatient: None):
    server.faults = [lambda handler: handler.hang(), lambda handler: handler.some(2) or handler.hang()]
    with pytest.raises(EndpointError, match="not begun to answer for 1 seconds") as error:
        model.generate(HI)
    assert error.value.completion is None
    with pytest.raises(
        EndpointError, match=r"stopped after 2 tokens\. .* has sent nothing for 1 seconds"
    ) as error:
        model.generate(HI)
    assert error.value.completion.text == "Hello there"
    server.gone.get(timeout=60)
    server.gone.get(timeout=60)
    assert model.generate(HI).text == "Hello there."


def test_what_came_before_a_server_died_is_kept(server: ChatServer, model: inb.Model):
    dies: list[Fault] = [
        lambda handler: handler.some(2) or handler.reset(),
        lambda handler: handler.some(2) or handler.chunk(b"") or True,  # it ends, and says nothing of an end
        lambda handler: (
            handler.some(2) or handler.chunk(b'data: {"error": {"message": "out of memory"}}\n\n') or True
        ),
        lambda handler: handler.some(2) or handler.chunk(b'data: {"choi\n\n') or handler.chunk(b"") or True,
    ]
    for die in dies:
        server.faults = [die]
        stream = model.stream(HI)
        texts = []
        with pytest.raises(EndpointError, match=r"^The answer stopped after 2 tokens\. ") as error:
            texts.extend(event.text for event in stream)
        assert texts == ["Hello", " there"]
        assert error.value.completion == stream.finished()
        assert (stream.finished().text, stream.finished().finish_reason) == ("Hello there", "failed")
    server.faults = [dies[0], lambda handler: handler.reset(), *[lambda handler: handler.reset()] * 9]
    talk = model.session()
    with pytest.raises(EndpointError):
        talk.send("Hi")
    assert [message["content"] for message in talk.messages] == ["Hi", "Hello there"]
    with pytest.raises(EndpointError, match="closed the connection before it answered"):
        talk.send("And?")
    assert len(talk.messages) == 2  # nothing came: nothing is kept
    server.faults = []
    assert talk.send("And?").text == "Hello there."


GARBAGE = [
    (refuses(200, "<html>Please sign in</html>"), "a web page"),
    (refuses(200, "hello"), "no answer: 'hello'"),
    (says("not json"), "no answer: 'not json'"),
    (says("[1]"), "no answer"),
    (says('{"choices": 3}'), "no answer"),
    (says('{"choices": [3]}'), "no answer"),
    (says('{"choices": [{"delta": {"content": 3}}]}'), "no answer"),
    (says('{"hello": "world"}'), "no answer"),
    (says("[" * 100_000), "no answer"),
    (says('{"choices": [{"delta": {}, "finish_reason": "abort"}]}'), "gave the answer up"),
    (sends(b"data: \xff\xfe\n\n"), "no answer"),
    (sends("data: é".encode()[:-1]), "no answer"),
    (sends(), "ends in the middle"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "words"), GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_told_apart(server: ChatServer, model: inb.Model, fault: Fault, words: str):
    server.faults = [fault]
    with pytest.raises(EndpointError, match=words) as error:
        model.generate(HI)
    assert error.value.hint
    assert model.generate(HI).text == "Hello there."


def openai(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


REFUSED = [
    (refuses(401, openai("Incorrect API key")), EndpointError, r"wants a key \(401\): Incorrect API key"),
    (refuses(403, ""), EndpointError, r"wants a key \(403\)\."),
    (refuses(404, openai("The model `talker` does not exist.")), ModelNotFound, "has no model 'talker'"),
    (refuses(404, ""), EndpointError, "has no /chat/completions"),
    (
        refuses(400, openai("This model's maximum context length is 8 tokens")),
        ContextTooLong,
        "too long for talker",
    ),
    (
        refuses(400, openai("exceeds the available context size", type="exceed_context_size_error")),
        ContextTooLong,
        "too long for talker",
    ),
    (
        refuses(400, openai("you must provide a chat template")),
        CapabilityMissing,
        "no chat template for talker",
    ),
    (refuses(422, {"detail": "temperature"}), EndpointError, r"refuses the request \(422\): temperature"),
    (
        refuses(301, "", Location="http://elsewhere.example/v1"),
        EndpointError,
        "redirects to elsewhere.example",
    ),
    (refuses(418, "<html>teapot</html>"), EndpointError, r"refuses the request \(418\)\."),
]


@pytest.mark.parametrize(("fault", "error", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refusals_say_what_to_do(
    server: ChatServer, model: inb.Model, fault: Fault, error: type[InfluenceError], words: str
):
    server.faults = [fault]
    with pytest.raises(error, match=words) as raised:
        model.generate(HI)
    assert raised.value.hint
    assert len(server.posts) == 1
    assert model.generate(HI).text == "Hello there."


def test_a_server_without_completions_says_so(server: ChatServer, model: inb.Model):
    server.completions = False
    with pytest.raises(
        CapabilityMissing, match="has no /completions, so it cannot continue plain text"
    ) as error:
        model.generate("Once")
    assert "messages" in error.value.hint
    assert model.generate(HI).text == "Hello there."


def test_a_stumble_is_tried_again_while_nothing_has_come(server: ChatServer, model: inb.Model):
    server.faults = [refuses(503), lambda handler: handler.reset(), refuses(429, "", Retry_After="1000")]
    assert model.generate(HI).text == "Hello there."
    assert len(server.posts) == 4
    server.faults = [refuses(500, openai("boom"))] * 9
    with pytest.raises(EndpointError, match=r"failed \(500\): boom"):
        model.generate(HI)
    assert len(server.posts) == 8  # four times and no more
    server.faults = [refuses(429, openai("slow down"))] * 9
    with pytest.raises(EndpointError, match=r"too busy, or its quota is used up \(429\)"):
        model.generate(HI)
    server.faults = [lambda handler: handler.some(1) or handler.reset()]
    with pytest.raises(EndpointError):
        model.generate(HI)
    assert len(server.posts) == 13  # an answer that has begun is not asked for twice


def test_time_for_trying_again_is_bounded(
    server: ChatServer, model: inb.Model, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wire, "PATIENCE", replace(wire.PATIENCE, longest_asked=30, total_seconds=1))
    server.faults = [refuses(429, "", Retry_After="20")]
    with pytest.raises(EndpointError, match="too busy, or away, for 1 seconds"):
        model.generate(HI)


def test_nobody_listens(model: inb.Model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(EndpointError, match="cannot be reached") as error:
            inb.load(endpoint=f"http://127.0.0.1:{free.getsockname()[1]}/v1")
    assert "running" in error.value.hint


@pytest.mark.parametrize("page", ["<html></html>", {"data": 3}, {}, [], {"data": [{"no": "id"}]}])
def test_a_server_of_another_kind_is_refused_when_it_is_loaded(server: ChatServer, page: Any):
    server.pages = {"/v1/models": page}
    with pytest.raises(InfluenceError):
        inb.load(endpoint=server.url)


def test_the_oldest_turns_are_left_out_until_the_server_takes_it(server: ChatServer, model: inb.Model):
    talk = model.session(system="Brief.", when_full="drop_oldest")
    for text in ("one", "two", "three"):
        talk.send(text)
    full = refuses(400, openai("maximum context length", code="context_length_exceeded"))
    server.faults = [full, full]
    talk.send("four")
    assert [message["content"] for message in server.posts[-1].body["messages"]][:2] == ["Brief.", "three"]
    assert talk.dropped == 4
    server.faults = [full] * 9
    with pytest.raises(ContextTooLong):
        talk.send("five")
    assert talk.messages[-1]["role"] == "assistant"


def test_the_key_goes_to_the_server_and_nowhere_else(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("INFLUENCE_ENDPOINT_KEY", KEY)
    settings.cache_clear()
    seen: list[str] = [repr(settings()), str(settings())]
    with ChatServer() as elsewhere:
        model = inb.load(endpoint=server.url)
        done = model.generate(HI)
        assert all(asked.headers["Authorization"] == f"Bearer {KEY}" for asked in server.log)
        seen += [
            repr(model),
            repr(model.address),
            str(model.report()),
            json.dumps(done.receipt.to_dict()),
            repr(done),
        ]
        seen += [(talk := model.session()).send("Hi").text, talk.save(tmp_path / "talk").read_text()]
        server.faults = [
            refuses(401, openai(f"Incorrect API key provided: {KEY}.")),
            refuses(307, "", Location=f"{elsewhere.url}/chat/completions"),
            refuses(418, f"{KEY} " * 99),
            says(json.dumps(openai(f"bad {KEY}"))),
            says(f"garbage {KEY}"),
        ]
        for _ in range(5):
            with pytest.raises(EndpointError) as error:
                model.generate(HI)
            seen += ["".join(traceback.format_exception(error.value)), str(error.value)]
        assert "refuses the key" in seen[-9]
        assert elsewhere.log == []
        model.unload()
    settings.cache_clear()
    assert KEY not in "".join([*seen, caplog.text])


def test_a_user_and_password_in_the_address_are_sent_and_not_shown(server: ChatServer):
    model = inb.load(endpoint=server.url.replace("//", "//me:pa%20ss-word@"))
    assert server.log[0].headers["Authorization"] == "Basic bWU6cGEgc3Mtd29yZA=="
    shown = repr(model) + str(model.report()) + str(model.generate(HI).receipt)
    assert server.url in shown
    assert not any(word in shown for word in ("ss-word", "me:pa", "bWU6"))
    model.unload()
