"""Getting rid of things in the Hub's cache: revisions, damaged blobs, and what downloads that were killed left behind.

It never touches what a running download holds: huggingface_hub and we take the same lock for each blob. It does not
know which models a person wants to keep.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from influence_nb.errors import InvalidData, ModelNotFound, SettingsError
from influence_nb.hub.cache import blobs_of, cache_dir, folders, refs_of, repo_id, repositories

INCOMPLETE, DAMAGED = ".incomplete", ".damaged"
"""How the names of half-done files end, huggingface_hub's and ours, and those of files that were set aside."""


@dataclass(frozen=True)
class Leftover:
    """Something on the disk that no model needs.

    Attributes:
        path: the file or folder.
        kind: "unfinished download", "damaged file", "unused file" or "empty revision".
        size: bytes.
        owner: the repository or the folder that it belonged to.
    """

    path: Path
    kind: str
    size: int
    owner: str


def remove_revision(repository: Path, commit: str) -> int:
    """Delete a revision, the refs that point to it, and the blobs that no other revision uses.

    A repository that huggingface_hub's own scan refuses, because a link in it is dead, is no obstacle.

    Returns:
        Bytes freed.

    Raises:
        ModelNotFound: there is no such revision.
        InvalidData: a download of one of its files is running.
        SettingsError: the cache cannot be written.
    """
    from huggingface_hub import DeleteCacheStrategy

    snapshot = repository / "snapshots" / commit
    if not snapshot.is_dir():
        raise ModelNotFound(
            f"The cache has no revision {commit[:12]} of {repo_id(repository)}.",
            "inb.library() says what is here.",
        )
    unused = set(blobs_of(snapshot).values()) - _used(repository, but=[snapshot])
    blobs = {
        blob for blob in unused if snapshot not in blob.parents
    }  # where there are no links: files of the snapshot
    sizes = _sizes(unused)
    with ExitStack() as locks:
        for blob in blobs:
            if not locks.enter_context(holding(repository, blob.name)):
                raise InvalidData(
                    f"{repo_id(repository)} is being downloaded by another call or process.",
                    "Wait until the download has ended, or cancel it; then remove the model.",
                )
        try:
            DeleteCacheStrategy(
                expected_freed_size=sum(sizes.values()),
                blobs=frozenset(blobs),
                refs=frozenset(repository / "refs" / name for name in refs_of(repository).get(commit, ())),
                repos=frozenset(),
                snapshots=frozenset({snapshot}),
                cache_dir=repository.parent,
            ).execute()
        except OSError as error:
            raise unwritable(repository.parent, error) from error
    if snapshot.exists() or any(os.path.lexists(blob) for blob in blobs):
        raise unwritable(repository.parent, "permission denied")
    shutil.rmtree(repository / ".no_exist" / commit, ignore_errors=True)
    tidy(repository)
    return sum(size for path, size in sizes.items() if not path.exists())


def would_free(repository: Path, commits: Collection[str]) -> int:
    """Bytes that removing these revisions, one after the other, would free."""
    snapshots = [repository / "snapshots" / commit for commit in commits]
    files = {blob for snapshot in snapshots for blob in blobs_of(snapshot).values()}
    unused = files - _used(repository, but=snapshots)
    return sum(_sizes({blob for blob in unused if not _is_shared(blob)}).values())


def set_aside(blob: Path) -> Path:
    """Rename a damaged blob and remove the links to it, so that nothing counts it as there; returns its new name.

    Raises:
        SettingsError: the cache cannot be written.
    """
    repository = blob.parents[1]
    target = Path(os.path.realpath(blob))  # elsewhere, where several repositories share it
    aside = target.with_name(target.name + DAMAGED)
    try:
        target.replace(aside)
        for snapshot in folders(repository / "snapshots"):
            for name, other in blobs_of(Path(snapshot)).items():
                if other == blob:
                    Path(snapshot, name).unlink()
        if blob.is_symlink():
            blob.unlink()
    except OSError as error:
        raise unwritable(repository.parent, error) from error
    return aside


def leftovers() -> list[Leftover]:
    """What no revision in the cache needs and no running download holds."""
    return [one for repository in repositories() for one in leftovers_of(repository)]


