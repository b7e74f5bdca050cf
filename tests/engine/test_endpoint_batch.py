"""Batches at a server: side by side, in order, each failure alone, stopped as one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

import influence_nb as inb
from influence_nb.engine.runtimes.endpoint.parallel import AT_ONCE
from influence_nb.errors import BatchIncomplete, EndpointError
from tests.chat_server import ChatServer, Handler


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.fixture
def model(server: ChatServer) -> Iterator[inb.Model]:
    made = inb.load(endpoint=server.url)
    yield made
    made.unload()


def test_requests_run_side_by_side_and_their_answers_stand_in_order(server: ChatServer, model: inb.Model):
    together = threading.Barrier(AT_ONCE)  # which only so many at the same moment can pass

    def echo(handler: Handler) -> bool:
        together.wait(60)
        handler.some(0)
        data = json.dumps(
            {"choices": [{"text": handler.asked.body["prompt"] + "!", "finish_reason": "stop"}]}
        )
        handler.chunk(f"data: {data}\n\n".encode())
        handler.chunk(b"")
        return True

    server.faults = [echo] * (2 * AT_ONCE)
    told = []
    prompts = [f"prompt {number}" for number in range(2 * AT_ONCE)]
    done = model.batch(prompts, on_progress=told.append)
    assert [one.text for one in done] == [f"{prompt}!" for prompt in prompts]
    assert (told[-1].done, told[-1].total, told[-1].failed) == (16, 16, 0)
    assert [told[-1].tokens] == [16]


def test_one_that_fails_fails_alone(server: ChatServer, model: inb.Model):
    server.faults = [lambda handler: handler.some(1) or handler.reset()]
    with pytest.raises(BatchIncomplete) as error:
        model.batch(["one", "two", "", "four"], max_new_tokens=2)
    failures = error.value.failures
    assert len(failures) == 2
    assert 2 in failures  # the empty one
    died = next(one for place, one in failures.items() if place != 2)
    assert isinstance(died, EndpointError)
    assert died.completion.text == "Hello"
    assert [one.text for one in error.value.completions if one is not None] == ["Hello there"] * 2


def test_a_cancel_closes_every_connection(server: ChatServer, model: inb.Model):
    cancel = threading.Event()
    last = lambda handler: handler.some(2) or cancel.set() or handler.hang()  # noqa: E731
    server.faults = [*[lambda handler: handler.some(2) or handler.hang()] * (AT_ONCE - 1), last]
    done = model.batch(["x"] * 20, cancel=cancel)
    assert {one.finish_reason for one in done} == {"cancelled"}
    for _ in server.posts:
        server.gone.get(timeout=60)
    assert len(server.posts) == AT_ONCE
