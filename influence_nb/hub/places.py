"""Where a model's files live on disk: in the Hub's standard cache, or as plain files in a folder.

Both keep what is half done under a name that stays the same, so that a later run finds it, and both are laid out as
huggingface_hub lays them out, so that its tools agree. It moves no bytes from a hub.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol

PARTIAL = ".influence.incomplete"
"""How the names of half-done files end: huggingface_hub's own tools count and clear what ends in ".incomplete"."""

_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")


class Planned(Protocol):
    """A file of a plan: what gives it a place, and what is remembered of it."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def blob_id(self) -> str | None: ...  # noqa: D102


class Place(Protocol):
    """The two kinds of places have this in common.

    Attributes:
        folder: the model's folder, once it is there.
        root: what must be writable, and whose disk counts.
    """

    folder: Path
    root: Path

    def key(self, file: Planned) -> str:
        """What stands for the bytes: files of the same key are fetched once."""

    def shown(self, file: Planned) -> Path:
        """Where a person finds the file."""

    def target(self, file: Planned) -> Path:
        """Where its bytes are put once they are whole."""

    def partial(self, file: Planned) -> Path:
        """Where they are collected."""

    def lock(self, file: Planned) -> Path:
        """What two processes take turns by."""

    def is_here(self, file: Planned) -> bool:
        """Whether the file is shown with its size; not whether its bytes are right."""

    def copies(self, file: Planned) -> list[Path]:
        """Where else on this machine the same bytes may lie."""

    def settle(self, file: Planned) -> None:
        """After `target` is whole: make `shown` show it."""

    def finish(self, revision: str | None) -> None:
        """After all files are settled."""


def place(repo_id: str, commit: str, output_dir: Path | None) -> Place:
    """The place of a model: a folder where one is named, else the Hub's cache."""
    return Cache(repo_id, commit) if output_dir is None else Folder(repo_id, commit, output_dir)


class Cache:
    """`models--owner--name/` in the Hub's cache: bytes in `blobs/`, links to them in `snapshots/<commit>/`."""

    def __init__(self, repo_id: str, commit: str) -> None:
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        self.root = Path(constants.HF_HUB_CACHE).expanduser()
        name = repo_folder_name(repo_id=repo_id, repo_type="model")
        self.storage = self.root / name
        self.locks = self.root / ".locks" / name
        self.commit = commit
        self.folder = self.storage / "snapshots" / commit

    def key(self, file: Planned) -> str:
        """The ETag, by which huggingface_hub names blobs too."""
        return _key(file, self.commit)

    def shown(self, file: Planned) -> Path:
        """Where a person finds the file."""
        return _below(self.folder, file.name)

    def target(self, file: Planned) -> Path:
        """Where its bytes are put."""
        return self.storage / "blobs" / self.key(file)

    def partial(self, file: Planned) -> Path:
        """Where they are collected."""
        return self.storage / "blobs" / f"{self.key(file)}{PARTIAL}"

    def lock(self, file: Planned) -> Path:
        """What processes take turns by."""
        return self.locks / f"{self.key(file)}.lock"  # huggingface_hub's own: its downloads wait for ours too

    def copies(self, file: Planned) -> list[Path]:
        """Where else the same bytes may lie."""
        return []

    def is_here(self, file: Planned) -> bool:
        """By its size: the bytes of a commit do not change."""
        return _has_size(self.shown(file), file)

    def settle(self, file: Planned) -> None:
        """Make `shown` show what is at `target`."""
        from huggingface_hub.file_download import _create_symlink  # a link, or a move where there are none

        shown, target = self.shown(file), self.target(file)
        if _same(shown, target) or not target.exists():
            return
        shown.parent.mkdir(parents=True, exist_ok=True)
        _create_symlink(str(target), str(shown), new_blob=True)

    def finish(self, revision: str | None) -> None:
        """Let the branch or tag point to the commit, as huggingface_hub does; a cache that is only read stays so."""
        name = revision or "main"
        if name == self.commit:
            return
        ref = _below(self.storage / "refs", name)
        with suppress(OSError):
            if not ref.exists() or ref.read_text(encoding="utf-8") != self.commit:
                ref.parent.mkdir(parents=True, exist_ok=True)
                beside = ref.with_name(f"{ref.name}.{os.getpid()}.tmp")
                beside.write_text(self.commit, encoding="utf-8")
                beside.replace(ref)


class Folder:
    """A folder that a person named: plain files; the rest in `.cache/huggingface/download/` below it."""

    def __init__(self, repo_id: str, commit: str, output_dir: Path) -> None:
        self.root = self.folder = output_dir.expanduser().absolute()
        self.commit = commit
        self._work = self.folder / ".cache" / "huggingface" / "download"
        self._cache = Cache(repo_id, commit)

    def key(self, file: Planned) -> str:
        """What stands for the bytes."""
        return f"{hashlib.sha1(file.name.encode(), usedforsecurity=False).hexdigest()[:16]}.{_key(file, self.commit)}"

    def shown(self, file: Planned) -> Path:
        """Where a person finds the file."""
        return _below(self.folder, file.name)

    def target(self, file: Planned) -> Path:
        """Where its bytes are put."""
        return self.shown(file)

    def partial(self, file: Planned) -> Path:
        """Where they are collected."""
        return self._work / f"{self.key(file)}{PARTIAL}"

    def lock(self, file: Planned) -> Path:
        """What processes take turns by."""
        return self._work / f"{self.key(file)}.lock"

    def copies(self, file: Planned) -> list[Path]:
        """Where else the same bytes may lie."""
        return [self._cache.target(file), self._cache.shown(file)]

    def is_here(self, file: Planned) -> bool:
        """By its size, and where huggingface_hub noted what it is, by that."""
        return _has_size(self.shown(file), file) and self._noted(file) in (None, _key(file, self.commit))

    def _noted(self, file: Planned) -> str | None:
        """The ETag in huggingface_hub's note; reading it by its own function would write folders."""
        try:
            note = _below(self._work, f"{file.name}.metadata").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return None
        return note[1].strip() if len(note) > 1 else None

    def settle(self, file: Planned) -> None:
        """Write huggingface_hub's note on where the file is from."""
        from huggingface_hub._local_folder import read_download_metadata, write_download_metadata

        etag = _key(file, self.commit)
        note = read_download_metadata(self.folder, file.name)
        if note is None or (note.commit_hash, note.etag) != (self.commit, etag):
            write_download_metadata(self.folder, file.name, self.commit, etag)

    def finish(self, revision: str | None) -> None:
        """Nothing is left to do."""


def size_of(path: Path) -> int | None:
    """Bytes of a file, or of what a link shows; None where there is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _has_size(path: Path, file: Planned) -> bool:
    there = size_of(path)
    return there is not None and file.size in (None, there)


def _key(file: Planned, commit: str) -> str:
    said = file.sha256 or file.blob_id
    if said is not None and _PLAIN.fullmatch(said):
        return said
    return hashlib.sha256(f"{commit}\n{file.name}\n{said}".encode()).hexdigest()[:40]


def _below(folder: Path, name: str) -> Path:
    return folder.joinpath(*name.split("/"))


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
