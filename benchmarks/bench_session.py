"""Time to the first token of a turn after 2,000 tokens of history, with the KV cache reused and without."""

from __future__ import annotations

import influence_nb as inb
from benchmarks.common import fail, ratio
from influence_nb.embeddings.corpus import corpus

HISTORY, ROUNDS = 2_000, 3
QUESTION = "And what of it matters most, in a word?"


def main() -> None:
    model = inb.load(device="cpu")
    session = model.session(sampling=inb.Sampling(temperature=0, max_new_tokens=2))
    texts = iter(corpus()["text"].tolist() * 100)
    while session.context_used < HISTORY:
        session.messages.append({"role": "user", "content": f"What do you make of this: {next(texts)}"})
        session.messages.append({"role": "assistant", "content": next(texts)})
    session.send("Go on.")  # reads the history
    history = session.context_used
    reused: list[float] = []
    fresh: list[float] = []
    for _ in range(ROUNDS):
        turn = session.send(QUESTION)
        if turn.usage.cached_tokens < HISTORY:
            fail(f"only {turn.usage.cached_tokens} tokens came from the cache")
        reused.append(turn.timings.first_token)
        asked = session.messages[:-1]
        again = model.generate(asked, session.sampling)
        if again.ids != turn.ids:
            fail("the answer with the cache is not the one without")
        fresh.append(again.timings.first_token)
        del session.messages[-2:]
    print(f"history: {history:,} tokens; each turn reads its question, some tens")
    for name, figures in (("reused", reused), ("fresh", fresh)):
        print(f"{name}: {[round(figure * 1000) for figure in figures]} ms")
    ratio("time to first token at 2,000 tokens of history, without reuse / with", fresh, reused, "at least 5")


if __name__ == "__main__":
    main()
