"""Listing a library of 500 models in the Hub's cache, beside huggingface_hub's own scan of the same cache.

The models are made up: real headers, a real layout, a few hundred bytes of weights. "First" begins with nothing
remembered, so that every header is read; "again" is what a panel does each time it is looked at.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.common import fail, in_turns, line, ratio, seconds
from tests.loopback.models import made_up
from tests.loopback.repo import File

MODELS = 500


def put(cache: Path, number: int) -> None:
    """A snapshot with its blobs, links and branch, as a download leaves them; every tenth model has shards."""
    files = made_up(4_000, shards=3 if number % 10 == 0 else 1, seed=number, vocab_size=256 + number)
    repository = cache / f"models--lab-{number % 20}--model-{number}"
    snapshot = repository / "snapshots" / f"{number:040x}"
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(snapshot.name)
    for name, data in files.items():
        blob = repository / "blobs" / File(name, data, name.endswith(".safetensors")).etag
        blob.write_bytes(data)
        os.symlink(os.path.relpath(blob, snapshot), snapshot / name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        cache = place / "cache"
        os.environ["INFLUENCE_HOME"] = str(place / "home")
        from huggingface_hub import constants, scan_cache_dir

        import influence_nb as inb
        from influence_nb.settings import settings

        constants.HF_HUB_CACHE = str(cache)
        for number in range(MODELS):
            put(cache, number)

        def listing() -> None:
            if (found := len(list(inb.library()))) != MODELS:
                fail(f"{found} models are listed, not {MODELS}")

        def first() -> float:
            os.environ["INFLUENCE_HOME"] = tempfile.mkdtemp(dir=place)
            settings.cache_clear()
            return seconds(listing)

        def scan() -> float:
            return seconds(lambda: scan_cache_dir(cache))

        first(), scan()  # the imports
        found = in_turns({"first": first, "again": lambda: seconds(listing), "scan_cache_dir": scan}, rounds)
        for name, figures in found.items():
            print(f"{name}: {[round(figure, 3) for figure in figures]} s")
        what = f"listing {MODELS} models"
        line(f"{what}, seconds", statistics.median(found["again"]), "less than 0.5")
        began = time.process_time()
        listing()
        line(f"{what}, seconds of the processor", time.process_time() - began, "for comparison")
        line(f"{what}, seconds, nothing remembered", statistics.median(found["first"]), "for comparison")
        ratio(f"{what} / scan_cache_dir", found["again"], found["scan_cache_dir"], "for comparison")


if __name__ == "__main__":
    main()
