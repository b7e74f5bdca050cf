"""What is remembered about models: file hashes, use, downloads, what their headers said, verifications.

It knows the rows of the one SQLite file, and neither what a model is nor whether it is still there. Where the file
cannot be had, everything is forgotten and nothing fails.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from influence_nb.store import journal
from influence_nb.store.database import attempt, database_path
from influence_nb.store.folder import model_files
from influence_nb.store.listing import listing, signature
from influence_nb.store.remembered import Download, FileSum, Memory, PlanLike, Verified

__all__ = [
    "database_path",
    "download_of",
    "forget",
    "hashes",
    "known_sha256",
    "last_used",
    "recall",
    "remember_download",
    "remember_facts",
    "remember_folder",
    "remember_verification",
    "sha256",
    "touch",
]

_SOON = 1.0
"""Seconds that a listing waits for another process that writes: it can do without."""


def recall() -> Memory:
    """What is remembered; an empty memory where it cannot be had."""

    def read(db: sqlite3.Connection) -> Memory:
        return Memory(
            last_used={row["name"]: when for row in db.execute("select * from models") if (when := _time(row[1]))},
            facts={
                row["path"]: (row["signature"], facts)
                for row in db.execute("select * from facts")
                if isinstance(facts := _json(row["facts"]), dict)
            },
            verifications={
                row["path"]: found
                for row in db.execute("select * from verifications")
                if (found := _verified(row)) is not None
            },
            downloads={str(row["path"]): _download(row) for row in db.execute(f"select {_DOWNLOAD} from downloads")},
            folders=tuple(str(row["path"]) for row in db.execute("select path from folders order by added")),
        )  # fmt: skip

    return attempt(read, _SOON) or Memory()


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hex; read once for each (path, size, time of change).

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path).absolute()
    stat = path.stat()
    if found := known_sha256(path):
        return found
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _replace("files", path=str(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=digest)
    return digest


def known_sha256(path: Path) -> str | None:
    """The SHA-256 that the file had when it was first read, if neither size nor time have changed since."""
    stat = path.stat()
    key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
    query = "select sha256 from files where path = ? and size = ? and mtime_ns = ?"

    def read(db: sqlite3.Connection) -> Any:
        return next((row[0] for row in db.execute(query, key)), None)

    found = attempt(read)
    return found if isinstance(found, str) else None


def hashes(folder: str | Path) -> dict[str, str]:
    """SHA-256 by file name, for the files of a model's folder: configs, tokenizer, weights."""
    return {file.name: sha256(file) for file in model_files(Path(folder))}


def touch(name: str) -> None:
    """Remember that the model of that name is being used now."""
    _replace("models", name=name, last_used=_now())


def last_used(name: str) -> datetime | None:
    """When the model of that name was last used, in UTC; None when never, or where that cannot be read."""

    def read(db: sqlite3.Connection) -> Any:
        return next(
            (row[0] for row in db.execute("select last_used from models where name = ?", [name])), None
        )

    return _time(attempt(read))


def remember_download(plan: PlanLike, path: str | Path) -> None:
    """Remember what a finished download brought, whence, and the sums that the Hub gave.

    Files of an earlier download of the same commit into the same folder stay remembered.

    Args:
        plan: what was planned: repo_id, commit, revision, files (name, size, sha256, blob_id), license, tags, card,
            output_dir.
        path: the folder it went to: the snapshot in the cache, or the output directory.
    """
    here = str(Path(path).absolute())
    before = download_of(here)
    files = dict(before.files) if before and before.commit == plan.commit else {}
    files |= {file.name: FileSum(file.size, file.sha256, file.blob_id) for file in plan.files}
    listed = json.dumps({name: asdict(file) for name, file in sorted(files.items())})
    _replace(
        "downloads",
        path=here,
        repo_id=plan.repo_id,
        commit_sha=plan.commit,
        revision=plan.revision,
        license=plan.license,
        tags=json.dumps(list(plan.tags or ())),
        card=plan.card if isinstance(plan.card, str | None) else json.dumps(plan.card, default=str),
        in_cache=plan.output_dir is None,
        downloaded=_now(),
        files=listed,
        checksum=_checksum(plan.repo_id, listed),
    )
    _remember_checked(here, files)


