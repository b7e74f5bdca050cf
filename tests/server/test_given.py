"""Defaults that a server is given hold in every API, under what a client says; without them each API has its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import influence_nb as inb
from influence_nb.engine.sampling import FIELDS
from influence_nb.server.ollama import bodies as ollama
from influence_nb.server.openai import bodies as openai

GIVEN: dict[str, Any] = {
    "temperature": 0.3,
    "top_p": 0.8,
    "top_k": 30,
    "repetition_penalty": 1.3,
    "max_new_tokens": 7,
    "seed": 5,
    "stop": ("zq",),
}
RAW = {"prompt": "Hello", "raw": True, "stream": False}


@pytest.fixture(scope="module")
def http(load: Any) -> Iterator[httpx.Client]:
    with (
        inb.serve(load("llama"), port=0, sampling=GIVEN) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        yield client


def test_what_a_client_leaves_out(http: httpx.Client, model: inb.Model) -> None:
    wanted = model.generate("Hello", **GIVEN).text
    assert http.post("/v1/generate", json={"prompt": "Hello"}).json()["text"] == wanted
    assert http.post("/v1/completions", json={"prompt": "Hello"}).json()["choices"][0]["text"] == wanted
    windowed = model.generate("Hello", **GIVEN, penalty_window=64).text
    assert http.post("/api/generate", json=RAW).json()["response"] == windowed
    messages = [{"role": "user", "content": "Hello"}]
    said = http.post("/v1/chat/completions", json={"messages": messages}).json()
    assert said["choices"][0]["message"]["content"] == model.generate(messages, **GIVEN).text
    short = http.post("/v1/chat/completions", json={"messages": messages, "max_completion_tokens": 2}).json()
    assert short["usage"]["completion_tokens"] <= 2


def test_what_a_client_says_goes_before(http: httpx.Client, model: inb.Model) -> None:
    wanted = model.generate("Hello", **{**GIVEN, "temperature": 0, "max_new_tokens": 3})
    body = {"prompt": "Hello", "temperature": 0, "max_tokens": 3}
    assert http.post("/v1/completions", json=body).json()["choices"][0]["text"] == wanted.text
    options = {"temperature": 0, "num_predict": 3}
    assert http.post("/api/generate", json={**RAW, "options": options}).json()["response"] == wanted.text


def test_what_each_api_has_a_field_for() -> None:
    every = {one.name: getattr(inb.Sampling(), one.name) for one in FIELDS}
    given = {**every, "temperature": 0.3, "logit_bias": {5: 1.0}, "min_new_tokens": 2, "top_p": None}
    options = ollama.Options().over(given).sampling(9)
    assert (options.temperature, options.top_p, options.top_k, options.penalty_window) == (
        0.3,
        None,
        None,
        None,
    )
    assert options.repetition_penalty == 1.1
    body = openai.Body(temperature=0.5).over(given)
    sampling = body.sampling(9)
    assert (sampling.temperature, sampling.top_p, sampling.repetition_penalty) == (0.5, None, 1.1)
    assert (dict(sampling.logit_bias), sampling.min_new_tokens, body.max_tokens) == ({5: 1.0}, 2, 512)


def test_a_whole_sampling_is_for_our_own_api(model: inb.Model) -> None:
    whole = inb.Sampling(temperature=0, max_new_tokens=2)
    with (
        inb.serve(model, port=0, sampling=whole) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        mine = http.post("/v1/generate", json={"prompt": "Hello"}).json()
        assert mine["text"] == model.generate("Hello", whole).text
        body = {"prompt": "Hello", "seed": 3, "max_tokens": 6}
        plain = inb.Sampling(temperature=1, top_p=None, repetition_penalty=1, max_new_tokens=6, seed=3)
        said = http.post("/v1/completions", json=body).json()["choices"][0]["text"]
        assert said == model.generate("Hello", plain).text
    for wrong in ({"warmth": 1}, {"temperature": -1}):
        with pytest.raises(inb.errors.InvalidSampling):
            inb.serve(model, port=0, sampling=wrong)
