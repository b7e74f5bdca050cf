"""What the SQLite file remembers, and that nothing breaks when it cannot."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from folders import write_model
from sqlite_utils import Database

from influence_nb.settings import settings
from influence_nb.store import records
from influence_nb.store.models import LocalModel

pytestmark = pytest.mark.usefixtures("tmp_home")


def test_a_hash_is_the_files(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"some bytes")
    assert records.sha256(file) == hashlib.sha256(b"some bytes").hexdigest()


def test_a_known_file_is_not_read_again_and_a_changed_one_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    stat = file.stat()
    first = records.sha256(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time: the memory answers
    assert records.sha256(file) == first
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert records.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_hashes_are_of_what_decides_the_text(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "picture.png").write_bytes(b"")
    found = records.hashes(folder)
    assert sorted(found) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert found["tokenizer.json"] == hashlib.sha256(b"{}").hexdigest()


def test_last_used() -> None:
    assert records.last_used("a/b") is None
    before = datetime.now(UTC)
    records.touch("a/b")
    records.touch("other")
    used = records.last_used("a/b")
    assert used is not None
    assert before <= used <= datetime.now(UTC)


def test_many_threads_and_processes_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}" for i in range(20)]
    for file in files:
        file.write_text(file.name)
    script = "import sys; from influence_nb.store import records; [records.sha256(p) for p in sys.argv[1:]]"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, *map(str, files)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(records.sha256, files * 3))
    assert [process.wait() for process in processes] == [0, 0]
    assert sums == [hashlib.sha256(file.name.encode()).hexdigest() for file in files] * 3
    rows = Database(records.database_path())["files"].rows
    assert {row["path"]: row["sha256"] for row in rows} == dict(zip(map(str, files), sums, strict=False))


def test_a_damaged_database_is_set_aside(tmp_home: Path, tmp_path: Path) -> None:
    records.touch("a/b")
    records.database_path().write_bytes(b"this is not a database, but it is long enough to be looked at" * 20)
    records.touch("c/d")
    assert records.last_used("c/d") is not None
    assert records.last_used("a/b") is None
    aside = list(tmp_home.glob("influence.sqlite.corrupt-*"))
    assert len(aside) == 1
    assert aside[0].read_bytes().startswith(b"this is not a database")


def test_without_a_place_to_write_it_works_without_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "taken" / "home"))
    settings.cache_clear()
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    assert records.sha256(file) == hashlib.sha256(b"bytes").hexdigest()
    records.touch("a/b")
    assert records.last_used("a/b") is None


@pytest.mark.parametrize("said", ["gestern", "9999-99-99", ""])
def test_a_time_that_cannot_be_read_is_never(said: str) -> None:
    records.touch("a/b")
    Database(records.database_path())["models"].update("a/b", {"last_used": said})
    assert records.last_used("a/b") is None
    records.touch("a/b")
    assert records.last_used("a/b") is not None


def test_a_time_without_a_zone_gets_one() -> None:
    records.touch("a/b")
    Database(records.database_path())["models"].update("a/b", {"last_used": "2024-01-01T00:00:00"})
    used = records.last_used("a/b")
    assert used is not None
    assert used.tzinfo is UTC


def test_tables_of_somebody_else(tmp_path: Path) -> None:
    records.database_path().parent.mkdir(parents=True, exist_ok=True)
    other = Database(records.database_path())
    other["models"].insert({"id": 1, "size": 2}, pk="id")
    other["files"].insert({"id": 1}, pk="id")
    other.conn.close()
    folder = write_model(tmp_path / "tiny")
    records.touch("tiny")
    assert LocalModel.from_folder(folder).last_used is None
    assert len(records.hashes(folder)) == 3
