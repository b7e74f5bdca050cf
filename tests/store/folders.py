"""Small made-up model folders for the store's tests: real file formats, no real model."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
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


def git_sha1(data: bytes) -> str:
    """What git, and the Hub's cache, call a small file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def link_blobs(snapshot: Path) -> Path:
    """Turn a snapshot's files into links to blobs named after their checksums, as huggingface_hub lays them out."""
    blobs = snapshot.parents[1] / "blobs"
    for path in [file for file in snapshot.rglob("*") if file.is_file() and not file.is_symlink()]:
        data = path.read_bytes()
        large = path.suffix in (".safetensors", ".gguf", ".bin")
        blob = blobs / (hashlib.sha256(data).hexdigest() if large else git_sha1(data))
        if not blob.exists():
            blob.write_bytes(data)
        path.unlink()
        path.symlink_to(Path(*[".."] * (len(path.relative_to(snapshot).parts) + 1), "blobs", blob.name))
    return snapshot


def write_linked(cache: Path, repo_id: str, commit: str, main: str | None = None, **options: Any) -> Path:
    """Like `write_cached`, with blobs and links."""
    return link_blobs(write_cached(cache, repo_id, commit, main, **options))


@dataclass(frozen=True)
class PlannedFile:
    """A file of a plan, as `remember_download` wants it."""

    name: str
    size: int | None
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class Plan:
    """A plan of a download, as `remember_download` wants it."""

    repo_id: str
    commit: str
    files: tuple[PlannedFile, ...]
    output_dir: Path | None = None
    revision: str | None = None
    license: str | None = "mit"
    tags: tuple[str, ...] = ("chat",)
    card: str | None = "# A card"


def plan_of(folder: Path, repo_id: str, commit: str = "e" * 40, output_dir: Path | None = None) -> Plan:
    """The plan that would have brought the files of a folder."""
    files = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        data, name = path.read_bytes(), path.relative_to(folder).as_posix()
        large = hashlib.sha256(data).hexdigest() if path.suffix == ".safetensors" else None
        files.append(PlannedFile(name, len(data), large, None if large else git_sha1(data)))
    return Plan(repo_id, commit, tuple(files), output_dir)
