"""Small made-up model folders for the store's tests: real file formats, no real model."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file


def write_model(folder: Path, config: dict[str, Any] | None = None, shards: int = 1) -> Path:
    """A whole safetensors model of 12 parameters a shard."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", **(config or {})}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    names = ["model.safetensors"]
    if shards > 1:
        names = [f"model-{i:05}-of-{shards:05}.safetensors" for i in range(1, shards + 1)]
        table = {f"weight.{name}": name for name in names}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    for name in names:
        tensors = {f"a.{name}": np.zeros((2, 3), np.float16), f"b.{name}": np.ones(6, np.float16)}
        save_file(tensors, folder / name)
    return folder


def write_gguf(path: Path, architecture: str = "llama", data: bytes = bytes(64)) -> Path:
    """A GGUF file with a string, an array of strings, an array of numbers, and one tensor of 4 × 4."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text(architecture),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.5),
        text("llama.context_length") + struct.pack("<II", 4, 2048),
    ]
    tensor = text("weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + tensor
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + data)
    return path


def write_cached(cache: Path, repo_id: str, commit: str, main: str | None = None, **options: Any) -> Path:
    """A snapshot in the layout of the Hub's cache; `main` writes the ref."""
    repo = cache / f"models--{repo_id.replace('/', '--')}"
    snapshot = write_model(repo / "snapshots" / commit, **options)
    (repo / "blobs").mkdir(exist_ok=True)
    (repo / "refs").mkdir(exist_ok=True)
    if main:
        (repo / "refs" / "main").write_text(main)
    return snapshot
