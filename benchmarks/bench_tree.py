"""A tree of 500 nodes from `model.tree`, against one forward pass a node.

The peer runs each node that has something after it in a pass of its own, over prompt and branch, as who has no cache
to fork would write it; a second one goes on from a copy of the prompt's cache each time. Both run every eighth node,
and the time is that of all. BENCH_THREADS sets the threads; by default as many as torch takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import influence_nb as inb
from benchmarks.common import in_turns, ratio, seconds

DEPTH, WIDTH, NODES, ROUNDS = 6, 3, 500, 3
EACH = 8


def main() -> None:
    import torch

    if threads := os.environ.get("BENCH_THREADS"):
        torch.set_num_threads(int(threads))
    model: Any = inb.load(device="cpu")
    network = model.network
    turns = [{"role": "user", "content": "Why do boats float?"}]
    prompt = model.encode(model.render(turns), special=False)
    tree = model.tree(prompt, DEPTH, WIDTH, limit=NODES)
    opened = [node for node in (tree.root, *tree) if node.is_open]
    some = opened[EACH // 2 :: EACH]
    print(f"{len(prompt)} prompt tokens; {tree}, {len(opened)} of them opened; load {os.getloadavg()[0]:.1f}")

    def passes() -> None:
        with torch.no_grad():
            for node in some:
                ids = torch.tensor([[*prompt, *node.ids]])
                network(ids, logits_to_keep=1).logits[0, -1].log_softmax(-1).topk(WIDTH)

    def cached() -> None:
        """From a copy of the prompt's cache, so that a pass takes the branch alone."""
        with torch.no_grad():
            begun = network(torch.tensor([prompt]), use_cache=True).past_key_values
            for node in some:
                ids = torch.tensor([node.ids])
                out = network(ids, past_key_values=deepcopy(begun), logits_to_keep=1)
                out.logits[0, -1].log_softmax(-1).topk(WIDTH)

    def ours() -> None:
        model.tree(prompt, DEPTH, WIDTH, limit=NODES)

    peers = {"tree": ours, "one pass a node": passes, "one pass a node, prompt cached": cached}
    share = {name: 1.0 if peer is ours else len(opened) / len(some) for name, peer in peers.items()}
    found = in_turns({name: partial(spent, peer, share[name]) for name, peer in peers.items()}, ROUNDS)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 2) for figure in figures]} seconds")
    ratio("one pass a node / tree", found["one pass a node"], found["tree"], "at least 5")
    ratio(
        "one pass a node, prompt cached / tree",
        found["one pass a node, prompt cached"],
        found["tree"],
        "to compare",
    )


def spent(peer: Callable[[], object], share: float) -> float:
    """Seconds; of a peer that ran some of the nodes, what all would have taken."""
    return share * seconds(peer)


if __name__ == "__main__":
    main()
