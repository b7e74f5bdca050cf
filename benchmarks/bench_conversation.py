"""Time to the first token in a conversation of ten turns, with the KV cache reused and without."""

from __future__ import annotations

import statistics

import influence_nb as inb
from benchmarks.common import line

TURNS, ROUNDS = 10, 3
QUESTION = "Here is thing number {turn} that I want to know, please: why do boats float while stones sink, my friend?"


def main() -> None:
    model = inb.load()
    model.session().send("Hello", max_new_tokens=2)
    reused: list[list[float]] = [[] for _ in range(TURNS)]
    fresh: list[list[float]] = [[] for _ in range(TURNS)]
    for _ in range(ROUNDS):
        session = model.session()
        for turn in range(TURNS):
            answer = session.send(QUESTION.format(turn=turn), seed=turn, min_new_tokens=32, max_new_tokens=32)
            reused[turn].append(answer.timings.first_token)
            again = model.generate(session.messages[:-1], seed=turn, max_new_tokens=1)
            fresh[turn].append(again.timings.first_token)
    for name, turns in (("reused", reused), ("fresh", fresh)):
        print(
            f"{name}: " + " ".join(f"{statistics.median(turn) * 1000:.0f}" for turn in turns) + " ms a turn"
        )
    first = statistics.median(reused[0])
    line(
        "time to first token, turn ten / turn one, with reuse",
        statistics.median(reused[-1]) / first,
        "at most 1.5",
    )
    line(
        "the same without reuse", statistics.median(fresh[-1]) / statistics.median(fresh[0]), "for comparison"
    )


if __name__ == "__main__":
    main()
