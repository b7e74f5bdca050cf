"""Downloads that cannot be done: no room, no right to write, wrong plans, files that are gone. What is whole stays."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download
from on_disk import NAME, contents, partials

import influence_nb as inb
from influence_nb.errors import (
    IntegrityError,
    InvalidData,
    ModelNotFound,
    NotEnoughDisk,
    SettingsError,
)
from influence_nb.hub import partial
from influence_nb.hub import plan as plans
from influence_nb.hub.fetch import fetch
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up


def test_a_plan_and_a_starter_take_no_further_wishes(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add(NAME, made_up())
    with pytest.raises(InvalidData, match="beside a plan"):
        inb.download(inb.plan(NAME), output_dir=tmp_path)
    with pytest.raises(InvalidData, match="beside a starter"):
        inb.download("starter/chat", revision="main")


def test_a_full_disk_is_seen_before_the_start(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(NAME, made_up())
    monkeypatch.setattr(plans.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    plan = inb.plan(NAME)
    assert plan.disk_free == 1000
    hub.forget()

    with pytest.raises(NotEnoughDisk, match=r"1\.0 kB free") as caught:
        inb.download(plan)

    assert "output_dir" in caught.value.hint
    assert hub.log == []
    monkeypatch.undo()
    hub_home = Path(constants.HF_HUB_CACHE)
    assert not partials(hub_home)


def test_a_disk_that_fills_up_midway_keeps_what_came_and_goes_on_later(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, noise: bytes
) -> None:
    files = {**made_up(), "model.safetensors": noise}
    commit = hub.add(NAME, files)
    written = 0
    really = partial.write

    def write(sink: object, piece: bytes) -> None:
        nonlocal written
        if written > 1_000_000:
            raise OSError(28, "No space left on device")
        written += len(piece)
        really(sink, piece)

    monkeypatch.setattr(partial, "write", write)
    with pytest.raises(NotEnoughDisk, match="filled up") as caught:
        inb.download(NAME)
    assert "output_dir" in caught.value.hint
    monkeypatch.setattr(partial, "write", really)
    hub.forget()

    assert contents(inb.download(NAME, commit).path) == files
    (asked,) = hub.requests("*/model.safetensors", host="cdn")
    assert asked.range is not None
    assert asked.range[0] is not None
    assert asked.range[0] >= 900_000


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_folder_that_cannot_be_written_is_refused_by_name(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add(NAME, made_up())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    with pytest.raises(SettingsError, match="closed") as caught:
        inb.download(NAME, output_dir=closed / "mine")

    assert "output_dir" in caught.value.hint


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_cache_that_may_only_be_read_is_refused_by_name_and_read_where_that_is_enough(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files = made_up()
    commit = hub.add(NAME, files)
    hub.add("someone/other", files)
    snapshot_download(NAME, endpoint=hub.endpoint)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SettingsError, match="hub-cache") as caught:
        inb.download("someone/other")

    assert "output_dir" in caught.value.hint
    assert contents(fetch(inb.plan(NAME, commit))) == files


def test_a_folder_below_a_file_is_refused_by_name(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add(NAME, made_up())
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SettingsError, match="file") as caught:
        inb.download(NAME, output_dir=tmp_path / "file" / "mine")

    assert "output_dir" in caught.value.hint
    assert inb.download(NAME).name == NAME


def test_an_error_of_one_file_stops_the_others_and_keeps_those_that_are_whole(hub: LoopbackHub) -> None:
    files = made_up(100_000, shards=2)
    commit = hub.add(NAME, files)
    plan = inb.plan(NAME)
    wrong = tuple(
        replace(file, sha256=hashlib.sha256(b"other").hexdigest()) if "00002" in file.name else file
        for file in plan.files
    )
    with pytest.raises(IntegrityError, match="00002"):
        fetch(replace(plan, files=wrong))

    hub.forget()
    assert contents(inb.download(NAME, commit).path) == files


def test_a_plan_that_was_changed_by_hand_cannot_leave_the_folder(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add(NAME, made_up())
    plan = inb.plan(NAME, output_dir=tmp_path / "mine")
    hub.forget()
    with pytest.raises(IntegrityError, match="would not stay"):
        fetch(replace(plan, files=(replace(plan.files[0], name="../outside"),)))
    assert hub.log == []
    assert not (tmp_path / "outside").exists()


def test_a_file_that_is_gone_from_the_hub_is_named(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up())
    plan = inb.plan(NAME)
    hub.fault("*/tokenizer.json", "status", code=404, headers={"X-Error-Code": "EntryNotFound"})

    with pytest.raises(ModelNotFound, match=r"tokenizer\.json"):
        fetch(plan)
    assert inb.download(NAME).name == NAME
