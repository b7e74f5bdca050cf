"""Runs as files: whole they are the same elsewhere; cut off or altered they are refused, and said in what."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InfluenceError, IntegrityError, InvalidData, NotEnoughDisk
from influence_nb.evaluation import run as running
from influence_nb.settings import settings
from tests.evaluation.test_run import choosing

Files = dict[str, str]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to be on another machine, as far as runs are concerned."""

    def go() -> None:
        monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "elsewhere"))
        settings.cache_clear()

    return go


def altered(path: Path, change: Callable[[Files], Any]) -> Path:
    """The same file with other files in it."""
    with zipfile.ZipFile(path) as before:
        identifier = before.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: before.read(name).decode() for name in before.namelist()}
    change(files)
    new = path.with_name("altered.zip")
    with zipfile.ZipFile(new, "w") as after:
        for name, text in files.items():
            after.writestr(f"{identifier}/{name}", text)
    return new


def cut(files: Files) -> None:
    files["items.jsonl"] = "".join(files["items.jsonl"].splitlines(keepends=True)[:2])


def flipped(files: Files) -> None:
    items = [json.loads(line) for line in files["items.jsonl"].splitlines()]
    for item in items:
        item["values"]["acc"] = 1 - item["values"]["acc"]
    files["items.jsonl"] = "".join(json.dumps(item) + "\n" for item in items)


def better(files: Files) -> None:
    values = json.loads(files["run.json"])
    values["metrics"]["acc"]["value"] = 0.99
    files["run.json"] = json.dumps(values)


def other_task(files: Files) -> None:
    files["task.json"] = files["task.json"].replace("quick", "slow")


def hotter(files: Files) -> None:
    values = json.loads(files["run.json"])
    values["determined_by"]["sampling"]["temperature"] = 2.0
    files["run.json"] = json.dumps(values)


def test_a_run_goes_elsewhere_and_is_the_same(
    model: inb.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inb.evaluate(model, choosing())
    path = found.run.export(tmp_path / "run.zip")
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "elsewhere"))
    settings.cache_clear()
    assert not len(inb.runs())
    taken = inb.import_run(path)
    assert taken == found.run
    assert taken.folder.parent.parent == tmp_path / "elsewhere"
    assert running.result(taken).items == found.items
    assert list(inb.runs().index) == [found.run.id]
    assert inb.import_run(path) == taken, "once is enough"
    passes = model.forwards
    assert inb.evaluate(model, taken.task()).items == found.items
    assert model.forwards == passes


def test_files_that_are_no_runs_are_refused(model: inb.Model, tmp_path: Path) -> None:
    found = inb.evaluate(model, choosing())
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as outside:
        outside.writestr("../run.json", "{}")
    (tmp_path / "text.zip").write_text("hello")
    shutil.rmtree(found.run.folder)
    for name in ("outside.zip", "text.zip", "none.zip"):
        with pytest.raises(InvalidData) as caught:
            inb.import_run(tmp_path / name)
        assert caught.value.hint
    assert not len(inb.runs())
    assert not (tmp_path / "run.json").exists()


def test_a_run_that_was_cut_off_or_altered_is_refused(
    model: inb.Model, tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    path = inb.evaluate(model, choosing()).run.export(tmp_path / "run.zip")
    elsewhere()
    cases: list[tuple[Callable[[Files], Any], str]] = [
        (cut, "items.jsonl is changed"),
        (flipped, "items.jsonl is changed"),
        (lambda files: files.pop("task.json"), "task.json is missing"),
        (lambda files: files.update(more="x"), "more is not in its manifest"),
        (better, "run.json is changed"),
    ]
    for change, words in cases:
        with pytest.raises(IntegrityError, match=words) as caught:
            inb.import_run(altered(path, change))
        assert caught.value.hint
    assert not len(inb.runs())
    assert inb.import_run(path).status == "done"


def test_without_a_manifest_items_and_metrics_must_agree(
    model: inb.Model, tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    path = inb.evaluate(model, choosing()).run.export(tmp_path / "run.zip")
    elsewhere()
    cases: list[tuple[Callable[[Files], Any], str]] = [
        (cut, "items.jsonl has 2 of 5 items"),
        (flipped, "its metric acc does not follow from items.jsonl"),
        (better, "its metric acc does not follow from items.jsonl"),
        (other_task, "task.json is not what determined it"),
        (hotter, "its id is not that of what determined it"),
        (lambda files: files.update({"items.jsonl": "[]\n"}), "cut off or altered"),
    ]
    for change, words in cases:

        def older(files: Files, change: Callable[[Files], Any] = change) -> None:
            del files["manifest.json"]
            change(files)

        with pytest.raises(IntegrityError, match=words):
            inb.import_run(altered(path, older))
    assert not len(inb.runs())
    taken = inb.import_run(altered(path, lambda files: files.pop("manifest.json")))
    assert running.result(taken).metrics["acc"].count == 5
    assert taken.export(tmp_path / "again.zip").read_bytes()


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """No file may grow over that, as where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_there(model: inb.Model, tmp_path: Path) -> None:
    run = inb.evaluate(model, choosing()).run
    path = run.export(tmp_path / "run.zip")
    before = path.read_bytes()
    with small_files(512):
        with pytest.raises(NotEnoughDisk, match="no room"):
            inb.import_run(path, again=True)
        with pytest.raises(NotEnoughDisk, match="cannot be written"):
            run.export(path)
        with pytest.raises(InfluenceError) as caught:
            run.save()
    said = str(caught.value)
    assert isinstance(caught.value, NotEnoughDisk)
    assert said.count("run.json") == said.count("cannot be written") == 1
    assert "Choose another place" not in said
    assert path.read_bytes() == before
    assert inb.runs().loc[run.id, "status"] == "done"
    assert len(running.result(run.id).items) == 5
    assert not [one for one in run.folder.iterdir() if "unfinished" in one.name]
