"""Log-likelihoods of 500 multiple-choice items on the starter model, beside lm-evaluation-harness's own `hf` model.

Both answer the same requests of the harness, in the same dtype; `hf` at the batch size that is best for it here. It
needs the extra `lm-eval`: pip install 'influence_nb[lm-eval]'.
"""

from __future__ import annotations

import random

import influence_nb as inb
from benchmarks.common import fail, in_turns, line, ratio, seconds

ITEMS, CHOICES, ROUNDS = 500, 4, 1  # a round takes minutes, over which other programs even out
SIZES = (1, 8, 32)


def main() -> None:
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        fail("lm-evaluation-harness is not installed")
    pairs = asked()
    requests = [
        Instance("loglikelihood", {}, pair, place, ("bench", place, 1)) for place, pair in enumerate(pairs)
    ]
    ours = inb.load(device="cpu", dtype="float32")
    folder = str(ours.local.path)

    def peer(size: int) -> HFLM:
        return HFLM(folder, device="cpu", dtype="float32", batch_size=size)

    few = requests[: 40 * CHOICES]
    best = min(SIZES, key=lambda size: seconds(lambda: peer(size).loglikelihood(few, disable_tqdm=True)))
    theirs, mine = peer(best), inb.lm_eval_model(ours)
    said: dict[str, list[tuple[float, bool]]] = {}
    calls = {
        "theirs": lambda: theirs.loglikelihood(requests, disable_tqdm=True),
        "ours": lambda: mine.loglikelihood(requests),
    }
    found = in_turns(
        {
            name: lambda name=name, call=call: seconds(lambda: said.update({name: call()}))
            for name, call in calls.items()
        },
        ROUNDS,
    )
    # Items a second, ours over theirs: seconds the other way round.
    ratio(
        f"{ITEMS} items of {CHOICES}, ours / hf at batch {best}", found["theirs"], found["ours"], "at least 1"
    )
    off = max(abs(one[0] - other[0]) for one, other in zip(said["ours"], said["theirs"], strict=True))
    line("largest difference of a log-likelihood, nats", off, "equal numbers")
    same = sum(one[1] == other[1] for one, other in zip(said["ours"], said["theirs"], strict=True))
    line("greedy flags that are equal, share", same / len(requests), "1")


def asked() -> list[tuple[str, str]]:
    """Questions of some length about the package's own facts, each with four endings of one to some words."""
    from influence_nb.embeddings.corpus import corpus

    rng = random.Random(0)
    texts = list(corpus()["text"])
    pairs = []
    for _ in range(ITEMS):
        words = " ".join(rng.choices(texts, k=rng.randint(1, 4))).split()
        cut = rng.randint(len(words) // 2, len(words) - 1)
        endings = [" ".join(rng.choice(texts).split()[: rng.randint(1, 4)]) for _ in range(CHOICES)]
        pairs += [(" ".join(words[:cut]), f" {ending}") for ending in endings]
    return pairs


if __name__ == "__main__":
    main()
