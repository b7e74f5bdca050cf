"""What the visible sampler costs: nobody looking, beside a step; and all stages traced, beside a generation untraced.

One stream and a batch of 16, the usual sampling with every stage on that cuts or rescales.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import influence_nb as inb
from benchmarks.common import in_turns, line, ratio
from influence_nb.engine.loop import Steps, decode
from influence_nb.engine.quiet import quiet
from influence_nb.engine.row import Row
from influence_nb.engine.sampler import Sampler

TOKENS, ROUNDS = 32, 5
BUSY = inb.Sampling(
    temperature=0.8, top_k=200, top_p=0.95, min_p=0.01, typical_p=0.95, repetition_penalty=1.1,
    presence_penalty=0.2, frequency_penalty=0.2, min_new_tokens=TOKENS, max_new_tokens=TOKENS,
)  # fmt: skip


def main() -> None:
    model: Any = inb.load(device="cpu")
    question = [{"role": "user", "content": "Tell me about boats, and why they float."}]
    prompt = model.encode(model.render(question), special=False)
    for count in (1, 16):
        kept: list[Any] = []

        def generation(watch: Any, count: int = count) -> float:
            rows = [
                Row(prompt, BUSY.replace(seed=seed), model.tokenizer, model.ends) for seed in range(count)
            ]
            with quiet():
                steps = Steps(model.network, [row.prompt for row in rows])
                began = time.perf_counter()
                for _ in decode(steps, rows, model.ends, lambda: False, watch):
                    pass
            return time.perf_counter() - began

        def looked(view: Any, kept: list[Any] = kept) -> None:
            kept.append((view.stage, view.kept.tolist(), view.mass.tolist(), view.entropy.tolist()))

        found = in_turns({"plain": lambda: generation(None), "traced": lambda: generation(looked)}, ROUNDS)
        print(f"{count} rows: {[round(one, 2) for one in found['plain']]} s plain, {len(kept)} views traced")
        ratio(f"{count} rows, traced / plain", found["traced"], found["plain"], "at most 1.15")
        share(model, prompt, count, statistics.median(found["plain"]) / TOKENS)


def share(model: Any, prompt: list[int], count: int, step: float) -> None:
    """The sampler alone on the logits of that prompt, beside a whole step of a generation."""
    import torch

    for what, sampling in (("the usual sampling", inb.Sampling()), ("every stage on", BUSY)):
        with torch.no_grad(), quiet():
            logits = Steps(model.network, [prompt] * count).prefill(lambda: False)
            sampler = Sampler(
                [sampling.replace(seed=seed) for seed in range(count)], [prompt] * count, model.ends
            )
            sampler.draw(logits)
            took = []
            for _ in range(TOKENS):
                began = time.perf_counter()
                sampler.draw(logits)
                took.append(time.perf_counter() - began)
        line(f"{count} rows, sampler / step, {what}", statistics.median(took) / step, "at most 0.1")


if __name__ == "__main__":
    main()
