"""A lost or garbled memory is filled from its second copy: output directories and verifications are still known."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import plan_of, write_linked, write_model

from influence_nb.store import journal, records
from influence_nb.store.library import Library


def prepare(cache: Path, tmp_path: Path) -> dict[str, bool | None]:
    """A verified model of the Hub, a download in a folder of its own, and one that the user added."""
    write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "c/d", output_dir=out), out)
    Library().add(write_model(tmp_path / "mine"))
    Library().verify("a/b")
    return {model.name: model.verified for model in Library()}


def lose() -> None:
    for file in records.database_path().parent.glob("influence.sqlite*"):
        file.unlink()


def test_a_lost_file_is_filled_again(cache: Path, tmp_path: Path) -> None:
    before = prepare(cache, tmp_path)
    assert before == {"a/b": True, "c/d": True, "mine": None}
    lose()
    assert {model.name: model.verified for model in Library()} == before
    found = records.download_of(tmp_path / "out")
    assert found is not None
    assert found.files["model.safetensors"].sha256 is not None


@pytest.mark.parametrize("garbage", [b"not a database " * 500, b"SQLite format 3\0" + b"\xa5" * 8000])
def test_a_garbled_file_is_filled_again(cache: Path, tmp_path: Path, garbage: bytes) -> None:
    before = prepare(cache, tmp_path)
    lose()
    records.database_path().write_bytes(garbage)
    assert {model.name: model.verified for model in Library()} == before


def test_what_was_removed_stays_removed(cache: Path, tmp_path: Path) -> None:
    prepare(cache, tmp_path)
    Library().remove("c/d")
    Library().remove("mine")
    lose()
    assert [model.name for model in Library()] == ["a/b"]
    assert (tmp_path / "mine" / "model.safetensors").exists()


def test_what_changed_meanwhile_is_not_verified(cache: Path, tmp_path: Path) -> None:
    prepare(cache, tmp_path)
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"oops")
    lose()
    assert Library()["c/d"].verified is None


def test_lines_that_cannot_be_read_are_passed_over(cache: Path, tmp_path: Path) -> None:
    before = prepare(cache, tmp_path)
    path = journal.journal_path()
    lines = path.read_bytes().splitlines(keepends=True)
    odd = [
        b"\xff\xfe\n",
        b"[1]\n",
        b'{"table": "folders", "row": 3}\n',
        b'{"table": "sqlite_master", "row": {}}\n',
    ]
    path.write_bytes(b"".join([*odd, *lines, b'{"table": "downl']))
    lose()
    assert {model.name: model.verified for model in Library()} == before


def test_a_home_without_room_for_it_costs_nothing_else(cache: Path, tmp_path: Path) -> None:
    journal.journal_path().mkdir(parents=True)
    assert prepare(cache, tmp_path)["c/d"] is True
