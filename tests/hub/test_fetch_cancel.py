"""A cancel ends a download wherever it is, and what came is kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from huggingface_hub import constants
from on_disk import NAME, WEIGHTS, asked_from, contents, wait_for_bytes, wait_for_small_files

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted
from influence_nb.hub import patience
from influence_nb.hub.fetch import fetch
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up


def once(condition: Callable[[], object]) -> threading.Event:
    """An event to cancel by, set when `condition` has returned."""
    cancel = threading.Event()

    def wait() -> None:
        condition()
        cancel.set()

    threading.Thread(target=wait, daemon=True).start()
    return cancel


def cancelled(when: Callable[[], object]) -> None:
    """A download that is cancelled once `when` returns ends as such, though the hub never goes on."""
    with pytest.raises(DownloadInterrupted, match="cancelled") as caught:
        inb.download(NAME, cancel=once(when))
    assert "kept" in caught.value.hint
    for path in Path(constants.HF_HUB_CACHE).rglob("*.lock"):
        with FileLock(path, timeout=10):  # nobody holds it any more
            pass


def test_a_cancel_before_the_start_asks_for_nothing(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up())
    plan = inb.plan(NAME)
    hub.forget()
    cancel = threading.Event()
    cancel.set()

    with pytest.raises(DownloadInterrupted, match="cancelled"):
        fetch(plan, cancel=cancel)
    with pytest.raises(DownloadInterrupted, match="cancelled"):
        inb.plan(NAME, cancel=cancel)
    assert hub.log == []


@pytest.mark.parametrize("silent", ["/api/*", WEIGHTS])
def test_a_cancel_ends_a_question_or_a_file_of_which_nothing_comes(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, silent: str
) -> None:
    fault = hub.fault(silent, "silent", times=100, host="cdn" if silent == WEIGHTS else "hub")
    cancelled(fault.happened.wait)
    hub.faults.clear()
    assert contents(inb.download(NAME).path) == files


def test_a_cancel_in_the_middle_of_a_body_keeps_what_came(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, tmp_path: Path
) -> None:
    hold = hub.hold(WEIGHTS, 1_000_000, "cdn")
    cancelled(lambda: wait_for_bytes(tmp_path, 1_000_000))
    assert hold.reached.is_set()
    hold.release()
    hub.forget()

    assert contents(inb.download(NAME, commit).path) == files
    assert asked_from(hub) == [1_000_000]


def test_a_cancel_ends_a_wait_between_two_attempts(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", patience.Patience(longest_asked=3600, total_seconds=7200))
    busy = hub.fault(WEIGHTS, "status", times=100, code=429, retry_after=3600)
    cancelled(busy.happened.wait)
    hub.faults.clear()
    assert contents(inb.download(NAME).path) == files


def test_a_cancel_ends_waiting_for_another_process(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    plan = inb.plan(NAME)
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    lock = plan.place.lock(weights)
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        cancel = once(lambda: wait_for_small_files(plan.folder, files))
        with pytest.raises(DownloadInterrupted, match="cancelled"):
            fetch(plan, cancel=cancel)
    assert contents(fetch(plan)) == files


def test_a_cancel_ends_the_reading_of_what_is_here(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from influence_nb.hub import checksums

    fetch(inb.plan(NAME))
    for path in (Path(os.environ["INFLUENCE_HOME"]) / "plans").rglob("checked.json"):
        path.unlink()
    reading, really = threading.Event(), checksums.Sum.read

    def slowly(self: checksums.Sum, source: Any, check: Callable[[int], object]) -> int:
        def look(done: int) -> None:
            reading.set()
            for _ in range(6000):
                check(done)
                threading.Event().wait(0.01)

        return really(self, source, look)

    monkeypatch.setattr(checksums.Sum, "read", slowly)
    cancelled(reading.wait)
    monkeypatch.undo()
