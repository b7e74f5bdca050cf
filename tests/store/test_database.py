"""The SQLite file grows from older versions, and whatever happens to it the library still lists and then remembers."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from folders import plan_of, write_linked, write_model

from influence_nb.store import database, records
from influence_nb.store.library import Library


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(records.database_path(), isolation_level=None)) as connection:
        yield connection


def test_a_file_of_the_first_version_grows(tmp_home: Path, tmp_path: Path) -> None:
    tmp_home.mkdir()
    with opened() as old:
        old.execute("create table files (path text primary key, size integer, mtime_ns integer, sha256 text)")
        old.execute("create table models (name text primary key, last_used text)")
        old.execute("insert into models values ('a/b', '2024-01-01T00:00:00+00:00')")
    used = records.last_used("a/b")
    assert used is not None
    assert used.year == 2024
    Library().add(write_model(tmp_path / "mine"))
    assert [model.name for model in Library()] == ["mine"]
    with opened() as now:
        assert now.execute("pragma user_version").fetchone()[0] == len(database.MIGRATIONS)
    assert set_aside() == []


def test_what_a_download_brought_is_there_for_everyone_to_read(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    plan = plan_of(out, "a/b", output_dir=out)
    records.remember_download(plan, out)
    with opened() as db:
        db.row_factory = sqlite3.Row
        (row,) = db.execute("select * from downloads").fetchall()
    assert (row["path"], row["repo_id"], row["commit_sha"]) == (str(out), "a/b", "e" * 40)
    assert (row["license"], row["tags"], row["card"]) == ("mit", '["chat"]', "# A card")
    found = records.download_of(out)
    assert found is not None
    assert {name: (one.size, one.sha256, one.blob_id) for name, one in found.files.items()} == {
        file.name: (file.size, file.sha256, file.blob_id) for file in plan.files
    }


def test_a_second_download_of_the_same_commit_adds_its_files(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    plan = plan_of(out, "a/b", output_dir=out)
    first, *rest = plan.files
    for files in ((first,), tuple(rest)):
        records.remember_download(type(plan)(plan.repo_id, plan.commit, files, out), out)
    found = records.download_of(out)
    assert found is not None
    assert set(found.files) == {file.name for file in plan.files}
    records.remember_download(type(plan)(plan.repo_id, "f" * 40, (first,), out), out)
    again = records.download_of(out)
    assert again is not None
    assert set(again.files) == {first.name}


def test_sums_that_were_garbled_are_not_believed(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "a/b", output_dir=out), out)
    with opened() as db:
        db.execute('update downloads set files = replace(files, \'"sha256": "\', \'"sha256": "0\')')
    assert Library().verify("a/b").verified is None
    assert (out / "model.safetensors").exists()


def prepare(cache: Path, tmp_path: Path) -> set[str]:
    """A library with something of everything in its memory; returns the names in it."""
    write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "c/d", output_dir=out), out)
    Library().add(write_model(tmp_path / "mine"))
    Library().verify("a/b")
    records.touch("a/b")
    return {model.name for model in Library()}


def works_again(cache: Path, tmp_path: Path) -> None:
    """The library lists what lies in the cache, and remembers anew."""
    assert Library()["a/b"].parameters == 12
    records.touch("mine")
    assert records.last_used("mine") is not None
    Library().add(tmp_path / "mine")
    assert Library()["mine"].path == tmp_path / "mine"
    assert Library().verify("a/b").verified is True
    assert Library()["a/b"].verified is True
    out = tmp_path / "out"
    records.remember_download(plan_of(out, "c/d", output_dir=out), out)
    assert Library()["c/d"].path == out
    records.sha256(out / "config.json")
    assert records.known_sha256(out / "config.json") is not None


def set_aside() -> list[Path]:
    """The files that were renamed out of the way, under the names they have now."""
    return list(records.database_path().parent.glob("influence.sqlite.corrupt-*"))


@pytest.mark.parametrize("seed", range(40))
def test_a_file_garbled_anywhere_loses_no_model(cache: Path, tmp_path: Path, seed: int) -> None:
    prepare(cache, tmp_path)
    path, chance = records.database_path(), random.Random(seed)
    with opened() as db:
        db.execute("pragma wal_checkpoint(truncate)")
    data = bytearray(path.read_bytes())
    size = len(data)
    if seed % 4 == 0:
        del data[chance.randrange(size) :]
    for _ in range(chance.choice([1, 20, 2000])):
        if data:
            place = chance.randrange(min(len(data), chance.choice([100, 4096, size])))
            data[place] = chance.randrange(256)
    path.write_bytes(data)
    works_again(cache, tmp_path)


@pytest.mark.parametrize("text", [b"xy", b"not a database, but long enough to be looked at " * 100])
def test_a_file_that_is_something_else_is_set_aside(cache: Path, tmp_path: Path, text: bytes) -> None:
    prepare(cache, tmp_path)
    records.database_path().write_bytes(text)
    works_again(cache, tmp_path)
    assert [path.read_bytes() for path in set_aside()] == [text]


@pytest.mark.parametrize("text", [b"", b"x"])
def test_a_file_that_sqlite_takes_for_empty_is_filled_again(cache: Path, tmp_path: Path, text: bytes) -> None:
    prepare(cache, tmp_path)
    records.database_path().write_bytes(text)
    works_again(cache, tmp_path)
    assert set_aside() == []


def test_what_can_be_read_of_a_damaged_file_is_taken_over(cache: Path, tmp_path: Path) -> None:
    names = prepare(cache, tmp_path)
    path = records.database_path()
    with opened() as db:
        db.execute("pragma wal_checkpoint(truncate)")
        root = db.execute("select rootpage from sqlite_master where name = 'facts'").fetchone()[0]
        page = db.execute("pragma page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[(root - 1) * page : root * page] = b"\xa5" * page
    path.write_bytes(data)
    assert {model.name for model in Library()} == names
    assert set_aside()
    assert {model.name for model in Library()} == names
    assert records.last_used("a/b") is not None
    assert Library()["c/d"].license == "mit"


def test_a_locked_file_means_no_memory_for_a_while(cache: Path, tmp_path: Path) -> None:
    prepare(cache, tmp_path)
    before = records.database_path().stat().st_ino
    with opened() as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        other.execute("delete from models")
        assert "a/b" in Library()
        other.execute("rollback")
    assert records.database_path().stat().st_ino == before
    works_again(cache, tmp_path)


def test_a_home_that_is_a_file_means_no_memory(cache: Path, tmp_home: Path) -> None:
    tmp_home.write_text("")
    write_linked(cache, "a/b", "1" * 40)
    assert Library()["a/b"].last_used is None
    assert Library().verify("a/b").verified is True
    assert Library().remove("a/b") > 0
