"""The quality measures of a map of 20,000 points, beside the UMAP that made it.

The vectors are random clusters of 384 dimensions, as the starter's. UMAP compiles itself before it is timed.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import in_turns, line, ratio, seconds
from influence_nb.embeddings.project import umap
from influence_nb.embeddings.quality import measure

COUNT, DIMENSIONS, CLUSTERS, ROUNDS = 20_000, 384, 50, 3


def main() -> None:
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((CLUSTERS, DIMENSIONS), dtype=np.float32)
    noise = rng.standard_normal((COUNT, DIMENSIONS), dtype=np.float32)
    vectors = middles[rng.integers(0, CLUSTERS, COUNT)] + 0.5 * noise
    umap(vectors[:2_000])
    points = umap(vectors).points
    peers = {
        "umap": lambda: seconds(lambda: umap(vectors)),
        "quality": lambda: seconds(lambda: measure(points, vectors)),
    }
    found = in_turns(peers, ROUNDS)
    ratio(f"{COUNT:,} points, quality / UMAP", found["quality"], found["umap"], "under 2")
    line(
        "trustworthiness",
        float(measure(points, vectors).trustworthiness.mean()),
        "none, of what was measured",
    )


if __name__ == "__main__":
    main()
