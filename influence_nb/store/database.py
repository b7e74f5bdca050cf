"""The one SQLite file: opened, brought up to date, set aside when it is damaged.

It is a memory, not a source of truth: losing it loses no model, and a new one is filled from the journal. A file that
cannot be written or is locked means working without memory. It does not know what the rows mean.

It uses the standard library's client: `sqlite_utils` imports pandas, which takes longer than listing 500 models.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from influence_nb.errors import InfluenceError
from influence_nb.settings import settings
from influence_nb.store.journal import replay

T = TypeVar("T")
BUSY_SECONDS = 10.0

_OURS = 0x1F10_E4CE
"""SQLite's application_id of a file that holds our tables and no others."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "create table if not exists files"
        " (path text primary key, size integer, mtime_ns integer, sha256 text)",
        "create table if not exists models (name text primary key, last_used text)",
    ),
    (
        "create table if not exists folders (path text primary key, added text)",
        "create table if not exists downloads (path text primary key, repo_id text, commit_sha text, revision text,"
        " license text, tags text, card text, in_cache integer, downloaded text, files text, checksum text)",
        "create table if not exists facts (path text primary key, signature text, facts text)",
        "create table if not exists verifications (path text primary key, signature text, verified integer,"
        " date text, files integer, bytes integer, seconds real, damaged text)",
    ),
    (
        "create table if not exists peaks (name text, device text, dtype text, quantization text, peak integer,"
        " measured text, primary key (name, device, dtype, quantization))",
    ),
    (
        "create table if not exists runs (id text primary key, kind text, name text, model text, status text,"
        " started text, seconds real, data text, metrics text, parameters text)",
        "create index if not exists runs_started on runs (started)",
    ),
)
"""What turns an older file into a newer one, in order; `pragma user_version` counts those that are done."""

_SALVAGED = ("models", "folders", "downloads", "peaks")
"""What cannot be found out again from the models' own files."""

_TROUBLE_ELSEWHERE = ("BUSY", "LOCKED", "CANTOPEN", "PERM", "FULL", "AUTH", "NOMEM", "TOOBIG", "CONSTRAINT")


def database_path() -> Path:
    """Where the file is, or would be."""
    return settings().home / "influence.sqlite"


def attempt(work: Callable[[sqlite3.Connection], T], patience: float = BUSY_SECONDS) -> T | None:
    """Do something with the database; None where it cannot be had, or holds something else than ours.

    Args:
        work: gets a connection of its own, whose rows are `sqlite3.Row`; what it wrote is committed afterwards.
        patience: seconds to wait for another process that is writing.
    """
    for _ in range(2):
        try:
            with _open(patience) as connection:
                return work(connection)
        except InfluenceError:  # a setting that cannot be read
            raise
        except Exception as error:  # read-only, locked for long, no folder, tables of others: work without
            if not (_is_damage(error) and _set_aside()):
                return None
    return None


@contextmanager
def _open(patience: float) -> Iterator[sqlite3.Connection]:
    """A connection of this call's own: SQLite's are not for several threads at once."""
    path = database_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=patience)
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        _migrate(connection)
        connection.execute(
            "pragma synchronous = normal"
        )  # in WAL: a power cut costs the last rows, never the file
        yield connection
        connection.commit()
    finally:
        connection.close()


def _migrate(connection: sqlite3.Connection) -> None:
    if _number(connection, "user_version") >= len(MIGRATIONS):
        return
    connection.execute("pragma journal_mode = wal")
    connection.execute("begin immediate")  # two processes may see an old file at once: one of them waits
    done = _number(connection, "user_version")
    ours = _holds_only_ours(connection)
    for statements in MIGRATIONS[done:]:
        for statement in statements:
            connection.execute(statement)
    if ours:
        connection.execute(f"pragma application_id = {_OURS}")
    if done == 0:
        replay(connection)
    connection.execute(f"pragma user_version = {max(done, len(MIGRATIONS))}")
    connection.commit()


def _holds_only_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file is new, or its tables are those of a version of ours before it had an application_id."""
    tables = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
    columns = [row[1] for row in connection.execute("pragma table_info(models)")]
    return not tables or (_number(connection, "application_id") == _OURS) or columns == ["name", "last_used"]


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"pragma {pragma}").fetchone()[0])


def _is_damage(error: Exception) -> bool:
    """Whether the file itself is at fault, and not its place, another process, or whoever owns it."""
    if not isinstance(error, sqlite3.Error):
        return isinstance(error, UnicodeError)  # a name in the schema that is no text
    kind = getattr(error, "sqlite_errorname", None) or ""
    if kind.removeprefix("SQLITE_").startswith(_TROUBLE_ELSEWHERE):
        return False
    if type(error) is sqlite3.DatabaseError:  # "malformed", "not a database"
        return True
    return not _is_sound()


def _is_sound() -> bool:
    """False for a file that SQLite finds fault with, or that says it is ours and lacks our tables."""
    path = database_path()
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return True  # no file, or not readable: nothing to set aside
    if header and not (header.startswith(b"SQLite format 3\0") and {*header[18:20]} <= {1, 2}):
        return False
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
    except sqlite3.Error:
        return True
    try:
        if connection.execute("pragma quick_check(1)").fetchone()[0] != "ok":
            return False
        return _number(connection, "application_id") != _OURS or _has_our_columns(connection)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorname.removeprefix("SQLITE_").startswith(_TROUBLE_ELSEWHERE)
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _has_our_columns(connection: sqlite3.Connection) -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        for statements in MIGRATIONS:
            for statement in statements:
                fresh.execute(statement)
        tables = [row[0] for row in fresh.execute("select name from sqlite_master where type = 'table'")]
        query = "select name from pragma_table_info(?)"
        return all(
            {*fresh.execute(query, [table])} <= {*connection.execute(query, [table])} for table in tables
        )


def _set_aside() -> bool:
    """Rename a damaged file out of the way, and take over into a new one what can still be read of it."""
    path = database_path()
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03}")
    try:
        path.rename(aside)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + "-wal").rename(aside.with_name(aside.name + "-wal"))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
    except OSError:
        return False
    with contextlib.suppress(sqlite3.Error, OSError, UnicodeError):
        _salvage(aside)
    return True


def _salvage(aside: Path) -> None:
    with _open(1.0) as new, contextlib.closing(sqlite3.connect(aside, timeout=1)) as old:
        old.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        for table in _SALVAGED:
            with contextlib.suppress(
                sqlite3.Error, OverflowError, UnicodeError
            ):  # the rows before the damage are enough
                for row in old.execute(f"select * from {table}"):
                    marks = ", ".join("?" * len(row))
                    new.execute(f"insert or ignore into {table} values ({marks})", tuple(row))
