"""A thousand requests of mixed kinds by 16 clients, of whom every twentieth hangs up midway.

Each answer is compared with what its prompt and seed give in process (in float32, where the company of a request does
not change its text); afterwards nothing may wait or run, and memory is measured as it was before. The model is
starter/chat; BENCH_REQUESTS sets how many.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil

import influence_nb as inb
from benchmarks.common import fail, line

REQUESTS, WARM, CLIENTS, SEEDS = int(os.environ.get("BENCH_REQUESTS", "1000")), 100, 16, 12
OPTIONS: dict[str, Any] = {"temperature": 0.9, "top_p": 0.95}
KINDS = ("native", "stream", "completion", "ollama", "chat", "embedding", "tokens", "wrong")


def prompt(seed: int) -> str:
    return f"On day {seed} the small boat"


def limit(seed: int) -> int:
    return 4 + seed


class Clients:
    """What they ask, and what they should be told."""

    def __init__(self, model: Any, server: inb.Server) -> None:
        self.server = server
        self.http = httpx.Client(
            base_url=server.url, trust_env=False, timeout=600, limits=httpx.Limits(max_connections=CLIENTS)
        )
        whole = inb.Sampling(repetition_penalty=1, **OPTIONS)
        self.text = [
            model.generate(prompt(seed), whole, seed=seed, max_new_tokens=limit(seed)).text
            for seed in range(SEEDS)
        ]
        self.said = [
            model.generate(turns(seed), whole, seed=seed, max_new_tokens=limit(seed)).text
            for seed in range(SEEDS)
        ]
        self.tokens = [model.encode(prompt(seed)) for seed in range(SEEDS)]
        self.vectors = [self._embedding(seed) for seed in range(SEEDS)]

    def ask(self, place: int) -> bool:
        """One request; whether its answer is the right one."""
        seed, kind = place % SEEDS, KINDS[place // SEEDS % len(KINDS)]
        if place % 20 == 19:
            return self.hang_up(seed, 1 + place // 20 % 3)
        mine = {
            "prompt": prompt(seed),
            "sampling": {**OPTIONS, "repetition_penalty": 1, "seed": seed, "max_new_tokens": limit(seed)},
        }
        theirs = {**OPTIONS, "seed": seed, "max_tokens": limit(seed)}
        match kind:
            case "native":
                return bool(self._post("/v1/generate", mine)["text"] == self.text[seed])
            case "stream":
                said = self.http.post("/v1/generate_stream", json=mine).text.split("\n\n")
                data = [json.loads(one.removeprefix("data: ")) for one in said if one.startswith("data: ")]
                return "".join(one["text"] for one in data) == self.text[seed]
            case "completion":
                choices = self._post("/v1/completions", {"prompt": prompt(seed), **theirs})["choices"]
                return bool(choices[0]["text"] == self.text[seed])
            case "chat":
                choices = self._post("/v1/chat/completions", {"messages": turns(seed), **theirs})["choices"]
                return bool(choices[0]["message"]["content"] == self.said[seed])
            case "ollama":
                options = {**OPTIONS, "top_k": 0, "seed": seed, "num_predict": limit(seed)}
                body = {"prompt": prompt(seed), "raw": True, "options": options}
                lines = self.http.post("/api/generate", json=body).text.splitlines()
                return "".join(json.loads(one)["response"] for one in lines) == self.text[seed]
            case "embedding":
                found, wanted = self._embedding(seed), self.vectors[seed]
                return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 1e-4
            case "tokens":
                return bool(self._post("/tokenize", {"prompt": prompt(seed)})["tokens"] == self.tokens[seed])
        wrong = self.http.post("/v1/completions", json={"prompt": prompt(seed), "temperature": -1})
        return wrong.status_code == 400

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def _embedding(self, seed: int) -> list[float]:
        body = {"model": "starter/embedding", "input": prompt(seed)}
        return list(self._post("/v1/embeddings", body)["data"][0]["embedding"])

    def hang_up(self, seed: int, events: int) -> bool:
        """Listen to the beginning of a long stream, and go."""
        data = json.dumps(
            {"prompt": prompt(seed), "sampling": {"seed": seed, "max_new_tokens": 200}}
        ).encode()
        with socket.create_connection((self.server.host, self.server.port), timeout=600) as asking:
            head = f"POST /v1/generate_stream HTTP/1.1\r\nHost: {self.server.host}\r\n"
            asking.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            heard = b""
            while heard.count(b"data: ") < events:
                if not (piece := asking.recv(4096)):
                    return False
                heard += piece
        return True


def turns(seed: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt(seed)}]


def resident(clients: Clients) -> float:
    """Megabytes, once nothing waits or runs any more."""
    while any(clients.http.get("/health").json()[name] for name in ("waiting", "running")):
        pass  # each look is a request, which waits for its answer
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def main() -> None:
    model = inb.load("starter/chat", device="cpu", dtype="float32")
    with inb.serve(model, port=0) as server, ThreadPoolExecutor(CLIENTS) as pool:
        clients = Clients(model, server)
        if not all(pool.map(clients.ask, range(WARM))):
            fail("an answer while warming up is wrong")
        before = resident(clients)
        began = time.perf_counter()
        right = list(pool.map(clients.ask, range(REQUESTS)))
        took = time.perf_counter() - began
        after = resident(clients)
        print(f"{REQUESTS} requests in {took:.0f} s, {REQUESTS // 20} of their clients hung up midway")
        print(f"resident before: {before:.0f} MB, after: {after:.0f} MB")
        line("requests lost or answered with another's text", right.count(False), "0")
        line("memory after / before", after / before, "1")
    model.unload()


if __name__ == "__main__":
    main()
