"""A grid of sixteen settings, 64 tokens each: `model.grid`, the loop over `model.generate`, and llama.cpp's slots.

llama.cpp runs the starter's Q4_1 file with sixteen slots and sixteen requests at once, through xllamacpp. All three are
measured in turns in one run, with a short question and with a page of text before it. BENCH_THREADS sets the threads;
by default as many as torch takes. The figures are tokens a second in all, prompts included.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import Any

import influence_nb as inb
from benchmarks.common import fail, in_turns, ratio
from influence_nb.engine.runtimes.llamacpp.library import installed
from influence_nb.hub import starters

TOKENS, ROUNDS = 64, 3
TEMPERATURES, TOP_PS = [0.5, 0.7, 1.0, 1.3], [0.7, 0.8, 0.9, 0.95]
SAMPLING = inb.Sampling(seed=1, max_new_tokens=TOKENS, min_new_tokens=TOKENS)
PAGE = "The ship left the harbour at dawn, and nobody on the pier knew where it was going. " * 8


def main() -> None:
    import torch

    if threads := os.environ.get("BENCH_THREADS"):
        torch.set_num_threads(int(threads))
    model: Any = inb.load(device="cpu")
    server = slots(torch.get_num_threads()) if installed() else None
    for what, text in (("a question", ""), ("a page and a question", PAGE)):
        turns = [{"role": "user", "content": f"{text}Why do boats float?"}]
        prompt = model.encode(model.render(turns), special=False)
        print(f"{what}: {len(prompt)} prompt tokens, load {os.getloadavg()[0]:.1f}")
        peers = {"grid": partial(grid, model, prompt), "loop": partial(loop, model, prompt)}
        if server is not None:
            peers["llama.cpp"] = partial(requests, server, prompt)
        for peer in peers.values():
            peer(TEMPERATURES[:1], TOP_PS[:2])
        found = in_turns(peers, ROUNDS)
        for name, figures in found.items():
            print(f"{what}, {name}: {[round(figure, 1) for figure in figures]} tokens a second")
        ratio(f"{what}, grid / loop over generate", found["grid"], found["loop"], "at least 8")
        if server is not None:
            ratio(f"{what}, grid / llama.cpp", found["grid"], found["llama.cpp"], "at least 1.0")


def grid(
    model: Any, prompt: list[int], heats: list[float] = TEMPERATURES, masses: list[float] = TOP_PS
) -> float:
    began = time.perf_counter()
    made = model.grid(prompt, SAMPLING, temperature=heats, top_p=masses)
    return sum(len(cell.completion.ids) for cell in made) / (time.perf_counter() - began)


def loop(
    model: Any, prompt: list[int], heats: list[float] = TEMPERATURES, masses: list[float] = TOP_PS
) -> float:
    """Four of the sixteen, since all are alike: the rate is what counts."""
    began = time.perf_counter()
    pairs = list(zip(heats, masses, strict=False))
    made = [model.generate(prompt, SAMPLING, temperature=heat, top_p=mass) for heat, mass in pairs]
    return sum(len(one.ids) for one in made) / (time.perf_counter() - began)


def slots(threads: int) -> Any:
    """llama.cpp with the starter's file open and sixteen slots."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(starters.fetch("starter/chat").glob("*.gguf")))
    params.n_parallel = len(TEMPERATURES) * len(TOP_PS)
    params.n_ctx = 1024 * params.n_parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers, params.verbosity = 0, 0
    params.endpoint_slots = params.ui = False
    return xllamacpp.Server(params)


def requests(
    server: Any, prompt: list[int], heats: list[float] = TEMPERATURES, masses: list[float] = TOP_PS
) -> float:
    made: list[int] = []

    def ask(heat: float, mass: float) -> None:
        body = {
            "prompt": prompt, "max_tokens": TOKENS, "ignore_eos": True, "cache_prompt": False, "seed": 1,
            "temperature": heat, "top_p": mass, "repeat_penalty": SAMPLING.repetition_penalty, "repeat_last_n": 1024,
            "samplers": ["penalties", "temperature", "top_p"], "min_p": 0.0, "top_k": 0,
        }  # fmt: skip
        answers: list[Any] = []
        server.handle_completions(body, answers.append)
        made.append(answers[-1].get("usage", {}).get("completion_tokens", 0))

    asking = [threading.Thread(target=ask, args=(heat, mass)) for heat in heats for mass in masses]
    began = time.perf_counter()
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    if min(made) < TOKENS:
        fail("llama.cpp refused a request")
    return sum(made) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
