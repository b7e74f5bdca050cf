"""Our own API, over HTTP and against the same model in process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import influence_nb as inb
from influence_nb.server import scheduler
from tests.server.conftest import Gate, until

SAMPLING = {"max_new_tokens": 12, "seed": 5, "temperature": 0.9}


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of server-sent events."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def begin(server: inb.Server, path: str, body: object) -> socket.socket:
    """A request whose answer nobody has read yet."""
    data = json.dumps(body).encode()
    asking = socket.create_connection((server.host, server.port), timeout=60)
    head = f"POST {path} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {len(data)}\r\n\r\n"
    asking.sendall(head.encode() + data)
    return asking


@contextmanager
def held_up(http: httpx.Client, pool: ThreadPoolExecutor, gate: Gate) -> Iterator[None]:
    """The model is busy with a request of one token, until the gate is opened."""
    gate.shut()
    first = pool.submit(http.post, "/v1/generate", json={"prompt": "a", "sampling": {"max_new_tokens": 1}})
    assert gate.reached.wait(60)
    try:
        yield
    finally:
        gate.open()
    assert first.result().status_code == 200


def until_counted(http: httpx.Client, name: str) -> None:
    for _ in range(5000):
        if name in http.get("/metrics").text:
            return
    raise AssertionError(f"{name} was never counted")


def test_generate_gives_what_the_model_gives(http: httpx.Client, model: inb.Model) -> None:
    said = http.post("/v1/generate", json={"prompt": "Hello", "sampling": SAMPLING}).json()
    wanted = model.generate("Hello", **SAMPLING)
    assert [token["id"] for token in said["tokens"]] == wanted.ids
    assert said["text"] == wanted.text
    assert (said["finish_reason"], said["seed"], said["model"]) == ("length", 5, "llama")
    assert said["usage"] == {"prompt_tokens": 4, "completion_tokens": 12, "cached_tokens": 0}
    assert said["tokens"][3]["logprob_raw"] == pytest.approx(wanted.tokens[3].logprob_raw)
    assert said["timings"]["total"] > 0


def test_the_stream_gives_the_same_token_by_token(http: httpx.Client, model: inb.Model) -> None:
    wanted = model.generate("Hello", **SAMPLING)
    with http.stream("POST", "/v1/generate_stream", json={"prompt": "Hello", "sampling": SAMPLING}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        said = events(answer.read().decode())
    assert [name for name, _ in said] == ["message"] * 12 + ["done"]
    assert [data["id"] for _, data in said[:-1]] == wanted.ids
    assert "".join(data["text"] for _, data in said[:-1]) == wanted.text
    assert said[-1][1]["usage"]["completion_tokens"] == 12


def test_messages_ids_candidates_and_receipts(http: httpx.Client, model: Any) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    body = {"messages": messages, "sampling": {**SAMPLING, "temperature": 0}, "top": 3, "receipt": True}
    said = http.post("/v1/generate", json=body).json()
    assert said["receipt"]["output_ids"] == [token["id"] for token in said["tokens"]]
    assert model.replay(said["receipt"]).identical
    for token in said["tokens"]:
        best = [one["logprob_raw"] for one in token["top"]]
        assert len(best) == 3
        assert best == sorted(best, reverse=True)
    ids = model.encode(model.render(messages), special=False)
    again = http.post("/v1/generate", json={"prompt": ids, "sampling": {**SAMPLING, "temperature": 0}}).json()
    assert again["text"] == said["text"]
    drawn = http.post("/v1/generate", json={"prompt": "x", "sampling": {"max_new_tokens": 6}}).json()
    repeated = http.post(
        "/v1/generate", json={"prompt": "x", "sampling": {"max_new_tokens": 6, "seed": drawn["seed"]}}
    ).json()
    assert repeated["text"] == drawn["text"]


def test_an_error_after_the_first_token(http: httpx.Client, gate: Gate) -> None:
    gate.fail_after(3)
    body = {"prompt": "Hello", "sampling": SAMPLING}
    with http.stream("POST", "/v1/generate_stream", json=body) as answer:
        assert answer.status_code == 200, "it had begun"
        said = events(answer.read().decode())
    assert [name for name, _ in said] == ["message"] * 3 + ["error"]
    assert "a cable fell out" in said[-1][1]["error"]["message"]
    failed = http.post("/v1/generate", json=body)
    assert failed.status_code == 500
    assert "a cable fell out" in failed.json()["error"]["message"]
    gate.fail_after(-1)
    assert http.post("/v1/generate", json=body).status_code == 200


def test_a_client_that_hangs_up_stops_its_own_row_only(
    http: httpx.Client, server: inb.Server, model: inb.Model, gate: Gate
) -> None:
    never = {"logit_bias": {"0": -1e9, "2": -1e9}}
    long = {"prompt": "Hello", "sampling": {"max_new_tokens": 240, "seed": 1, **never}}
    short = {"prompt": "Other", "sampling": {**SAMPLING, "max_new_tokens": 40, **never}}
    wanted = model.generate("Other", **{**short["sampling"], "logit_bias": {0: -1e9, 2: -1e9}})
    with ThreadPoolExecutor() as pool, held_up(http, pool, gate):
        rude = begin(server, "/v1/generate_stream", long)
        other = pool.submit(http.post, "/v1/generate", json=short)
        until(http, waiting=2)
        before = model.forwards
        gate.open()
        received = b""
        while b"data:" not in received:
            received += rude.recv(4096)
        rude.close()
        assert other.result().json()["text"] == wanted.text
    until(http, running=0, waiting=0)
    assert model.forwards - before < 200, "the one who left was not run to the end"


def test_a_client_that_hangs_up_while_it_waits_is_not_run(
    http: httpx.Client, server: inb.Server, model: inb.Model, gate: Gate
) -> None:
    body = {"prompt": "Hello", "sampling": {"max_new_tokens": 100}}
    with ThreadPoolExecutor() as pool, held_up(http, pool, gate):
        for path in ("/v1/generate", "/v1/generate_stream"):
            begin(server, path, body).close()
        until_counted(http, 'influence_requests_total{path="/v1/generate",status="499"}')
        until_counted(http, 'influence_requests_total{path="/v1/generate_stream",status="499"}')
        before = model.forwards
        gate.open()
    until(http, running=0, waiting=0)
    assert model.forwards - before <= 1


def test_requests_that_wait_at_the_same_moment_share_passes(
    http: httpx.Client, model: inb.Model, gate: Gate
) -> None:
    samplings = [{"max_new_tokens": 5 + n, "seed": n, "temperature": 0.5 + n / 5} for n in range(6)]
    wanted = [model.generate(f"Number {n}", **sampling) for n, sampling in enumerate(samplings)]
    with ThreadPoolExecutor(16) as pool, held_up(http, pool, gate):
        asked = [
            pool.submit(http.post, "/v1/generate", json={"prompt": f"Number {n}", "sampling": sampling})
            for n, sampling in enumerate(samplings)
        ]
        until(http, waiting=6)
        before = model.forwards
        gate.open()
        said = [one.result().json() for one in asked]
    assert [one["text"] for one in said] == [one.text for one in wanted], "none is mixed up"
    most, total = max(len(one.ids) for one in wanted), sum(len(one.ids) for one in wanted)
    assert most <= model.forwards - before <= most + 1 < total


def test_one_alone_waits_for_nobody_and_begins_anew_with_those_that_come(
    http: httpx.Client, model: inb.Model, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {"logit_bias": {"0": -1e9, "2": -1e9}}
    bodies = [
        {"prompt": f"Number {n}", "sampling": {"max_new_tokens": 12 + n, "seed": n, **never}}
        for n in range(2)
    ]
    monkeypatch.setattr(scheduler, "WINDOW", 3600.0)
    wanted = [http.post("/v1/generate", json=body).json()["text"] for body in bodies]
    until(http, running=0, waiting=0)
    monkeypatch.setattr(scheduler, "MOST", 2)  # full with both: it waits for no third
    before = model.forwards
    gate.shut()
    with ThreadPoolExecutor() as pool:
        try:
            first = pool.submit(http.post, "/v1/generate", json=bodies[0])
            assert gate.reached.wait(60)
            second = pool.submit(http.post, "/v1/generate", json=bodies[1])
            until(http, running=1, waiting=1)
        finally:
            gate.open()
        assert [one.result().json()["text"] for one in (first, second)] == wanted
    assert model.forwards - before < 12 + 13, "they shared passes, the first one's beginning apart"


def test_tokens_there_and_back(http: httpx.Client, model: Any) -> None:
    text = "Zwölf 你好 \U0001f642"
    tokens = http.post("/tokenize", json={"prompt": text}).json()
    assert tokens == {"tokens": model.encode(text), "count": len(model.encode(text))}
    assert http.post("/detokenize", json={"tokens": tokens["tokens"]}).json() == {"prompt": text}
    assert http.post("/detokenize", json={"tokens": [99999]}).json()["error"]["field"] == "tokens"
    info = http.get("/tokenizer_info").json()
    assert (info["eos_token"], info["eos_token_id"]) == ("<|endoftext|>", 0)
    assert info["vocabulary_size"] == model.vocabulary_size


def test_counts(http: httpx.Client) -> None:
    http.post("/v1/generate", json={"prompt": "a", "sampling": {"max_new_tokens": 3}})
    text = http.get("/metrics").text
    assert 'influence_requests_total{path="/v1/generate",status="200"}' in text
    assert 'influence_tokens_total{kind="completion"}' in text
    assert "influence_waiting 0.0" in text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": []}, "prompt"),
        ({"prompt": "a", "samplings": {}}, "samplings"),
        ({"prompt": "a", "sampling": {"temperature": -1}}, "temperature"),
        ({"prompt": "a", "sampling": {"heat": 1}}, "heat"),
        ({"prompt": "a", "sampling": {"logit_bias": {"x": 1}}}, "logit_bias"),
        ({"prompt": "a", "top": 21}, "top"),
        ({"prompt": 5}, "prompt"),
    ],
)
def test_what_is_wrong_is_named(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    for path in ("/v1/generate", "/v1/generate_stream"):
        answer = http.post(path, json=body)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["field"].startswith(field)
        assert error["message"]
        assert error["hint"]


def test_a_prompt_past_the_context_gives_both_numbers(http: httpx.Client) -> None:
    answer = http.post("/v1/generate_stream", json={"prompt": [5] * 300})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "ContextTooLong"
    assert "300" in answer.json()["error"]["message"]
    assert "256" in answer.json()["error"]["message"]
