"""One stream of a GGUF file through our llama.cpp runtime, against xllamacpp driven directly in the same run.

Both draw greedily from the same open file, so that what differs is what we do beside llama.cpp: ids and logprobs of
every token, text, stop strings. INFLUENCE_BENCH_THREADS sets the threads; by default as many as torch takes.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import influence_nb as inb
from benchmarks.common import fail, in_turns, ratio
from influence_nb.engine.runtimes.llamacpp.library import installed
from influence_nb.hub import starters

TOKENS, ROUNDS = 96, 5


def main() -> None:
    import torch

    if installed() is None:
        fail("xllamacpp is not installed")
    if threads := os.environ.get("INFLUENCE_BENCH_THREADS"):
        torch.set_num_threads(int(threads))
    file = next(starters.fetch("starter/chat").glob("*.gguf"))
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / file.name
        bare.symlink_to(file)
        model: Any = inb.load(bare, runtime="llama.cpp")
        measure(model)
        model.unload()


def measure(model: Any) -> None:
    prompt = model.encode(model.render([{"role": "user", "content": "Why do boats float?"}]), special=False)
    server = model.library._server

    def rate(times: list[float]) -> float:
        return (len(times) - 1) / (times[-1] - times[0])

    def ours() -> float:
        stream = model.stream(prompt, temperature=0, top_p=None, repetition_penalty=1, max_new_tokens=TOKENS)
        return rate([time.perf_counter() for event in stream if event.id is not None])

    def direct(**more: object) -> float:
        times: list[float] = []
        body = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "top_k": 1, "stream": True}

        def hear(chunk: dict[str, Any]) -> None:
            if chunk["choices"][0]["finish_reason"] is None:
                times.append(time.perf_counter())

        server.handle_completions({**body, "samplers": ["top_k"], "cache_prompt": False, **more}, hear)
        return rate(times)

    peers = {"stream": ours, "xllamacpp": direct, "xllamacpp with logprobs": lambda: direct(n_probs=1)}
    found = in_turns(peers, ROUNDS)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 1) for figure in figures]} tokens a second")
    ratio("model.stream / xllamacpp", found["stream"], found["xllamacpp"], "at least 0.95")
    ratio(
        "model.stream / xllamacpp with logprobs",
        found["stream"],
        found["xllamacpp with logprobs"],
        "to compare",
    )


if __name__ == "__main__":
    main()
