"""The models in the Hub's standard cache, which every Hugging Face tool on this machine shares.

It only reads, and asks no network. A missing cache is an empty one; what is no repository of a model is passed over.
It does not know whether a model is whole.

The layout is huggingface_hub's documented one: `models--owner--name/` with `refs/` (names of branches, each a file
that holds a commit), `snapshots/<commit>/` (links) and `blobs/` (what they point to, named after its checksum). It is
read directly: `scan_cache_dir` looks at every file of every repository, and leaves out a repository with one dead link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "models--"

_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CachedModel:
    """One revision in the cache.

    Attributes:
        repo_id: "owner/name".
        commit: the commit that the snapshot is of; None for a repository that has no snapshot yet.
        path: the snapshot's folder, or the repository's where there is no snapshot.
        refs: the branches and tags that point to the commit.
        changed: when the snapshot's folder last changed, in seconds since 1970.
    """

    repo_id: str
    commit: str | None
    path: Path
    refs: tuple[str, ...]
    changed: float

    @property
    def repository(self) -> Path:
        """The folder of the repository in the cache."""
        return self.path.parents[1] if self.commit else self.path


def cache_dir() -> Path:
    """Where the cache is, or would be."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def cached_models() -> list[CachedModel]:
    """Every revision of every model, by name; of one model `main` comes first, then what changed last."""
    models = [model for repository in repositories() for model in _revisions(repository)]
    return sorted(
        models, key=lambda one: (one.repo_id.lower(), one.repo_id, "main" not in one.refs, -one.changed)
    )


def repositories() -> list[Path]:
    """The folders of models in the cache."""
    return [Path(path) for path in folders(str(cache_dir())) if os.path.basename(path).startswith(PREFIX)]


def repo_id(repository: Path) -> str:
    """The name that a folder of the cache stands for."""
    return repository.name.removeprefix(PREFIX).replace("--", "/")


def blobs_of(snapshot: Path) -> dict[str, Path]:
    """The blob that each file of a snapshot points to, by the file's name; the file itself where it is no link."""
    found = {}
    for folder, _, names in os.walk(snapshot):
        for name in names:
            path = os.path.join(folder, name)
            target = path
            if os.path.islink(
                path
            ):  # one step only: a blob may itself point into the store that repositories share
                target = os.path.normpath(os.path.join(folder, os.readlink(path)))
            found[Path(path).relative_to(snapshot).as_posix()] = Path(target)
    return found


def sums_of(snapshot: Path) -> dict[str, tuple[str | None, str | None]]:
    """(SHA-256, git's SHA-1) of each file of a snapshot, as the blobs' names tell: one of the two, or neither."""
    return {
        name: sums_in(blob.name if blob.parent.name == "blobs" else "")
        for name, blob in blobs_of(snapshot).items()
    }


def notes_of(folder: Path) -> dict[str, tuple[str | None, str | None]]:
    """(SHA-256, git's SHA-1) of each file in an output directory, as huggingface_hub noted beside it at the download.

    For a file that was changed after its download there is neither: it is its owner's now.
    """
    notes = folder / ".cache" / "huggingface" / "download"
    sums: dict[str, tuple[str | None, str | None]] = {}
    for note in notes.rglob("*.metadata") if notes.is_dir() else ():
        name = note.relative_to(notes).as_posix().removesuffix(".metadata")
        with suppress(OSError, ValueError):
            _, etag, when = note.read_text(encoding="utf-8").splitlines()[:3]
            changed = (folder / name).stat().st_mtime > float(when) + 1  # their own tolerance
            sums[name] = (None, None) if changed else sums_in(etag)
    return sums


def sums_in(etag: str) -> tuple[str | None, str | None]:
    """(SHA-256, git's SHA-1): which of the two a name of bytes on the Hub is, by its looks; maybe neither."""
    return (etag if _SHA256.fullmatch(etag) else None, etag if _SHA1.fullmatch(etag) else None)


def _revisions(repository: Path) -> Iterator[CachedModel]:
    refs = refs_of(repository)
    found = False
    for path in folders(f"{repository}/snapshots"):
        found = True
        commit = os.path.basename(path)
        yield CachedModel(
            repo_id(repository), commit, Path(path), tuple(refs.get(commit, ())), os.stat(path).st_mtime
        )
    if not found and _any_file(f"{repository}/blobs"):
        yield CachedModel(repo_id(repository), None, repository, (), os.stat(repository).st_mtime)


def refs_of(repository: str | Path) -> dict[str, list[str]]:
    """The branches and tags by commit."""
    found: dict[str, list[str]] = {}
    root = os.path.join(repository, "refs")
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
                found.setdefault(file.read().strip(), []).append(
                    os.path.relpath(path, root).replace(os.sep, "/")
                )
    return found


def folders(path: str | Path) -> list[str]:
    """The folders in a folder, but for hidden ones; none where it is not there."""
    try:
        with os.scandir(path) as inside:
            return sorted(one.path for one in inside if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return []


def _any_file(path: str) -> bool:
    try:
        with os.scandir(path) as inside:
            return any(True for _ in inside)
    except OSError:
        return False
