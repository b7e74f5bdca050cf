"""Ollama's API, driven by the ollama package, sync and async."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import ollama
import pytest

import influence_nb as inb
from tests.server.conftest import Gate

SAID: Any = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]
FIXED: Any = {"num_predict": 10, "seed": 7}


@pytest.fixture(scope="module")
def client(server: inb.Server) -> ollama.Client:
    return ollama.Client(host=server.url, trust_env=False, timeout=60)


def ours(model: inb.Model, prompt: Any, **changed: Any) -> inb.Completion:
    """The same in process, with Ollama's defaults."""
    plain = inb.Sampling(
        temperature=0.8,
        top_k=40,
        top_p=0.9,
        repetition_penalty=1.0,
        penalty_window=64,
        max_new_tokens=10,
        seed=7,
    )
    return model.generate(prompt, plain.replace(**changed))


def test_a_chat(client: ollama.Client, model: inb.Model) -> None:
    said = client.chat("llama", SAID, options=FIXED)
    wanted = ours(model, SAID)
    assert said.message.content == wanted.text
    assert (said.message.role, said.done, said.done_reason) == ("assistant", True, wanted.finish_reason)
    assert (said.prompt_eval_count, said.eval_count) == (wanted.usage.prompt_tokens, len(wanted.ids))
    assert said.total_duration is not None
    assert said.eval_duration is not None
    assert said.prompt_eval_duration is not None
    assert said.total_duration >= said.eval_duration + said.prompt_eval_duration > 0


def test_a_chat_as_a_stream(client: ollama.Client, model: inb.Model) -> None:
    parts = list(client.chat("llama:latest", SAID, options=FIXED, stream=True))
    assert "".join(part.message.content or "" for part in parts) == ours(model, SAID).text
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == len(ours(model, SAID).ids)
    assert all(part.model == "llama:latest" for part in parts)


def test_streams_are_on_by_default_and_lines_of_json(http: httpx.Client) -> None:
    answer = http.post("/api/generate", json={"model": "llama", "prompt": "Hello", "options": FIXED})
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    whole = http.post(
        "/api/generate", json={"model": "llama", "prompt": "Hello", "options": FIXED, "stream": False}
    )
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["response"] == "".join(line["response"] for line in lines)


def test_generate_goes_through_the_template_unless_raw(client: ollama.Client, model: Any) -> None:
    user = {"role": "user", "content": "Hello"}
    assert client.generate("llama", "Hello", options=FIXED).response == ours(model, [user]).text
    asked = client.generate("llama", "Hello", system="Be short.", options=FIXED)
    assert asked.response == ours(model, SAID).text
    raw = client.generate("llama", "Hello", raw=True, options=FIXED)
    assert raw.response == ours(model, "Hello").text
    assert raw.context is None


