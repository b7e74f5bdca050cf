"""What a repository holds: files with their two hashes, commits, branches, tags, and what its page says.

It does not know HTTP.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".onnx", ".h5", ".msgpack")
Gated = Literal[False, "auto", "manual"]


def git_sha1(data: bytes) -> str:
    """The id git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class File:
    """One file of a commit. `claimed` is the size the hub says, right or wrong."""

    name: str
    data: bytes
    lfs: bool
    claim: int | None = None

    @property
    def claimed(self) -> int:
        return len(self.data) if self.claim is None else self.claim

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git itself keeps of an LFS file."""
        lines = (
            "version https://git-lfs.github.com/spec/v1",
            f"oid sha256:{self.sha256}",
            f"size {self.claimed}",
        )
        return ("\n".join(lines) + "\n").encode()

    @cached_property
    def blob_id(self) -> str:
        return git_sha1(self.pointer if self.lfs else self.data)

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id


@dataclass(frozen=True)
class Commit:
    id: str
    files: dict[str, File]
    date: datetime


@dataclass
class Repo:
    """A model's repository; `add` makes commits, the fields are what its page says."""

    id: str
    gated: Gated = False
    gated_api: bool = False
    private: bool = False
    disabled: bool = False
    moved_to: str | None = None
    allowed_tokens: set[str] = field(default_factory=lambda: {"good"})
    card: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    license: str | None = "apache-2.0"
    task: str | None = "text-generation"
    library: str | None = "transformers"
    languages: list[str] = field(default_factory=lambda: ["en"])
    downloads: int = 0
    likes: int = 0
    trending: int = 0
    created: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    updated: datetime | None = None
    parameters: dict[str, int] | None = None
    gguf: dict[str, Any] | None = None
    used_storage: int | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tagged: dict[str, str] = field(default_factory=dict)

    @property
    def author(self) -> str:
        return self.id.split("/")[0] if "/" in self.id else ""

    def commit(self, files: list[File], branch: str, date: datetime) -> Commit:
        """The branch's next commit, holding exactly these files."""
        tree = [(file.name, file.etag, file.claimed) for file in files]
        parent = self.branches.get(branch, "")
        name = hashlib.sha1(json.dumps([self.id, parent, tree]).encode(), usedforsecurity=False).hexdigest()
        made = Commit(name, {file.name: file for file in files}, date)
        self.commits[name] = made
        self.branches[branch] = name
        return made

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag, a ref or a commit's id (seven digits of it are enough)."""
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        name = self.branches.get(short) or self.tagged.get(short) or self.tagged.get(revision)
        if name:
            return self.commits[name]
        if len(revision) >= 7:
            return next((made for made in self.commits.values() if made.id.startswith(revision)), None)
        return None

    def dtypes(self, commit: Commit) -> dict[str, int] | None:
        """Parameters by dtype, from the headers of the safetensors files, as the hub counts them."""
        if self.parameters is not None:
            return self.parameters
        counts: dict[str, int] = {}
        for file in commit.files.values():
            if file.name.endswith(".safetensors"):
                for dtype, number in _parameters(file.data).items():
                    counts[dtype] = counts.get(dtype, 0) + number
        return counts or None

    def all_tags(self, commit: Commit) -> list[str]:
        """The tags on its page: those given, and those the hub works out."""
        worked_out = [self.library, self.task, *self.languages]
        if self.license:
            worked_out.append(f"license:{self.license}")
        kinds = {"safetensors": self.parameters, "gguf": self.gguf}
        for kind, given in kinds.items():
            if given or any(name.endswith(f".{kind}") for name in commit.files):
                worked_out.append(kind)
        found = [tag for tag in worked_out if tag]
        return list(dict.fromkeys([*found, *self.tags, "region:us"]))


def _parameters(data: bytes) -> dict[str, int]:
    """Parameters by dtype in one safetensors file; a file that is none has none."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
    except (struct.error, ValueError):
        return {}
    counts: dict[str, int] = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            number = 1
            for side in tensor["shape"]:
                number *= side
            counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + number
    return counts
