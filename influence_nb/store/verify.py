"""Whether a model's bytes are those that they should be, without asking a network.

Known are: the starters' pinned sums; in the Hub's cache the names of the blobs, which are their checksums; for folders
what was remembered at the download, or what huggingface_hub noted beside the files. It does not know who asks.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from influence_nb.errors import BrokenModel, DownloadInterrupted, IntegrityError
from influence_nb.hub import starters
from influence_nb.hub.cache import blobs_of, notes_of, sums_in, sums_of
from influence_nb.hub.checksums import is_right
from influence_nb.hub.progress import Meter, OnProgress
from influence_nb.hub.removal import DAMAGED, set_aside, unwritable
from influence_nb.store import records
from influence_nb.store.folder import model_files
from influence_nb.store.listing import listing
from influence_nb.store.shelf import Found


@dataclass(frozen=True)
class Verification:
    """How checking a model ended well.

    Attributes:
        name: the model's.
        verified: True when every file that decides what the model says has its known sum; None where such a file has
            no known sum, so that nothing can be said.
        files: how many files were checked.
        bytes: how many bytes they have.
        seconds: how long it took.
        unknown: the files for which no sum is known.
        date: when it was done.
    """

    name: str
    verified: bool | None
    files: int
    bytes: int
    seconds: float
    unknown: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class _File:
    name: str
    path: Path
    size: int
    sha256: str | None
    blob_id: str | None


def verify(
    model: Found, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
) -> Verification:
    """Read every file of a model whose sum is known, and compare.

    Args:
        model: whole or not; of one that is not, the files that are there are checked.
        on_progress: called with a `Progress` of stage "verify" now and then.
        cancel: set it from another thread to give up; nothing is changed then.

    Raises:
        IntegrityError: files are damaged or gone; the message names them. Damaged ones are set aside, so that nothing
            counts them as there and the next download fetches just those.
        DownloadInterrupted: cancelled.
        BrokenModel: a file cannot be read.
        SettingsError: a damaged file cannot be set aside, since its folder cannot be written.
    """
    began = time.perf_counter()
    files, unknown, missing = _files(model)
    total = sum(file.size for file in files)
    meter, done, damaged = Meter(total, on_progress), 0, []
    for file in files:
        try:
            right = _is_right(file, done, meter, cancel, model.name)
        except OSError as error:
            raise BrokenModel(
                f"{file.name} of {model.name} cannot be read: {error}.",
                "Look at the disk, then verify again.",
            ) from error
        if not right:
            damaged.append(file)
        done += file.size
    seconds = time.perf_counter() - began
    checked = (len(files), total, seconds)
    if damaged or missing:
        for file in damaged:
            _set_aside(model, file)
        _remember(model, False, checked, [file.name for file in damaged])
        raise _failure(model, damaged, missing)
    sure = None if _matter(model, unknown) or not files else True
    date = _remember(model, True, checked) if sure else datetime.now(UTC)
    meter.tell("ready", model.name, total, total, total)
    return Verification(model.name, sure, len(files), total, seconds, tuple(unknown), date)


def _files(model: Found) -> tuple[list[_File], list[str], list[str]]:
    """The files whose sums are known; the names of those where none is; the names of those that are gone."""
    if model.source == "starter":
        return _starter_files(model)
    known = _known(model)
    files, unknown = [], []
    entries = {entry.name: entry for entry in listing(model.path)}
    for name, entry in entries.items():
        sha256, blob_id = known.get(name, (None, None))
        if entry.size is None or name.endswith(DAMAGED):
            continue
        if sha256 or blob_id:
            files.append(_File(name, model.path / name, entry.size, sha256, blob_id))
        else:
            unknown.append(name)
    download = records.download_of(model.path)
    wanted = {
        *(download.files if download else ()),
        *(name for name, one in entries.items() if one.size is None),
    }
    gone = [name for name in sorted(wanted) if name not in entries or entries[name].size is None]
    return files, unknown, gone


def _known(model: Found) -> dict[str, tuple[str | None, str | None]]:
    """(SHA-256, git's SHA-1) by name: what lies on the disk goes before what is remembered."""
    download = records.download_of(model.path)
    sums: dict[str, tuple[str | None, str | None]] = {}
    for name, one in download.files.items() if download else ():
        sums[name] = (one.sha256, None) if one.sha256 else sums_in(one.blob_id or "")
    for name, here in (sums_of(model.path) if model.source == "hub" else notes_of(model.path)).items():
        theirs = (
            model.source == "folder" and not sums.get(name, here)[0]
        )  # a small file that its owner changed
        if any(here) or theirs:
            sums[name] = here
    return sums


def _starter_files(model: Found) -> tuple[list[_File], list[str], list[str]]:
    folder, known = starters.folder(model.name), starters.starter(model.name)
    files = [
        _File(member.name, folder / member.name, member.size, member.sha256, None)
        for member in known.files
        if (folder / member.name).is_file()
    ]
    gone = [member.name for member in known.files if not (folder / member.name).is_file()]
    unknown = []
    for path in model_files(folder / "safetensors") if (folder / "safetensors").is_dir() else ():
        # made here from what was fetched: its sum is what it was when it was first read
        name, first = path.relative_to(folder).as_posix(), records.known_sha256(path)
        if first is None:
            unknown.append(name)
        else:
            files.append(_File(name, path, path.stat().st_size, first, None))
    return files, unknown, gone


def _is_right(file: _File, before: int, meter: Meter, cancel: threading.Event | None, model: str) -> bool:
    def check(done: int) -> None:
        if cancel is not None and cancel.is_set():
            raise DownloadInterrupted(
                f"Checking {model} was cancelled.", "Nothing was changed. Verify it again."
            )
        meter.tell("verify", file.name, done, file.size, before + done)

    return is_right(file.path, file.size, file.sha256, file.blob_id, check)


def _set_aside(model: Found, file: _File) -> None:
    """Put a damaged file where nothing counts it as there."""
    try:
        if model.source == "starter" and file.path.parent.name == "safetensors":
            shutil.rmtree(file.path.parent)  # it is made anew from what was fetched
        elif (
            model.source == "hub"
            and (blob := blobs_of(model.path).get(file.name))
            and blob.parent.name == "blobs"
        ):
            set_aside(blob)
        elif file.path.exists():
            file.path.replace(file.path.with_name(file.path.name + DAMAGED))
    except OSError as error:
        raise unwritable(file.path.parent, error) from error


def _matter(model: Found, names: list[str]) -> list[str]:
    """Those of the files that decide what the model says. A starter's are all pinned, or made from what is."""
    if model.source == "starter":
        return []
    deciding: Callable[[str], bool] = {file.name for file in model_files(model.path)}.__contains__
    return [name for name in names if deciding(name)]


def _remember(
    model: Found, verified: bool, checked: tuple[int, int, float], damaged: Sequence[str] = ()
) -> datetime:
    if not model.path.is_dir():
        return datetime.now(UTC)
    return records.remember_verification(model.path, verified, *checked, damaged)


def _failure(model: Found, damaged: list[_File], missing: list[str]) -> IntegrityError:
    parts = []
    if damaged:
        names = ", ".join(file.name for file in damaged)
        parts.append(
            f"{names} {'is' if len(damaged) == 1 else 'are'} damaged: the bytes do not have the known checksum"
        )
    if missing:
        parts.append(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} gone")
    name, revision = model.name.partition("@")[::2]
    more = f", revision={model.revision!r}" if revision else ""
    count = len({file.name for file in damaged} | {*missing})
    what = "just that file" if count == 1 else f"just those {count} files"
    aside = " The damaged bytes were set aside." if damaged else ""
    if model.source == "folder":
        more = f", output_dir={str(model.path)!r}"
        download = records.download_of(model.path)
        name = download.repo_id if download else name
    return IntegrityError(
        f"{model.name}: {'; '.join(parts)}.{aside}",
        f"Download it again, inb.download({name!r}{more}): that fetches {what}.",
    )
