"""Removing models and leftovers from this machine: only what came from a hub or an index, never a user's own files.

It does not know whether a model is loaded; `Library` asks whoever does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from influence_nb.errors import InvalidData, ModelNotFound
from influence_nb.hub import removal as cache
from influence_nb.hub import starters
from influence_nb.hub.cache import CachedModel, cached_models, folders
from influence_nb.hub.removal import DAMAGED, INCOMPLETE, Leftover, unwritable
from influence_nb.store import records
from influence_nb.store.listing import listing, total
from influence_nb.store.remembered import FileSum
from influence_nb.store.shelf import Found

_NOTES = Path(".cache", "huggingface")
"""Where huggingface_hub and we keep notes and half-done files in an output directory."""


@dataclass(frozen=True)
class Pruned:
    """What `library().prune()` did.

    Attributes:
        bytes: freed.
        removed: what is gone.
        kept: what a running download took up in the meantime.
    """

    bytes: int
    removed: tuple[Leftover, ...]
    kept: tuple[Leftover, ...] = ()


def remove(model: Found) -> int:
    """Delete one model and free what nothing else uses.

    From an output directory only the files that a download brought are deleted, and of those the small ones only if
    nobody changed them; a folder that the user pointed at is just forgotten.

    Returns:
        Bytes freed.

    Raises:
        ModelNotFound: it is gone already.
        InvalidData: a download of it is running.
        SettingsError: its place cannot be written.
    """
    if model.source == "hub":
        freed = _from_cache(model)
    elif model.source == "starter":
        freed = _starter(model)
    else:
        freed = _from_folder(model)
    records.forget(model.path)
    return freed


def would_free(models: Iterable[Found]) -> int:
    """Bytes that removing them would free, or nearly: small files that somebody changed are counted too."""
    size = 0
    cached: dict[Path, set[str]] = {}
    for model in models:
        if model.source == "hub":
            found = _in_cache(model)
            if found.commit:
                cached.setdefault(found.repository, set()).add(found.commit)
            else:
                size += model.size
        elif model.source == "starter":
            size += _size(starters.folder(model.name))
        elif download := records.download_of(model.path):
            files = {entry.name: entry.size or 0 for entry in listing(model.path)}
            size += sum(files.get(name, 0) + files.get(name + DAMAGED, 0) for name in download.files)
    return size + sum(cache.would_free(repository, commits) for repository, commits in cached.items())


def leftovers() -> list[Leftover]:
    """What no model needs: of downloads that were killed, and damaged files that were set aside."""
    found = cache.leftovers()
    for folder in _output_folders():
        found += _of_folder(folder)
    for name in starters.STARTERS:
        found += _of_starter(name)
    return found


def prune(wanted: Iterable[Leftover]) -> Pruned:
    """Delete leftovers, except those that a download has taken up since.

    Raises:
        SettingsError: a place cannot be written; what was deleted before stays deleted.
    """
    removed: list[Leftover] = []
    kept: list[Leftover] = []
    for one in wanted:
        gone = cache.discard(one) if cache.in_cache(one.path) else _discard(one)
        (removed if gone else kept).append(one)
    return Pruned(sum(one.size for one in removed), tuple(removed), tuple(kept))


def _from_cache(model: Found) -> int:
    found = next((one for one in cached_models() if one.path == model.path), None)
    if found is None:
        raise ModelNotFound(
            f"{model.name} is not in the Hub's cache any more.", "inb.library() says what is here."
        )
    freed = cache.remove_revision(found.repository, found.commit) if found.commit else 0
    if not folders(found.repository / "snapshots"):  # nobody will continue what is half done
        freed += prune(_abandoned(found)).bytes
    if found.commit is None and found.repository.is_dir() and any((found.repository / "blobs").iterdir()):
        raise InvalidData(f"{model.name} is being downloaded.", "Cancel the download, then remove it.")
    return freed


def _in_cache(model: Found) -> CachedModel:
    found = next((one for one in cached_models() if one.path == model.path), None)
    if found is None:
        raise ModelNotFound(
            f"{model.name} is not in the Hub's cache any more.", "inb.library() says what is here."
        )
    return found


def _size(folder: Path) -> int:
    return total(listing(folder)) if folder.is_dir() else 0


def _abandoned(found: CachedModel) -> list[Leftover]:
    return cache.leftovers_of(found.repository) if found.repository.is_dir() else []


def _starter(model: Found) -> int:
    folder = starters.folder(model.name)
    size = _size(folder)
    with cache.trying(_lock(folder)) as ours:
        if not ours:
            raise InvalidData(
                f"{model.name} is being fetched by another call or process.", "Wait until it has ended."
            )
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            raise ModelNotFound(f"{model.name} is not here.", "It is gone already.") from None
        except OSError as error:
            raise unwritable(folder, error) from error
    records.forget(folder / "safetensors")
    return size


def _from_folder(model: Found) -> int:
    download, freed = records.download_of(model.path), 0
    if download is None:
        return 0
    try:
        for name, sums in download.files.items():
            path = model.path / name
            for ours in (path, path.with_name(path.name + DAMAGED)):
                if _is_inside(ours, model.path) and ours.is_file() and _came(ours, sums):
                    size = ours.lstat().st_size
                    ours.unlink()
                    freed += size
        for half in _of_folder(model.path):
            freed += half.size if _discard(half) else 0
        for name in download.files:
            (model.path / _NOTES / "download" / f"{name}.metadata").unlink(missing_ok=True)
            (model.path / _NOTES / "download" / f"{name}.lock").unlink(missing_ok=True)
        _remove_empty_folders(model.path)
    except OSError as error:
        raise unwritable(model.path, error) from error
    return freed


def _came(path: Path, sums: FileSum) -> bool:
    """Whether the file is what the download brought: a large one by its name, a small one by its content."""
    if sums.sha256 or not sums.blob_id or path.name.endswith(DAMAGED):
        return True
    content = path.read_bytes()
    return (
        hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == sums.blob_id
    )


def _is_inside(path: Path, folder: Path) -> bool:
    """Never outside: what is remembered may have been tampered with, and folders may be links."""
    return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder))


def _remove_empty_folders(root: Path) -> None:
    notes = root / _NOTES
    if notes.is_dir() and not any(path.name.endswith((".metadata", INCOMPLETE)) for path in notes.rglob("*")):
        shutil.rmtree(notes, ignore_errors=True)
    for folder, _, _ in os.walk(root, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)  # fails, as it should, where a file is left


def _output_folders() -> list[Path]:
    return [Path(one.path) for one in records.recall().downloads.values() if not one.in_cache]


def _of_folder(folder: Path) -> list[Leftover]:
    work, found = folder / _NOTES / "download", []
    if work.is_dir() and not cache.is_busy(work):
        for path in sorted(work.rglob(f"*{INCOMPLETE}")):
            found.append(Leftover(path, "unfinished download", path.stat().st_size, str(folder)))
    download = records.download_of(folder)
    for name in download.files if download else ():
        path = folder / f"{name}{DAMAGED}"
        if path.is_file():
            found.append(Leftover(path, "damaged file", path.stat().st_size, str(folder)))
    return found


def _of_starter(name: str) -> list[Leftover]:
    folder, found = starters.folder(name), []
    for path in sorted(folder.rglob(f"*{DAMAGED}")) if folder.is_dir() else ():
        found.append(Leftover(path, "damaged file", path.stat().st_size, name))
    parts = sorted(folder.parent.glob(f".{folder.name}-*.part"))
    with cache.trying(_lock(folder)) if parts else nullcontext(False) as ours:
        for path in parts if ours else ():
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            found.append(Leftover(path, "unfinished download", size, name))
    return found


def _discard(leftover: Leftover) -> bool:
    """Delete a leftover outside the cache, unless a download has taken it up. Returns whether it is gone."""
    path = leftover.path
    try:
        if path.is_dir():
            with cache.trying(_lock(starters.folder(leftover.owner))) as ours:
                if ours:
                    shutil.rmtree(path)
        elif leftover.kind == "damaged file" or not cache.is_busy(path.parent):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    return not path.exists()


def _lock(folder: Path) -> Path:
    """The lock under which a starter is fetched."""
    return folder.with_name(f".{folder.name}.lock")
