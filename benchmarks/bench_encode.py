"""Encoding 5,000 texts, beside sentence-transformers as its users call it; and the same again from the cache.

The texts are the corpus and docstrings of the standard library, which is real prose of very different lengths. The peer
is asked with its defaults (its dtype, batches of 32); where it is not installed, only the cache is measured. With
SMALL=1 a tenth of the texts.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from importlib.util import find_spec

import numpy as np

import influence_nb as inb
from benchmarks.common import in_turns, ratio, seconds
from influence_nb.embeddings.corpus import corpus
from influence_nb.embeddings.docstrings import docstrings
from influence_nb.settings import settings

COUNT, ROUNDS = (500, 3) if os.environ.get("SMALL") else (5_000, 3)


def texts() -> list[str]:
    """Different ones, in an order that says nothing of their lengths."""
    rows = list(dict.fromkeys([*corpus()["text"], *docstrings()["text"]]))
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:COUNT]]


def main() -> None:
    import warnings

    warnings.simplefilter("ignore")
    rows = texts()
    words = [len(text.split()) for text in rows]
    print(
        f"{len(rows)} texts, {statistics.median(words):.0f} words by median, {max(words)} at most", flush=True
    )
    ours = {
        dtype: inb.load_encoder("starter/embedding", device="cpu", dtype=dtype)
        for dtype in ("bfloat16", "float32")
    }
    if find_spec("sentence_transformers"):
        beside(ours, rows)
    else:
        print("sentence-transformers is not installed: nothing is compared with it", file=sys.stderr)
    cached(ours["bfloat16"], rows)


def beside(ours: dict[str, inb.Encoder], rows: list[str]) -> None:
    """Texts a second, in turns, and how alike the vectors are."""
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(ours["float32"]._folder), device="cpu")
    expected = theirs.encode(rows[:64])
    for dtype, encoder in ours.items():
        found = encoder.encode(rows[:64])
        cosine = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
        apart = np.abs(found - expected).max()
        print(
            f"{dtype}: the least cosine {cosine.min():.5f} (goal: 0.999), the largest difference {apart:.1e}",
            flush=True,
        )
    times = in_turns(
        {
            "theirs": lambda: seconds(lambda: theirs.encode(rows)),
            **{dtype: lambda one=one: seconds(lambda: one.encode(rows)) for dtype, one in ours.items()},
        },
        ROUNDS,
    )
    print({name: [round(len(rows) / one) for one in many] for name, many in times.items()}, "texts a second")
    ratio(
        "texts a second, bfloat16 / sentence-transformers", times["theirs"], times["bfloat16"], "at least 2"
    )
    ratio("texts a second, float32 / sentence-transformers", times["theirs"], times["float32"], "to compare")


def cached(encoder: inb.Encoder, rows: list[str]) -> None:
    """The first run, which fills the cache, beside the second, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"INFLUENCE_HOME": folder, "INFLUENCE_VECTOR_CACHE": "1GB"}
        settings.cache_clear()
        encoder.facts()  # the checksum of the weights is remembered from the first time on
        first = seconds(lambda: encoder.encode(rows, cache=True))
        second = [seconds(lambda: encoder.encode(rows, cache=True)) for _ in range(5)]
    ratio("seconds, the first run / from the cache", [first], second, "at least 50")


if __name__ == "__main__":
    main()
