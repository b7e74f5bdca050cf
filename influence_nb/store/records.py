"""The one SQLite file that remembers things about models: file hashes, and when a model was last used.

It is a memory, not a source of truth: losing it loses no model. A file that cannot be written means working
without memory, a damaged one is set aside and begun anew. It does not know what the models are.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from influence_nb.errors import InfluenceError
from influence_nb.settings import settings
from influence_nb.store.folder import model_files

if TYPE_CHECKING:
    from sqlite_utils import Database

T = TypeVar("T")
BUSY_SECONDS = 10


def database_path() -> Path:
    """Where the file is, or would be."""
    return settings().home / "influence.sqlite"


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hex; read once for each (path, size, time of change).

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path).absolute()
    stat = path.stat()
    key = [str(path), stat.st_size, stat.st_mtime_ns]

    def known(db: Database) -> str | None:
        rows = db["files"].rows_where("path = ? and size = ? and mtime_ns = ?", key, select="sha256")
        found = next((row["sha256"] for row in rows), None)
        return found if isinstance(found, str) else None

    if found := _try(known):
        return found
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    row = dict(zip(("path", "size", "mtime_ns"), key, strict=True)) | {"sha256": digest}
    _try(lambda db: db.table("files").upsert(row, pk="path"))
    return digest


def hashes(folder: str | Path) -> dict[str, str]:
    """SHA-256 by file name, for the files of a model's folder: configs, tokenizer, weights."""
    return {file.name: sha256(file) for file in model_files(Path(folder))}


def touch(name: str) -> None:
    """Remember that the model of that name is being used now."""
    row = {"name": name, "last_used": datetime.now(UTC).isoformat()}
    _try(lambda db: db.table("models").upsert(row, pk="name"))


def last_used(name: str) -> datetime | None:
    """When the model of that name was last used, in UTC; None when never, or where that cannot be read."""

    def find(db: Database) -> datetime | None:
        rows = db["models"].rows_where("name = ?", [name], select="last_used")
        found = next((row["last_used"] for row in rows), None)
        return datetime.fromisoformat(found).astimezone(UTC) if found else None

    return _try(find)


def _try(work: Callable[[Database], T]) -> T | None:
    """Do something with the database; None where it cannot be had, or holds something else than ours."""
    for _ in range(2):
        try:
            with _open() as db:
                return work(db)
        except InfluenceError:  # a setting that cannot be read
            raise
        except Exception as error:  # read-only, locked for long, no folder, tables of others: work without
            # a damaged file raises just this class; its subclasses are other trouble
            if type(error) is not sqlite3.DatabaseError or not _set_aside():
                return None
    return None


@contextmanager
def _open() -> Iterator[Database]:
    """A connection of this call's own: SQLite's are not for several threads at once."""
    from sqlite_utils import Database

    path = database_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        db = Database(connection)
        if "models" not in db.table_names():
            _create(db)
        yield db
        connection.commit()
    finally:
        connection.close()


def _create(db: Database) -> None:
    db.enable_wal()
    db.table("files").create(
        {"path": str, "size": int, "mtime_ns": int, "sha256": str}, pk="path", if_not_exists=True
    )
    db.table("models").create({"name": str, "last_used": str}, pk="name", if_not_exists=True)


def _set_aside() -> bool:
    """Rename a damaged database, with its companions, out of the way."""
    path = database_path()
    mark = f".corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        path.rename(path.with_name(path.name + mark))
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    except OSError:
        return False
    return True
