"""Our server beside the same model in process: one streaming client, and 16 clients at once beside one.

The model is starter/chat; clients are plain HTTP over this machine's own address. Where xllamacpp is installed,
llama.cpp's server answers 16 clients too, with 16 slots on the same model in four bits. INFLUENCE_BENCH_THREADS sets
the threads that both compute with.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

import influence_nb as inb
from benchmarks.bench_grid import slots
from benchmarks.common import fail, in_turns, line, ratio
from influence_nb.engine.runtimes.llamacpp.library import installed

TOKENS, ROUNDS, CLIENTS = 32, 5, 16
PROMPT = "Once upon a time there was a small boat that"
SAMPLING = {"max_new_tokens": TOKENS, "logit_bias": {0: -1e9, 2: -1e9}}  # no end before that


def main() -> None:
    import torch

    if threads := os.environ.get("INFLUENCE_BENCH_THREADS"):
        torch.set_num_threads(int(threads))
    model = inb.load("starter/chat", device="cpu")
    with inb.serve(model, port=0) as server:
        measure(model, server)
    model.unload()


def measure(model: inb.Model, server: inb.Server) -> None:
    import torch

    late: list[float] = []

    def sampling(seed: int) -> dict[str, object]:
        return {**SAMPLING, "seed": seed, "temperature": 0.5 + seed / CLIENTS, "top_p": 0.95}

    def in_process() -> float:
        times = [time.perf_counter() for _ in model.stream(PROMPT, **sampling(1))]
        return (len(times) - 1) / (times[-1] - times[0])

    def over_http(seed: int = 1) -> tuple[float, list[float]]:
        """When it was asked, and when each token came."""
        body = {"prompt": PROMPT, "sampling": {**sampling(seed), "logit_bias": {"0": -1e9, "2": -1e9}}}
        times = []
        with httpx.Client(base_url=server.url, trust_env=False, timeout=600) as http:
            began = time.perf_counter()
            with http.stream("POST", "/v1/generate_stream", json=body) as answer:
                for said in answer.iter_lines():
                    if said.startswith("data: {") and "timings" not in said:
                        times.append(time.perf_counter())
                    elif "timings" in said:
                        first = json.loads(said[len("data: ") :])["timings"]["first_token"]
                        late.append((times[0] - began) - first)
        if len(times) != TOKENS:
            fail(f"{len(times)} tokens came instead of {TOKENS}")
        return began, times

    def one_client() -> float:
        _, times = over_http()
        return (len(times) - 1) / (times[-1] - times[0])

    spread: list[float] = []

    def total_of_one() -> float:
        began, times = over_http()
        return TOKENS / (times[-1] - began)

    def total_of_many() -> float:
        with ThreadPoolExecutor(CLIENTS) as pool:
            asked = list(pool.map(over_http, range(CLIENTS)))
        took = sorted(times[-1] - began for began, times in asked)
        spread.append(took[-1] / statistics.median(took))
        last = max(times[-1] for _, times in asked)
        return CLIENTS * TOKENS / (last - min(began for began, _ in asked))

    def total_of_llama_cpp() -> float:
        with ThreadPoolExecutor(CLIENTS) as pool:
            began = time.perf_counter()
            list(pool.map(at_llama_cpp, range(CLIENTS)))
            return CLIENTS * TOKENS / (time.perf_counter() - began)

    def at_llama_cpp(seed: int) -> None:
        body = {
            "prompt": PROMPT, "n_predict": TOKENS, "ignore_eos": True, "cache_prompt": False, "stream": True,
            "seed": seed, "temperature": 0.5 + seed / CLIENTS, "top_p": 0.95, "top_k": 0, "min_p": 0.0,
            "repeat_penalty": 1.1, "samplers": ["penalties", "temperature", "top_p"],
        }  # fmt: skip
        with httpx.Client(trust_env=False, timeout=600) as http:
            said = http.post(f"{slotted.listening_address}/completion", json=body).text
        if f'"tokens_predicted":{TOKENS}' not in said:
            fail("llama.cpp's server did not write all tokens")

    slotted = slots(torch.get_num_threads()) if installed() is not None else None
    over_http()
    late.clear()
    found = in_turns({"in process": in_process, "one client": one_client}, ROUNDS)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 1) for figure in figures]} tokens a second")
    ratio("one streaming client / model.stream", found["one client"], found["in process"], "at least 0.95")
    line("milliseconds from asking to the first token, beyond the model's own", 1e3 * statistics.median(late),
         "at most 5")  # fmt: skip
    peers = {"one": total_of_one, "many": total_of_many}
    if slotted is not None:
        total_of_llama_cpp()
        peers["llama.cpp"] = total_of_llama_cpp
    crowd = in_turns(peers, 3)
    for name, figures in crowd.items():
        print(f"{name}: {[round(figure, 1) for figure in figures]} tokens a second in all")
    ratio(f"{CLIENTS} clients at once / one", crowd["many"], crowd["one"], "at least 4")
    if slotted is not None:
        ratio(
            f"{CLIENTS} clients at once / the same at llama.cpp",
            crowd["many"],
            crowd["llama.cpp"],
            "to compare",
        )
    line("the slowest client's finish / the median's", statistics.median(spread), "at most 1.5")


if __name__ == "__main__":
    main()
