"""OpenAI's API, driven by the openai package, sync and async."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, Literal

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

import influence_nb as inb
from tests.server.conftest import Gate
from tests.server.openais import FIXED, client, ours

__all__ = ["client"]

SAID: Any = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]


def test_a_chat(client: openai.OpenAI, model: inb.Model) -> None:
    said = client.chat.completions.create(model="llama", messages=SAID, **FIXED)
    wanted = ours(model, SAID)
    assert said.choices[0].message.content == wanted.text
    assert said.choices[0].message.role == "assistant"
    assert said.choices[0].finish_reason == wanted.finish_reason
    assert said.usage is not None
    assert said.usage.prompt_tokens == wanted.usage.prompt_tokens
    assert said.usage.total_tokens == said.usage.prompt_tokens + 10
    assert (said.object, said.model) == ("chat.completion", "llama")


def test_a_chat_as_a_stream(client: openai.OpenAI, model: inb.Model) -> None:
    chunks = list(
        client.chat.completions.create(
            model="llama:latest", messages=SAID, stream=True, stream_options={"include_usage": True}, **FIXED
        )
    )
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == ours(model, SAID).text
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1] if chunk.choices[0].finish_reason] == [
        "length"
    ]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 10
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_choices_seeds_and_parts(client: openai.OpenAI, model: inb.Model) -> None:
    parts: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}
    ]
    said = client.chat.completions.create(model="llama", messages=parts, n=3, **FIXED)
    one: Any = [{"role": "user", "content": "Hello"}]
    assert [choice.message.content for choice in said.choices] == [
        ours(model, one, seed=seed).text for seed in (7, 8, 9)
    ]
    assert said.usage is not None
    assert said.usage.completion_tokens == 30
    assert said.usage.prompt_tokens == ours(model, one).usage.prompt_tokens
    chunks = client.chat.completions.create(model="llama", messages=parts, n=3, stream=True, **FIXED)
    texts = ["", "", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in said.choices]


def test_log_probabilities_of_a_chat(client: openai.OpenAI, model: Any) -> None:
    said = client.chat.completions.create(
        model="llama", messages=SAID, logprobs=True, top_logprobs=4, **FIXED
    )
    wanted = ours(model, SAID)
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    content = logprobs.content
    assert content is not None
    assert [one.logprob for one in content] == [event.logprob_raw for event in wanted.tokens]
    assert [one.token for one in content] == [model.decode([id], special=True) for id in wanted.ids]
    assert all(len(one.top_logprobs) == 4 for one in content)
    assert all(one.bytes is None or bytes(one.bytes).decode() == one.token for one in content)
    chunks = client.chat.completions.create(
        model="llama", messages=SAID, logprobs=True, top_logprobs=4, stream=True, **FIXED
    )
    streamed = [
        one
        for chunk in chunks
        for choice in chunk.choices
        if choice.logprobs
        for one in choice.logprobs.content or []
    ]
    assert streamed == content


def test_stops_biases_and_penalties(client: openai.OpenAI, model: Any) -> None:
    forced = client.completions.create(
        model="llama", prompt="a", max_tokens=6, temperature=0, logit_bias={"70": 100}, stop=None
    )
    assert forced.choices[0].text == model.decode([70] * 6)
    letter = model.decode([70])
    stopped = client.completions.create(
        model="llama", prompt="a", max_tokens=6, temperature=0, logit_bias={"70": 100}, stop=[letter * 2]
    )
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == ("", "stop")
    varied = client.completions.create(
        model="llama", prompt="a", presence_penalty=1.5, frequency_penalty=1.0, **FIXED
    )
    assert varied.choices[0].text == ours(model, "a", presence_penalty=1.5, frequency_penalty=1.0).text


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Annotated[int, Field(ge=0, le=9)]


def test_answers_of_a_schema(client: openai.OpenAI) -> None:
    said = client.chat.completions.parse(
        model="llama", messages=SAID, response_format=Animal, max_tokens=100, temperature=1.5, seed=1
    )
    assert isinstance(said.choices[0].message.parsed, Animal)
    any_object = client.chat.completions.create(
        model="llama", messages=SAID, response_format={"type": "json_object"}, max_tokens=30, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in any_object).startswith("{")


@pytest.mark.parametrize("kind", ["text", "texts", "ids", "lists of ids"])
def test_prompts_of_all_kinds(client: openai.OpenAI, model: Any, kind: str) -> None:
    texts = ["Hello", "Zwölf"]
    ids = [model.encode(text) for text in texts]
    prompt: Any = {"text": texts[0], "texts": texts, "ids": ids[0], "lists of ids": ids}[kind]
    said = client.completions.create(model="llama", prompt=prompt, n=2, **FIXED)
    asked = texts if kind in ("texts", "lists of ids") else texts[:1]
    assert [choice.text for choice in said.choices] == [
        ours(model, text, seed=seed).text for text in asked for seed in (7, 8)
    ]
    assert [choice.index for choice in said.choices] == list(range(2 * len(asked)))
    chunks = list(
        client.completions.create(
            model="llama", prompt=prompt, n=2, stream=True, stream_options={"include_usage": True}, **FIXED
        )
    )
    streamed = [""] * len(said.choices)
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == [choice.text for choice in said.choices]
    assert chunks[-1].usage is not None
    assert said.usage is not None
    assert chunks[-1].usage.total_tokens == said.usage.total_tokens


def test_async_clients_at_once(server: inb.Server, model: inb.Model) -> None:
    async def ask() -> list[str]:
        direct = httpx.AsyncClient(trust_env=False, timeout=60)
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", http_client=direct
        ) as client:

            async def one(seed: int) -> str:
                stream = await client.chat.completions.create(
                    model="llama", messages=SAID, stream=True, max_tokens=8, seed=seed, temperature=0.8
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one(seed) for seed in range(12)))

    assert asyncio.run(ask()) == [ours(model, SAID, seed=seed, max_new_tokens=8).text for seed in range(12)]


def test_an_error_after_the_first_chunk(client: openai.OpenAI, gate: Gate) -> None:
    gate.fail_after(2)
    stream = client.chat.completions.create(model="llama", messages=SAID, stream=True, **FIXED)
    with pytest.raises(openai.APIError, match="a cable fell out"):
        list(stream)
    with pytest.raises(openai.InternalServerError, match="a cable fell out"):
        client.chat.completions.create(model="llama", messages=SAID, **FIXED)
    gate.fail_after(-1)
    assert client.chat.completions.create(model="llama", messages=SAID, **FIXED).choices


def test_models(client: openai.OpenAI) -> None:
    assert "llama" in [one.id for one in client.models.list()]
    assert client.models.retrieve("llama").object == "model"
    for name in ("nobody/nothing", "../../etc/passwd", "/etc"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model=name, messages=SAID)
        assert caught.value.code == "model_not_found"
        body: Any = caught.value.body
        assert body["message"] == f"model {name!r} not found. GET /v1/models lists what is here."
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody/nothing")


@pytest.mark.starter
def test_embeddings(client: openai.OpenAI) -> None:
    texts = ["A cat sat.", "Shares fell.", ""]
    wanted = inb.load_encoder().encode(texts)
    said = client.embeddings.create(model="starter/embedding", input=texts)  # base64, unpacked by the client
    plain = client.embeddings.create(model="starter/embedding", input=texts, encoding_format="float")
    for given in (said, plain):
        assert [one.embedding for one in given.data] == [pytest.approx(list(row), abs=1e-5) for row in wanted]
    assert said.usage.prompt_tokens > len(texts)
    short = client.embeddings.create(model="starter/embedding", input="A cat sat.", dimensions=16)
    assert len(short.data[0].embedding) == 16
    assert math.hypot(*short.data[0].embedding) == pytest.approx(1, abs=1e-5)
    ids = client.embeddings.create(model="starter/embedding", input=[[101, 1037, 4937, 102], [4937]])
    assert len(ids.data) == 2
    for wrong in ({"input": []}, {"input": "a", "dimensions": 9999}, {"input": [[10**6]]}):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="starter/embedding", **wrong)
    with pytest.raises(openai.BadRequestError, match="does not support embeddings"):
        client.embeddings.create(model="llama", input="a")
    with pytest.raises(openai.BadRequestError, match="does not support generate"):
        client.chat.completions.create(model="starter/embedding", messages=SAID)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "b"}},
                }
            },
            "response_format",
        ),
        ({"modalities": ["audio"]}, "modalities"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"heat": 1}, "heat"),
        ({"n": 0}, "n"),
        ({"n": "two"}, "n"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, None),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": "f"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 1000}]}, None),
        ({"messages": None}, "messages"),
    ],
)
def test_what_is_refused_is_named(http: httpx.Client, wrong: dict[str, Any], param: str | None) -> None:
    answer = http.post("/v1/chat/completions", json={"model": "llama", "messages": SAID, **wrong})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_what_completions_refuse(http: httpx.Client) -> None:
    for wrong in (
        {"prompt": []},
        {"prompt": [[]]},
        {"prompt": ""},
        {"prompt": [5, -1]},
        {"prompt": [10**9]},
        {"prompt": [True]},
        {"prompt": {"a": 1}},
        {"prompt": "a", "max_tokens": 0},
        {"prompt": "a", "max_tokens": -5},
        {"prompt": "a", "logprobs": 21},
        {"prompt": "a", "suffix": "z"},
        {"prompt": "a", "best_of": 5},
        {"prompt": "a", "echo": True, "logprobs": 1, "stream": True},
        {"prompt": [7] * 256, "echo": True, "logprobs": 1, "max_tokens": 1},
    ):
        answer = http.post("/v1/completions", json=wrong)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"]["message"]
    long = http.post("/v1/completions", json={"prompt": [7] * 300}).json()["error"]
    assert long["code"] == "context_length_exceeded"
    assert "300" in long["message"]
    assert "256" in long["message"]
