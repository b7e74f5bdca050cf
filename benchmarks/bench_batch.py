"""`model.batch` of sixteen prompts, against sixteen calls one after the other, and transformers' padded `generate`."""

from __future__ import annotations

import time
from functools import partial

import influence_nb as inb
from benchmarks.common import in_turns, ratio
from influence_nb.engine.quiet import quiet

PROMPTS, TOKENS, ROUNDS = 16, 64, 3
TOPICS = (
    "boats",
    "the moon and why it shines at night",
    "bread",
    "old trains that still run on steam in the hills",
)


def main() -> None:
    import torch

    model = inb.load(device="cpu")
    asked = [f"{TOPICS[place % 4]}, number {place}" for place in range(PROMPTS)]
    messages = [[{"role": "user", "content": f"Tell me about {what}."}] for what in asked]
    prompts = [model.encode(model.render(one), special=False) for one in messages]
    plain = inb.Sampling(
        temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=TOKENS, min_new_tokens=TOKENS
    )
    usual = inb.Sampling(seed=1, max_new_tokens=TOKENS, min_new_tokens=TOKENS)

    longest = max(map(len, prompts))
    padded = torch.tensor([[0] * (longest - len(one)) + one for one in prompts])
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])

    def rate(tokens: int, began: float) -> float:
        return tokens / (time.perf_counter() - began)

    def batch(sampling: inb.Sampling) -> float:
        began = time.perf_counter()
        return rate(sum(len(one.ids) for one in model.batch(prompts, sampling)), began)

    def singles(sampling: inb.Sampling) -> float:
        """Four of the sixteen, since all are alike: the rate is what counts."""
        began = time.perf_counter()
        return rate(sum(len(model.generate(one, sampling).ids) for one in prompts[::4]), began)

    def theirs(**options: object) -> float:
        began = time.perf_counter()
        with torch.no_grad(), quiet():
            out = model.network.generate(
                padded, attention_mask=mask, max_new_tokens=TOKENS, min_new_tokens=TOKENS, **options
            )
        return rate(PROMPTS * (out.shape[1] - longest), began)

    model.batch(prompts[:2], plain, max_new_tokens=2, min_new_tokens=0)
    sampled = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0, "repetition_penalty": 1.1}
    for what, sampling, options in (
        ("greedy", plain, {"do_sample": False}),
        ("the usual sampling", usual, sampled),
    ):
        peers = {
            "batch": partial(batch, sampling),
            "singles": partial(singles, sampling),
            "generate": partial(theirs, **options),
        }
        found = in_turns(peers, ROUNDS)
        for name, figures in found.items():
            print(f"{what}, {name}: {[round(figure, 1) for figure in figures]} tokens a second")
        ratio(f"{what}, batch of 16 / single calls", found["batch"], found["singles"], "at least 6")
        ratio(f"{what}, batch of 16 / generate, padded", found["batch"], found["generate"], "at least 1.0")


if __name__ == "__main__":
    main()
