"""One stream, token by token with its text, against transformers' plain `generate` on the same network."""

from __future__ import annotations

import time

import influence_nb as inb
from benchmarks.common import in_turns, ratio
from influence_nb.engine.quiet import quiet

TOKENS, ROUNDS = 64, 5


def main() -> None:
    import torch

    model = inb.load(device="cpu")
    question = [{"role": "user", "content": "Tell me about boats, and why they float."}]
    prompt = model.encode(model.render(question), special=False)
    given = torch.tensor([prompt])
    fixed = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS}
    plain = inb.Sampling(temperature=0, top_p=None, repetition_penalty=1.0, **fixed)
    usual = inb.Sampling(seed=1, **fixed)

    def ours(sampling: inb.Sampling) -> float:
        began = time.perf_counter()
        made = sum(event.id is not None for event in model.stream(prompt, sampling))
        return made / (time.perf_counter() - began)

    def theirs(**options: object) -> float:
        began = time.perf_counter()
        with torch.no_grad(), quiet():
            out = model.network.generate(given, attention_mask=torch.ones_like(given), **fixed, **options)
        return (out.shape[1] - len(prompt)) / (time.perf_counter() - began)

    sampled = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0, "repetition_penalty": 1.1}
    for what, ours_now, theirs_now in (
        ("greedy", lambda: ours(plain), lambda: theirs(do_sample=False)),
        ("the usual sampling", lambda: ours(usual), lambda: theirs(**sampled)),
    ):
        found = in_turns({"stream": ours_now, "generate": theirs_now}, ROUNDS)
        for name, figures in found.items():
            print(f"{what}, {name}: {[round(figure, 1) for figure in figures]} tokens a second")
        ratio(f"{what}, model.stream / generate", found["stream"], found["generate"], "at least 0.97")


if __name__ == "__main__":
    main()