def test_a_context_goes_on(client: ollama.Client, model: Any) -> None:
    first = client.generate("llama", "Hello", options=FIXED)
    rendered = model.encode(model.render([{"role": "user", "content": "Hello"}]), special=False)
    assert list(first.context or []) == [*rendered, *ours(model, rendered).ids]
    second = client.generate("llama", "Again", context=first.context, options=FIXED)
    again = model.encode(model.render([{"role": "user", "content": "Again"}]), special=False)
    assert second.response == ours(model, [*(first.context or []), *again]).text


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 1.5, "top_k": 0, "top_p": 1}, {"temperature": 1.5, "top_k": None, "top_p": None}),
        ({"repeat_penalty": 1.3}, {"repetition_penalty": 1.3}),
        ({"repeat_penalty": 1.3, "repeat_last_n": 0}, {}),
        ({"repeat_penalty": 1.3, "repeat_last_n": -1}, {"repetition_penalty": 1.3, "penalty_window": None}),
        (
            {"presence_penalty": 1.0, "frequency_penalty": 0.5},
            {"presence_penalty": 1.0, "frequency_penalty": 0.5},
        ),
        ({"min_p": 0.2, "typical_p": 0.5}, {"min_p": 0.2, "typical_p": 0.5}),
        ({"num_predict": 3}, {"max_new_tokens": 3}),
        ({"num_predict": -1, "num_ctx": 20}, {"max_new_tokens": 16}),
        ({"seed": 11.0}, {"seed": 11}),
        ({"num_gpu": 1, "no_such_option": "x"}, {}),
    ],
)
def test_options_are_ours(
    client: ollama.Client, model: Any, options: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert len(model.encode("Hello")) == 4
    said = client.generate("llama", "Hello", raw=True, options={**FIXED, **options})
    wanted = ours(model, "Hello", **changed)
    assert said.response == wanted.text
    assert said.eval_count == len(wanted.ids)


def test_stops(client: ollama.Client, model: Any) -> None:
    text = ours(model, "Hello").text
    said = client.generate("llama", "Hello", raw=True, options={**FIXED, "stop": [text[3:5]]})
    assert (said.response, said.done_reason) == (text[: text.index(text[3:5])], "stop")


def test_log_probabilities(client: ollama.Client, model: Any) -> None:
    said = client.generate("llama", "Hello", raw=True, options=FIXED, logprobs=True, top_logprobs=3)
    assert [one.logprob for one in said.logprobs or []] == [
        one.logprob_raw for one in ours(model, "Hello").tokens
    ]
    assert all(len(one.top_logprobs or []) == 3 for one in said.logprobs or [])
    parts = client.chat("llama", SAID, options=FIXED, logprobs=True, stream=True)
    shown = [token for token in ours(model, SAID).tokens if token.finish_reason != "stop"]
    assert [one.logprob for part in parts for one in part.logprobs or []] == [
        one.logprob_raw for one in shown
    ]


def test_answers_of_a_schema(client: ollama.Client) -> None:
    schema: Any = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["cat", "dog"]},
            "legs": {"type": "integer", "minimum": 0, "maximum": 9},
        },
        "required": ["kind", "legs"],
        "additionalProperties": False,
    }
    options = {"num_predict": 100, "seed": 1, "temperature": 1.5}
    said = json.loads(client.chat("llama", SAID, format=schema, options=options).message.content or "")
    assert said["kind"] in ("cat", "dog")
    assert 0 <= said["legs"] <= 9
    parts = client.generate("llama", "Hello", format="json", options={"num_predict": 20}, stream=True)
    assert "".join(part.response or "" for part in parts).startswith("{")
    with pytest.raises(ollama.ResponseError, match="schema that cannot be followed"):
        client.chat("llama", SAID, format={"type": "no such type"})


def test_an_error_after_the_first_line(client: ollama.Client, gate: Gate) -> None:
    gate.fail_after(4)
    with pytest.raises(ollama.ResponseError, match="a cable fell out"):
        list(client.chat("llama", SAID, options={**FIXED, "temperature": 0}, stream=True))
    with pytest.raises(ollama.ResponseError, match="a cable fell out") as caught:
        client.chat("llama", SAID, options=FIXED)
    assert caught.value.status_code == 500
    gate.fail_after(-1)
    assert client.chat("llama", SAID, options=FIXED).done


def test_async_clients_at_once(server: inb.Server, model: inb.Model) -> None:
    async def ask() -> list[str]:
        client = ollama.AsyncClient(host=server.url, trust_env=False, timeout=60)

        async def one(seed: int) -> str:
            options = {"num_predict": 8, "seed": seed}
            stream = await client.generate("llama", "Hello", raw=True, options=options, stream=True)
            return "".join([part.response or "" async for part in stream])

        return await asyncio.gather(*(one(seed) for seed in range(12)))

    assert asyncio.run(ask()) == [
        ours(model, "Hello", seed=seed, max_new_tokens=8).text for seed in range(12)
    ]