def leftovers_of(repository: Path) -> list[Leftover]:
    """The leftovers of one repository in the cache."""
    found = []
    used, owner = _used(repository), repo_id(repository)
    for blob in _files(repository / "blobs"):
        if blob in used:
            continue
        kind = _kind(blob.name)
        with holding(repository, blob.name.split(".")[0]) as ours, suppress(OSError):
            if ours:
                found.append(Leftover(blob, kind, os.path.getsize(os.path.realpath(blob)), owner))
    if not is_busy(_locks(repository)):
        for path in map(Path, folders(repository / "snapshots")):
            if not any(file.exists() for file in blobs_of(path).values()) and not refs_of(repository).get(
                path.name
            ):
                found.append(Leftover(path, "empty revision", 0, owner))
        if not found and not folders(repository / "snapshots") and not _files(repository / "blobs"):
            found.append(Leftover(repository, "empty revision", 0, owner))
    return found


def discard(leftover: Leftover) -> bool:
    """Delete a leftover of the cache, unless a download has taken it up since. Returns whether it is gone.

    Raises:
        SettingsError: the cache cannot be written.
    """
    path, kind = leftover.path, leftover.kind
    repository = next((one for one in (path, *path.parents) if one.parent == cache_dir()), None)
    if repository is None:
        return False
    try:
        if kind == "empty revision":
            if is_busy(_locks(repository)):
                return False
            if path != repository:
                _remove_empty(path)
        else:
            with holding(repository, path.name.split(".")[0]) as ours:
                if not ours or path in _used(repository):
                    return False
                path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(repository.parent, error) from error
    tidy(repository)
    return not path.exists()


def tidy(repository: Path) -> None:
    """Delete the repository's folder if no revision and no blob is left in it."""
    with suppress(OSError):
        for part in ("blobs", "snapshots"):
            if (repository / part).is_dir():
                (repository / part).rmdir()  # fails where something is in it, or has come since
        shutil.rmtree(repository, ignore_errors=True)


@contextmanager
def trying(lock_file: Path) -> Iterator[bool]:
    """Hold a lock that downloads take; gives False, at once, where somebody else has it."""
    lock = FileLock(lock_file, timeout=0, mode=0o664)
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError):  # not ours to write, or no locks on this disk: nobody can hold one
        yield True
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            lock.release()


def holding(repository: Path, key: str) -> AbstractContextManager[bool]:
    """Hold the lock on one blob, under which huggingface_hub and we fetch it."""
    return trying(_locks(repository) / f"{key}.lock")


def is_busy(locks: Path) -> bool:
    """Whether a download holds one of the locks below that folder."""
    for path in sorted(locks.rglob("*.lock")) if locks.is_dir() else ():
        with trying(path) as ours:
            if not ours:
                return True
    return False


def in_cache(path: Path) -> bool:
    """Whether something lies in the Hub's cache."""
    return cache_dir() in path.parents


def unwritable(folder: Path, error: object) -> SettingsError:
    """What to raise when models cannot be removed for want of rights."""
    return SettingsError(
        f"{folder} cannot be written: {error}.", "Give yourself the right to write there, then ask again."
    )


def _locks(repository: Path) -> Path:
    return repository.parent / ".locks" / repository.name


def _used(repository: Path, but: Sequence[Path] = ()) -> set[Path]:
    """The blobs that revisions use, but for some."""
    snapshots = [Path(path) for path in folders(repository / "snapshots")]
    return {blob for snapshot in snapshots if snapshot not in but for blob in blobs_of(snapshot).values()}


def _is_shared(blob: Path) -> bool:
    """Whether another repository uses the bytes too: huggingface_hub lists who does, beside what Xet brought."""
    if not blob.is_symlink():
        return False
    payload = Path(os.path.realpath(blob))
    try:
        lines = payload.with_name(f"{payload.name}.refs").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return True  # then huggingface_hub will not delete them
    others = [blob.parents[2] / line for line in lines]
    return any(other != blob and os.path.realpath(other) == str(payload) for other in others)


def _kind(name: str) -> str:
    if name.endswith(INCOMPLETE):
        return "unfinished download"
    return "damaged file" if name.endswith(DAMAGED) else "unused file"


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError:
        return []


def _remove_empty(folder: Path) -> None:
    """Delete a folder that holds nothing but dead links and folders."""
    for inside, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(inside, name)
            if path.is_symlink() and not path.exists():
                path.unlink()
        os.rmdir(inside)


def _sizes(blobs: set[Path]) -> dict[Path, int]:
    """Bytes, by the file that really holds them."""
    sizes = {}
    for blob in blobs:
        real = Path(os.path.realpath(blob))
        with suppress(OSError):
            sizes[real] = real.stat().st_size
    return sizes
