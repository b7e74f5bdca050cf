"""Listing a library of 500 models, in seconds and against huggingface_hub's own scan of the same cache.

Each figure is of a fresh process, imports left out: at first nothing is remembered, afterwards the headers are.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import fail, in_turns, line, ratio

MODELS, TENSORS, ROUNDS = 500, 300, 5
LISTING = """
import influence_nb as inb
library = inb.library()
began = time.perf_counter()
found = len([model for model in library])
"""
SCAN = """
from huggingface_hub import scan_cache_dir
began = time.perf_counter()
found = len(scan_cache_dir().repos)
"""


def fill(cache: Path) -> None:
    """Models as the Hub's cache holds them, with headers as long as those of a model of some thirty layers."""
    spans = {
        f"model.layers.{i}.self_attn.q_proj.weight": {
            "dtype": "BF16",
            "shape": [2],
            "data_offsets": [4 * i, 4 * i + 4],
        }
        for i in range(TENSORS)
    }
    header = json.dumps(spans).encode()
    weights = struct.pack("<Q", len(header)) + header + bytes(4 * TENSORS)
    for number in range(MODELS):
        repository = cache / f"models--owner{number % 50}--model-{number}"
        commit = f"{number:040x}"
        snapshot = repository / "snapshots" / commit
        for folder in (snapshot, repository / "blobs", repository / "refs"):
            folder.mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        small = ("README.md", "generation_config.json", "merges.txt", "tokenizer.json", "vocab.json")
        files = {name: f"{name} {number}".encode() for name in small}
        files["config.json"] = json.dumps({"architectures": ["LlamaForCausalLM"], "number": number}).encode()
        for name, data in {**files, "model.safetensors": weights}.items():
            blob = repository / "blobs" / hashlib.sha256(data).hexdigest()
            blob.write_bytes(data)
            (snapshot / name).symlink_to(f"../../blobs/{blob.name}")


def taking(work: str, home: Path, cache: Path) -> float:
    """Seconds that `work` takes in a new process."""
    code = f"import time{work}\nprint(time.perf_counter() - began, found)"
    environment = {**os.environ, "INFLUENCE_HOME": str(home), "HF_HUB_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        fail(done.stderr)
    took, found = done.stdout.split()
    if int(found) != MODELS:
        fail(f"{found} models were found")
    return float(took)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        fill(cache)
        first = [taking(LISTING, Path(folder, f"home-{number}"), cache) for number in range(ROUNDS)]
        home = Path(folder, "home-0")
        peers = {"ours": lambda: taking(LISTING, home, cache), "theirs": lambda: taking(SCAN, home, cache)}
        found = in_turns(peers, ROUNDS)
    line(f"seconds to list {MODELS} models for the first time", statistics.median(first), "under 0.5")
    line(f"seconds to list {MODELS} models", statistics.median(found["ours"]), "under 0.5")
    ratio("library() / scan_cache_dir()", found["ours"], found["theirs"], "at most 1")


if __name__ == "__main__":
    main()