def test_what_is_loaded_and_what_it_is(client: ollama.Client, http: httpx.Client, model: inb.Model) -> None:
    (one,) = [found for found in client.list().models if found.model == "llama"]
    assert one.details is not None
    assert (one.details.format, one.details.family, one.details.quantization_level) == (
        "safetensors",
        "llama",
        "F32",
    )
    assert one.digest
    (running,) = client.ps().models
    assert (running.model, running.size, running.context_length) == ("llama", model.memory, 256)
    assert isinstance(running.expires_at, datetime)
    shown = client.show("llama")
    assert shown.template == model.chat_template
    assert shown.capabilities == ["completion", "thinking"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 256
    assert http.get("/").text == "Ollama is running"
    assert http.head("/").status_code == 200
    assert http.get("/api/version").json()["version"]


def test_the_notebook_s_own_model_stays(client: ollama.Client, model: inb.Model) -> None:
    assert client.generate("llama", "").done_reason == "load"
    client.generate("llama", "a", options={"num_predict": 1}, keep_alive=0)
    with pytest.raises(ollama.ResponseError, match="stays loaded"):
        client.generate("llama", "", keep_alive=0)
    assert model.is_loaded
    assert model.keep_alive is None


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/generate", {"model": "nobody", "prompt": "a"}, (404, "model 'nobody' not found")),
        ("/api/chat", {"model": "../../etc", "messages": SAID}, (404, "model '../../etc' not found")),
        ("/api/show", {"model": "/etc"}, (404, "model '/etc' not found")),
        ("/api/show", {}, (400, "model is required")),
        (
            "/api/generate",
            {"prompt": "a", "options": {"top_k": "x"}},
            (400, 'option "top_k" must be of type integer'),
        ),
        (
            "/api/generate",
            {"prompt": "a", "options": {"stop": 5}},
            (400, 'option "stop" must be of type array'),
        ),
        (
            "/api/generate",
            {"prompt": "a", "options": {"top_p": "x"}},
            (400, 'option "top_p" must be of type float32'),
        ),
        ("/api/generate", {"prompt": "a", "options": {"temperature": -1}}, (400, "temperature")),
        ("/api/generate", {"prompt": "a", "format": "xml"}, (400, "invalid format")),
        ("/api/generate", {"prompt": "a", "think": "a lot"}, (400, 'invalid think value: "a lot"')),
        ("/api/generate", {"prompt": "a", "think": 5}, (400, "think=5 cannot be")),
        ("/api/chat", {"messages": SAID, "think": True, "format": "json"}, (400, "think is not supported")),
        ("/api/generate", {"prompt": "a", "think": True, "raw": True}, (400, "beside raw, template")),
        ("/api/generate", {"prompt": "a", "think": "low", "suffix": "b"}, (400, "beside raw, template")),
        ("/api/generate", {"prompt": "a", "think": True, "template": "b"}, (400, "beside raw, template")),
        ("/api/generate", {"prompt": "a", "suffix": "b"}, (400, '"llama" does not support insert')),
        ("/api/generate", {"prompt": "a", "suffix": "b", "template": "{{ .Prompt }}"}, (400, "insert")),
        ("/api/generate", {"prompt": "a", "suffix": "b", "raw": True}, (400, "raw mode")),
        ("/api/generate", {"prompt": "a", "template": "b", "raw": True}, (400, "raw mode")),
        ("/api/generate", {"prompt": "a", "template": "{{ range .Messages }}"}, (400, "is not understood")),
        ("/api/generate", {"prompt": "a", "images": ["aa"]}, (400, "images is not supported")),
        ("/api/generate", {"prompt": "a", "raw": True, "system": "b"}, (400, "raw mode")),
        ("/api/generate", {"prompt": "a", "keep_alive": "soon"}, (400, "keep_alive")),
        (
            "/api/generate",
            {"prompt": "a" * 300, "raw": True},
            (400, "300 tokens long; llama has a context of 256"),
        ),
        ("/api/generate", {"prompt": "Hello", "raw": True, "options": {"num_ctx": 4}}, (400, "num_ctx is 4")),
        ("/api/generate", {"prompt": 5}, (400, "prompt")),
        ("/api/generate", {"prompt": "a", "context": [10**9]}, (400, "outside the vocabulary")),
        ("/api/chat", {"messages": SAID, "tools": [{}]}, (400, "knows no tools")),
        ("/api/chat", {"messages": [{"content": "a"}]}, (400, "messages.0.role is missing")),
        ("/api/chat", {"messages": SAID, "top_logprobs": 50}, (400, "top_logprobs")),
        ("/api/copy", {"source": "llama", "destination": "b"}, (400, "copy is not supported")),
        ("/api/embed", {"model": "llama", "input": "a"}, (400, "does not support embeddings")),
        ("/api/pull", {"model": "../x"}, (400, "is not a model of the Hub")),
        ("/api/pull", {"model": "https://elsewhere.example/a/b"}, (400, "is not a model of the Hub")),
    ],
)
def test_errors(http: httpx.Client, path: str, body: dict[str, Any], said: tuple[int, str]) -> None:
    answer = http.post(path, json=body)
    assert set(answer.json()) == {"error"}
    assert answer.status_code == said[0]
    assert said[1] in answer.json()["error"]


