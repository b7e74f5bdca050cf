"""Models of other kinds behind the server, and models that come and go while it runs."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

import influence_nb as inb
from tests import tiny
from tests.chat_server import ChatServer
from tests.engine import gguf
from tests.server.conftest import until

GREEDY: dict[str, Any] = {"temperature": 0, "top_p": None, "repetition_penalty": 1.0, "max_new_tokens": 6}
SAID = [{"role": "user", "content": "Hello"}]


def test_our_own_client_reads_our_server(server: inb.Server, model: inb.Model) -> None:
    there = inb.load("llama", endpoint=f"{server.url}/v1", key="none")
    assert there.generate(SAID, **GREEDY).text == model.generate(SAID, **GREEDY).text
    assert there.generate("Hello", **GREEDY).text == model.generate("Hello", **GREEDY).text
    prompts = ["Hello", "Zwölf", "fox"]
    assert [one.text for one in there.batch(prompts, **GREEDY)] == [
        model.generate(prompt, **GREEDY).text for prompt in prompts
    ]


def test_a_model_on_another_server_is_served(server: inb.Server, model: inb.Model) -> None:
    there = inb.load("llama", endpoint=f"{server.url}/v1", key="none")
    with (
        inb.serve(there, port=0) as front,
        httpx.Client(base_url=front.url, trust_env=False, timeout=60) as http,
    ):
        until(http, ready=True)
        body = {"messages": SAID, "max_tokens": 6, "temperature": 0}
        said = http.post("/v1/chat/completions", json=body).json()
        assert said["choices"][0]["message"]["content"] == model.generate(SAID, **GREEDY).text
        options = {"temperature": 0, "num_predict": 6, "top_p": 1}
        answer = ollama.Client(front.url, trust_env=False).chat("llama", SAID, options=options)
        assert answer.message.content == model.generate(SAID, **GREEDY).text
        for path, more in (
            ("/v1/completions", {"prompt": "a", "logprobs": 1}),
            ("/v1/completions", {"prompt": "a", "echo": True, "logprobs": 1}),
            ("/v1/completions", {"prompt": [1, 2], "echo": True}),
            ("/tokenize", {"prompt": "a"}),
        ):
            refused = http.post(path, json=more)
            assert refused.status_code == 400
            assert "endpoint runtime cannot" in refused.json()["error"]["message"]


def test_log_probabilities_of_a_model_on_another_server() -> None:
    with ChatServer(logprobs=[-0.5, -1.0, -2.0]) as elsewhere:
        there = inb.load(endpoint=elsewhere.url)
        with (
            inb.serve(there, port=0) as front,
            httpx.Client(base_url=front.url, trust_env=False, timeout=60) as http,
        ):
            chat = {"messages": SAID, "logprobs": True}
            said = http.post("/v1/chat/completions", json=chat).json()["choices"][0]["logprobs"]["content"]
            assert [(one["token"], one["logprob"]) for one in said] == [
                ("Hello", -0.5), (" there", -1.0), (".", -2.0),
            ]  # fmt: skip
            assert said[0]["bytes"] == list(b"Hello")
            streamed = http.post("/v1/chat/completions", json={**chat, "stream": True}).text
            assert streamed.count('"logprob":-') == 3
            text = http.post("/v1/completions", json={"prompt": "Oh", "logprobs": 0}).json()["choices"][0]
            assert text["logprobs"] == {
                "tokens": ["Hello", " there", "."],
                "token_logprobs": [-0.5, -1.0, -2.0],
                "top_logprobs": [{"Hello": -0.5}, {" there": -1.0}, {".": -2.0}],
                "text_offset": [2, 7, 13],
            }
            plain = {"temperature": 1, "top_p": 1}
            body = {"messages": SAID, "logprobs": True, "stream": False}
            lines = http.post("/api/chat", json={**body, "options": plain}).json()["logprobs"]
            assert [one["logprob"] for one in lines] == [-0.5, -1.0, -2.0]
            for path, more in (
                ("/v1/chat/completions", {**chat, "temperature": 0.5}),
                ("/api/chat", {**body, "options": {**plain, "top_p": 0.5}}),
            ):
                asked = len(elsewhere.posts)
                refused = http.post(path, json=more)
                assert refused.status_code == 400
                assert "gives no log-probabilities" in refused.text
                assert len(elsewhere.posts) == asked, "nothing was generated in vain"
            listed = http.post("/v1/chat/completions", json={**chat, "top_logprobs": 2})
            assert (listed.status_code, "candidates" in listed.text) == (400, True)
            elsewhere.logprobs = None
            for more in ({}, {"stream": True}):
                refused = http.post("/v1/chat/completions", json={**chat, **more})
                assert (refused.status_code, "gives no log-probabilities" in refused.text) == (400, True)
            until(http, running=0)
            assert http.post("/v1/chat/completions", json={"messages": SAID}).status_code == 200
            assert http.post("/api/chat", json={"messages": SAID, "stream": False}).status_code == 200
            wanted = http.post("/api/chat", json={"messages": SAID, "options": {"top_k": 5}})
            assert (wanted.status_code, "top_k=5" in wanted.text) == (400, True)
        there.unload()


@pytest.mark.starter
def test_a_gguf_file_is_served_by_llama_cpp(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    model = inb.load(gguf.bare(tmp_path), runtime="llama.cpp")
    wanted = model.generate(SAID, **GREEDY).text
    with (
        inb.serve(model, port=0) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        body = {"messages": SAID, "max_tokens": 6, "temperature": 0}
        with ThreadPoolExecutor() as pool:
            said = list(pool.map(lambda _: http.post("/v1/chat/completions", json=body).json(), range(3)))
        assert [one["choices"][0]["message"]["content"] for one in said] == [wanted] * 3
        listed = http.post("/v1/chat/completions", json={**body, "logprobs": True}).json()
        assert len(listed["choices"][0]["logprobs"]["content"]) == 6
        for more in (
            {"logprobs": True, "top_logprobs": 2},
            {"response_format": {"type": "json_object"}},
        ):
            assert http.post("/v1/chat/completions", json={**body, **more}).status_code == 400
    model.unload()


def test_a_folder_that_goes_while_its_model_serves(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "going", "llama")
    with (
        inb.serve(folder, port=0) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        body = {"prompt": "a", "sampling": {"max_new_tokens": 2}}
        assert http.post("/v1/generate", json=body).status_code == 200
        shutil.rmtree(folder)
        assert http.post("/v1/generate", json=body).status_code == 200, "it is in memory"
        receipt = http.post("/v1/generate", json={**body, "receipt": True})
        assert (receipt.status_code, receipt.json()["error"]["type"]) == (500, "BrokenModel")
        for model in inb.loaded():
            if model.name == "going":
                model.unload()
        gone = http.post("/v1/generate", json=body)
        assert (gone.status_code, gone.json()["error"]["type"]) == (404, "ModelNotFound")
        assert http.get("/health").json()["ready"] is False
        for path in ("/v1/models", "/api/tags", "/api/ps"):
            assert http.get(path).status_code == 200
        assert http.post("/api/show", json={"model": "going"}).status_code == 404


def test_a_model_that_was_unloaded_is_loaded_again(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "again", "llama")
    model = inb.load(folder, device="cpu", dtype="float32")
    with (
        inb.serve(model, port=0) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        until(http, ready=True)
        model.unload()
        said = http.get("/health").json()
        assert (said["status"], said["ready"]) == ("idle", False)
        body = {"prompt": "a", "sampling": {"max_new_tokens": 2}}
        assert http.post("/v1/generate", json=body).json()["model"] == "again"
        until(http, ready=True)
