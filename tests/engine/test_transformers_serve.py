"""A server that is not ours: `transformers serve` with the starter chat model, driven through the endpoint runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb import api
from tests.serving import free_port

pytestmark = pytest.mark.starter
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
GREEDY = {"temperature": 0, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def folder() -> Path:
    api.download("starter/chat")
    return Path(inb.library()["starter/chat"].path)


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address once it listens."""
    port = free_port()
    around = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path_factory.mktemp("hf")),
        "NO_COLOR": "1",
    }
    around.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu", "--dtype", "float32"]  # fmt: skip
    process = subprocess.Popen(
        command,
        env=around,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "Uvicorn running" in line:
                break
        else:
            raise AssertionError(f"it ended with {process.wait()}:\n{said}")
        threading.Thread(
            target=process.stdout.read, daemon=True
        ).start()  # so that it never waits for a reader
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def model(address: str, folder: Path) -> Iterator[inb.Model]:
    made = inb.load(str(folder), endpoint=address)
    yield made
    made.unload()


def test_its_texts_are_those_of_the_transformers_runtime(model: inb.Model, folder: Path):
    assert model.report()["server"] == "transformers serve"
    here = inb.load(folder, device="cpu", dtype="float32")
    for prompt in (QUESTION, "1, 2, 3,"):
        for settings in (GREEDY, {**GREEDY, "repetition_penalty": 1.0, "stop": ["is"], "min_new_tokens": 2}):
            there = model.generate(prompt, **settings)
            expected = here.generate(prompt, **settings)
            assert there.text == expected.text
            assert there.usage.prompt_tokens == expected.usage.prompt_tokens
    talk, other = model.session(), here.session()
    for text in ("What is the capital of France?", "And of Italy?"):
        assert talk.send(text, **GREEDY).text == other.send(text, **GREEDY).text
    here.unload()


def test_a_seed_gives_the_same_text_again(model: inb.Model):
    once, twice, other = (
        model.generate("Once upon a time", seed=seed, temperature=1.5, max_new_tokens=16).text
        for seed in (1, 1, 2)
    )
    assert once == twice != other


def test_it_streams_and_is_cancelled(model: inb.Model):
    cancel = threading.Event()
    events = []
    for event in model.stream("Once upon a time", cancel=cancel, max_new_tokens=2000, min_new_tokens=2000):
        events.append(event)
        if event.index == 2:
            cancel.set()
    assert [event.is_token for event in events[:3]] == [True] * 3
    assert events[-1].finish_reason == "cancelled"
    assert len(events) < 200
    assert model.generate(QUESTION, **GREEDY).text  # it did not go on for two thousand tokens first


def test_what_it_does_not_take_is_said(model: inb.Model, address: str):
    with pytest.raises(inb.errors.InvalidSampling, match="presence_penalty"):
        model.generate(QUESTION, presence_penalty=1)
    with pytest.raises(inb.errors.CapabilityMissing, match="takes no token ids"):
        model.generate([1, 2, 3])
    nothing = inb.load("no-such/model", endpoint=address)
    with pytest.raises(inb.InfluenceError):
        nothing.generate(QUESTION)
    nothing.unload()
