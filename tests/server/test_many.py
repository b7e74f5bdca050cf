"""Many requests of mixed kinds at once, some of whose clients hang up: none is lost or mixed up, nothing stays."""

from __future__ import annotations

import gc
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

import influence_nb as inb
from influence_nb.server.scheduler import Answers
from tests.server.conftest import until
from tests.server.test_native import begin

REQUESTS, SEEDS = 240, 6
POOL = 40
"""Idle threads that anyio keeps for a while for the next blocking call."""
OPTIONS = {"temperature": 0.9, "top_p": 0.95}


def ask(http: httpx.Client, server: inb.Server, kind: str, seed: int) -> str | None:
    """The text that came; None for a client that hung up."""
    limit = 4 + seed
    if kind == "hang up":
        body = {"prompt": f"Text {seed}", "sampling": {"max_new_tokens": 100, "seed": seed}}
        asking = begin(server, "/v1/generate_stream", body)
        asking.recv(1)
        asking.close()
        return None
    if kind == "native":
        body = {
            "prompt": f"Text {seed}",
            "sampling": {**OPTIONS, "repetition_penalty": 1, "max_new_tokens": limit, "seed": seed},
        }
        return str(http.post("/v1/generate", json=body).json()["text"])
    if kind == "openai":
        body = {"prompt": f"Text {seed}", **OPTIONS, "max_tokens": limit, "seed": seed}
        return str(http.post("/v1/completions", json=body).json()["choices"][0]["text"])
    if kind == "ollama":
        options = {**OPTIONS, "top_k": 0, "num_predict": limit, "seed": seed}
        body = {"prompt": f"Text {seed}", "raw": True, "options": options}
        lines = http.post("/api/generate", json=body).text.splitlines()
        return "".join(json.loads(line)["response"] for line in lines)
    assert http.post("/v1/completions", json={"prompt": "a", "temperature": -1}).status_code == 400
    return None


def test_none_is_lost_and_none_is_mixed_up(http: httpx.Client, server: inb.Server, model: inb.Model) -> None:
    wanted = {
        seed: model.generate(
            f"Text {seed}", **OPTIONS, repetition_penalty=1, max_new_tokens=4 + seed, seed=seed
        ).text
        for seed in range(SEEDS)
    }
    dice = random.Random(0)
    kinds = ["native", "openai", "ollama"] * 6 + ["wrong", "hang up"]
    orders = [(dice.choice(kinds), dice.randrange(SEEDS)) for _ in range(REQUESTS)]
    threads = threading.active_count()
    with ThreadPoolExecutor(16) as pool:
        said: list[Any] = list(pool.map(lambda order: ask(http, server, *order), orders))
    for (kind, seed), text in zip(orders, said, strict=True):
        if text is not None:
            assert text == wanted[seed], kind
    until(http, running=0, waiting=0)
    assert not model.is_busy
    gc.collect()
    assert [one for one in gc.get_objects() if type(one) is Answers] == []
    assert threading.active_count() <= threads + POOL, "no thread is left for each request"