def test_bodies_that_are_none(http: httpx.Client) -> None:
    for content in (b"{", b"\xff", b"[]", b""):
        answer = http.post("/api/chat", content=content)
        assert answer.status_code == 400
        assert set(answer.json()) == {"error"}


@pytest.mark.starter
def test_embeddings(client: ollama.Client) -> None:
    texts = ["A cat sat.", "Shares fell."]
    wanted = inb.load_encoder().encode(texts)
    said = client.embed("starter/embedding", texts)
    assert [list(row) for row in said.embeddings] == [pytest.approx(list(row), abs=1e-5) for row in wanted]
    assert said.prompt_eval_count
    assert len(client.embed("starter/embedding", "a", dimensions=8).embeddings[0]) == 8
    assert client.embeddings("starter/embedding", texts[0]).embedding == pytest.approx(
        list(wanted[0]), abs=1e-5
    )
    assert client.embed("starter/embedding", []).embeddings == []
    long = "word " * 1000
    assert len(client.embed("starter/embedding", long).embeddings) == 1
    with pytest.raises(ollama.ResponseError, match="1002 tokens long"):
        client.embed("starter/embedding", long, truncate=False)
    client.embed("starter/embedding", "a", keep_alive=0)


@pytest.fixture
def elsewhere() -> Iterator[ollama.Client]:
    """A server with a library of its own, and a Hub on this machine."""
    from tests.surroundings import surroundings

    for model in inb.loaded():
        model.unload()
    with surroundings(), inb.serve("starter/chat", port=0) as server:
        yield ollama.Client(host=server.url, trust_env=False, timeout=120)
    for model in inb.loaded():
        model.unload()


@pytest.mark.starter
def test_a_model_is_pulled_used_unloaded_and_deleted(elsewhere: ollama.Client) -> None:
    name = "tiny/llama-chat"
    with pytest.raises(ollama.ResponseError, match="not found"):
        elsewhere.generate(name, "a")
    steps = list(elsewhere.pull(name, stream=True))
    assert steps[0].status == "pulling manifest"
    assert steps[-1].status == "success"
    assert any((step.status or "").startswith("pulling ") and step.total for step in steps[1:])
    assert elsewhere.pull(name).status == "success"
    assert name in [one.model for one in elsewhere.list().models]

    assert elsewhere.generate(name, "").done_reason == "load"
    said = elsewhere.generate(name, "Hello", options={"num_predict": 4}, keep_alive="1h")
    assert said.eval_count
    (running,) = [one for one in elsewhere.ps().models if one.model == name]
    assert running.expires_at is not None
    assert running.expires_at.year < 9999
    assert elsewhere.generate(name, "", keep_alive=0).done_reason == "unload"
    assert name not in [one.model for one in elsewhere.ps().models]

    assert elsewhere.delete(name).status == "success"
    assert name not in [one.model for one in elsewhere.list().models]
    with pytest.raises(ollama.ResponseError, match=f"model '{name}' not found") as caught:
        elsewhere.delete(name)
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError) as caught:
        elsewhere.pull("nobody/nothing")
    assert caught.value.status_code == 404


def test_pull_and_delete_can_be_switched_off(model: inb.Model) -> None:
    with inb.serve(model, port=0, pull=False, delete=False) as server:
        client = ollama.Client(host=server.url, trust_env=False)
        for call in (client.pull, client.delete):
            with pytest.raises(ollama.ResponseError, match="switched off") as caught:
                call("tiny/llama-chat")
            assert caught.value.status_code == 403


def test_a_library_that_is_not_offered(model: inb.Model) -> None:
    with inb.serve(model, port=0, library=False) as server:
        client = ollama.Client(host=server.url, trust_env=False)
        assert [one.model for one in client.list().models] == ["llama"]
        with pytest.raises(ollama.ResponseError, match="not found"):
            client.generate("starter/chat", "a")
