"""Encoders on a server: this project's own, and one that fails as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.engine.runtimes.endpoint import wire
from influence_nb.errors import (
    CapabilityMissing,
    ContextTooLong,
    EndpointError,
    InfluenceError,
    InvalidData,
    ModelNotFound,
)
from influence_nb.settings import settings
from tests.chat_server import ChatServer, Handler

TEXTS = [f"text {number}" for number in range(10)]
Fault = Callable[[Handler], bool]


def vector(text: str) -> list[float]:
    return [float(len(text)), float(ord(text[-1])), 1.0]


def answers(handler: Handler) -> bool:
    texts = handler.asked.body["input"]
    data = [{"index": place, "embedding": vector(text)} for place, text in enumerate(texts)]
    handler.answer(200, {"data": data[::-1]})  # in any order: the index counts
    return True


class Answering(list[Fault]):
    """Faults that are used up, then answers without an end."""

    def __bool__(self) -> bool:
        return True

    def pop(self, place: Any = 0) -> Fault:
        return super().pop(place) if len(self) else answers


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    soon = replace(wire.PATIENCE, first_wait=0.001, longest_wait=0.01, longest_asked=0.01)
    monkeypatch.setattr(wire, "PATIENCE", soon)
    with ChatServer(models=[{"id": "embedder", "owned_by": "me"}], faults=Answering()) as made:
        yield made


@pytest.mark.starter
def test_our_own_server_gives_what_the_encoder_gives(starter: inb.Encoder) -> None:
    with inb.serve(port=0) as running:
        encoder = inb.load_encoder("starter/embedding", endpoint=running.url + "/v1")
        texts = ["The cat sat on the mat.", "A feline rested on a rug.", "Zwölf Boxkämpfer", ""]
        assert (encoder.name, encoder.dimension) == ("starter/embedding", 384)
        alike = (encoder.encode(texts) * starter.encode(texts)).sum(axis=1)
        assert alike.min() > 0.999, "the server's may compute in bfloat16"
        made = inb.EmbeddingMap(texts[:3], encoder=encoder, projection="pca")
        assert made.neighbours("a kitten", k=1)["text"].iloc[0] in texts[:2]
        assert "starter/embedding" in made.title()
        with pytest.raises(ModelNotFound, match="no model 'nobody'"):
            inb.load_encoder("nobody", endpoint=running.url)
        with pytest.raises(CapabilityMissing, match="makes no embeddings"):
            inb.load_encoder("starter/chat", endpoint=running.url)


def test_texts_go_in_batches_and_come_back_in_order(server: ChatServer) -> None:
    encoder, seen = inb.load_encoder(endpoint=server.url), []
    found = encoder.encode(TEXTS, batch_size=4, on_progress=lambda *step: seen.append(step), prompt="q: ")
    np.testing.assert_array_equal(found, [vector(f"q: {text}") for text in TEXTS])
    assert [len(asked.body["input"]) for asked in server.posts] == [1, 4, 4, 2]
    assert {asked.path for asked in server.posts} == {"/v1/embeddings"}
    assert server.posts[1].body["model"] == "embedder"
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_what_came_before_a_failure_is_kept(
    server: ChatServer, tmp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUENCE_VECTOR_CACHE", "1MB")
    settings.cache_clear()
    encoder = inb.load_encoder(endpoint=server.url)
    server.faults[:] = [answers, *[lambda handler: handler.answer(503, "busy") or True] * 4]
    with pytest.raises(EndpointError, match="503"):
        encoder.encode(TEXTS, batch_size=4, cache=True)
    assert encoder.encoded(TEXTS, batch_size=4, cache=True).reused == 4
    assert "sk-" not in "".join(path.read_text() for path in tmp_home.rglob("encoder.json"))


def says(body: Any, status: int = 200) -> Fault:
    return lambda handler: handler.answer(status, body) or True


ODD = "something else than a vector for each text"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (says({"data": []}), EndpointError, ODD),
        (says({"data": [{"index": 0, "embedding": [1, 2]}] * 2}), EndpointError, ODD),
        (
            says({"data": [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": [1]}]}),
            EndpointError,
            ODD,
        ),
        (says({"data": [{"embedding": [1, 2, 3]}, {"embedding": [1, 2]}]}), EndpointError, ODD),
        (
            says({"data": [{"embedding": [1, 2]}, {"embedding": [1, 2]}]}),
            EndpointError,
            "3 numbers before, and now of 2",
        ),
        (says('{"data": [{"embedding": [1, 2, NaN]}, {"embedding": [1, 2, 3]}]}'), EndpointError, "NaN"),
        (says("[1]"), EndpointError, ODD),
        (says("nonsense"), EndpointError, ODD),
        (says({"error": {"message": "input exceeds the context length"}}, 400), ContextTooLong, "too long"),
        (says({"error": {"message": "no key"}}, 401), EndpointError, "wants a key"),
        (says("not here", 404), EndpointError, "no /embeddings"),
        (lambda handler: handler.answer(200, "<html>", "text/html") or True, EndpointError, "web page"),
    ],
)
def test_garbage_and_refusals(
    server: ChatServer, fault: Fault, error: type[InfluenceError], words: str
) -> None:
    encoder = inb.load_encoder(endpoint=server.url)
    server.faults.append(fault)
    with pytest.raises(error, match=words) as caught:
        encoder.encode(TEXTS[:2])
    assert caught.value.hint
    np.testing.assert_array_equal(encoder.encode(TEXTS[:2]), [vector(text) for text in TEXTS[:2]])


def test_it_stumbles_and_goes_on(server: ChatServer) -> None:
    encoder = inb.load_encoder(endpoint=server.url)
    server.faults += [says("busy", 503), lambda handler: handler.reset(), says("busy", 429)]
    assert len(encoder.encode(TEXTS)) == 10


def test_a_cancel_cuts_a_request_that_hangs(server: ChatServer) -> None:
    encoder, cancel = inb.load_encoder(endpoint=server.url), threading.Event()

    def hangs(handler: Handler) -> bool:
        cancel.set()
        return handler.hang()

    server.faults += [answers, hangs]
    with pytest.raises(InfluenceError, match="stopped after 4 of 10"):
        encoder.encode(TEXTS, batch_size=4, cancel=cancel)
    server.gone.get(timeout=60)


def test_what_contradicts_itself(server: ChatServer) -> None:
    with pytest.raises(InvalidData, match="cannot be chosen"):
        inb.load_encoder("embedder", endpoint=server.url, layer=1)
    with pytest.raises(InvalidData, match="no endpoint"):
        inb.load_encoder("embedder", key="sk-1")
    with pytest.raises(InvalidData, match="not the address"):
        inb.load_encoder(endpoint="nowhere at all")
    server.models.append({"id": "another"})
    with pytest.raises(ModelNotFound, match="2 models"):
        inb.load_encoder(endpoint=server.url)
    json.dumps(inb.load_encoder("embedder", endpoint=server.url).facts())