def _remember_checked(folder: str, files: Mapping[str, FileSum]) -> None:
    """A download checks what it brings: the folder is verified if nothing else is in it that a model says."""
    try:
        names = [path.relative_to(folder).as_posix() for path in model_files(Path(folder))]
        size = sum(entry.size or 0 for entry in listing(folder))
    except OSError:
        return
    if names and all(name in files and files[name].is_known for name in names):
        remember_verification(folder, True, len(names), size, 0.0)


def download_of(path: str | Path) -> Download | None:
    """The download into that folder, with its files and their sums; None when it is not known."""

    def read(db: sqlite3.Connection) -> Download | None:
        query = f"select {_DOWNLOAD}, files from downloads where path = ?"
        for row in db.execute(query, [str(Path(path).absolute())]):
            files = row["files"]
            if row["checksum"] == _checksum(
                row["repo_id"], files
            ):  # else the row is damaged: its sums are worth nothing
                return _download(row, {name: FileSum(**sums) for name, sums in json.loads(files).items()})
        return None

    return attempt(read)


def remember_folder(path: str | Path) -> None:
    """Remember a folder that the user pointed at."""
    _replace("folders", path=str(path), added=_now())


def remember_facts(facts: Mapping[str, tuple[str, dict[str, Any]]]) -> None:
    """Remember what headers said: (signature, facts) by folder."""
    rows = [(path, sign, json.dumps(found)) for path, (sign, found) in facts.items()]
    attempt(lambda db: db.executemany("insert or replace into facts values (?, ?, ?)", rows), _SOON)


def remember_verification(
    path: str | Path, verified: bool, files: int, bytes: int, seconds: float, damaged: Sequence[str] = ()
) -> datetime:
    """Remember how checking that folder ended; it holds as long as nothing in the folder changes. Returns the date."""
    now = datetime.now(UTC)
    _replace(
        "verifications",
        path=str(path),
        signature=signature(listing(path)),
        verified=verified,
        date=now.isoformat(),
        files=files,
        bytes=bytes,
        seconds=seconds,
        damaged=json.dumps(list(damaged)),
    )
    return now


def forget(path: str | Path) -> None:
    """Forget that folder: it is gone, or nothing to us any more. When models were used stays remembered."""

    def work(db: sqlite3.Connection) -> None:
        for table in ("folders", "downloads", "facts", "verifications"):
            db.execute(f"delete from {table} where path = ?", [str(path)])

    attempt(work)
    journal.note_forgotten(str(path))


_DOWNLOAD = "path, repo_id, commit_sha, revision, license, in_cache, checksum"


def _download(row: sqlite3.Row, files: Mapping[str, FileSum] | None = None) -> Download:
    path, repo_id, commit, revision, license, in_cache, checksum = row[:7]
    return Download(
        str(path), str(repo_id), commit, revision, license, bool(in_cache), str(checksum), files or {}
    )


def _verified(row: sqlite3.Row) -> Verified | None:
    date, damaged = _time(row["date"]), _json(row["damaged"])
    if date is None or not isinstance(damaged, list):
        return None
    return Verified(row["signature"], bool(row["verified"]), date, tuple(map(str, damaged)))


def _replace(table: str, **values: Any) -> None:
    """Write a row, its key first, and see that it is there: a file may be damaged without an error of SQLite's."""
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    key, name = next(iter(values.items()))[::-1]

    def work(db: sqlite3.Connection) -> None:
        db.execute(f"insert or replace into {table} ({columns}) values ({marks})", tuple(values.values()))
        for column in (name, f"+{name}"):  # by the index, and without it
            if db.execute(f"select count(*) from {table} where {column} = ?", [key]).fetchone()[0] != 1:
                raise sqlite3.DatabaseError(f"the index of {table} does not fit its rows")

    attempt(work)
    journal.note(table, values)


def _checksum(repo_id: str, files: Any) -> str:
    return hashlib.sha256(f"{repo_id}\n{files}".encode(errors="replace")).hexdigest()


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _time(said: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(said).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
