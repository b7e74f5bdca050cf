"""Exact nearest neighbours among a million vectors, beside the bare matrix product that NumPy would take for them.

The vectors are random; 384 dimensions, as the starter's. Lengths are known, as a map keeps them.
"""

from __future__ import annotations

import resource

import numpy as np

from benchmarks.common import in_turns, line, ratio, seconds
from influence_nb.embeddings.neighbours import lengths, nearest

COUNT, DIMENSIONS, K, ROUNDS = 1_000_000, 384, 20, 7


def main() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((COUNT, DIMENSIONS), dtype=np.float32)
    known = lengths(vectors)
    for count in (1, 64):
        queries = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def search(queries: np.ndarray = queries) -> None:
            nearest(queries, vectors, K, known_lengths=known)

        search()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        peers = {
            "product": lambda queries=queries: seconds(lambda: queries @ vectors.T),
            "search": lambda search=search: seconds(search),
        }
        found = in_turns(peers, ROUNDS)
        ratio(f"{count} queries, search / product", found["search"], found["product"], "at most 1.5")
        line(f"{count} queries, memory beside the vectors, MB", grown / 1024, "no second copy of 1,536")


if __name__ == "__main__":
    main()
