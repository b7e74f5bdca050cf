"""The memory's second copy: a line of JSON for each row that no model's own files could tell again.

A new database is filled from it, so that a damaged or lost one costs neither output directories nor what was verified.
Lines are only ever added; one that cannot be read is passed over. It does not know what the rows mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from influence_nb.settings import settings

TABLES = ("folders", "downloads", "verifications")
"""The tables that are kept here too; each has the key `path`."""


def journal_path() -> Path:
    """Where the file is, or would be."""
    return settings().home / "influence.journal.jsonl"


def note(table: str, row: Mapping[str, Any]) -> None:
    """Add a row that was written; of other tables than `TABLES` nothing is kept."""
    if table in TABLES:
        _add({"table": table, "row": dict(row)})


def note_forgotten(path: str) -> None:
    """Add that the rows of that path are gone."""
    _add({"forget": path})


def replay(connection: sqlite3.Connection) -> None:
    """Write all rows into a new database, in the order in which they came."""
    for line in _lines():
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError, KeyError, AttributeError):
            if "forget" in line:
                for table in TABLES:
                    connection.execute(f"delete from {table} where path = ?", [line["forget"]])
            elif line["table"] in TABLES:
                row = line["row"]
                known = {one[1] for one in connection.execute(f"pragma table_info({line['table']})")}
                columns = [name for name in row if name in known]
                connection.execute(
                    f"insert or replace into {line['table']} ({', '.join(columns)})"
                    f" values ({', '.join('?' * len(columns))})",
                    [row[name] for name in columns],
                )


def _add(line: Mapping[str, Any]) -> None:
    path = journal_path()
    with contextlib.suppress(OSError):  # what cannot be kept twice is kept once
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(line).encode() + b"\n"
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, text)  # in one piece: another process may be adding, too
        finally:
            os.close(file)


def _lines() -> Iterator[dict[str, Any]]:
    try:
        text = journal_path().read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value
