"""Downloads that are disturbed: identical, checked bytes in the end, and only what was missing is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from huggingface_hub import constants

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, HubUnreachable, IntegrityError
from influence_nb.hub import patience
from influence_nb.hub.fetch import fetch
from influence_nb.hub.progress import Progress
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

NAME = "someone/model"
WEIGHTS = "*/model.safetensors"

IN_A_PROCESS = """
import os, signal, sys
import influence_nb as inb
from influence_nb.hub import fetch as fetches, patience, places
from influence_nb.hub.fetch import fetch

patience.PATIENCE = patience.Patience(first_wait=0.001, longest_wait=0.002)
plan = inb.plan("someone/model", sys.argv[1], output_dir=sys.argv[2] or None)
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

exec(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
print(fetch(plan), flush=True)
"""

MOMENTS = {
    "before the bytes are moved": "replace = os.replace\nfetches.os.replace = "
    "lambda old, new: die() if os.path.getsize(old) == 5_000_000 else replace(old, new)",
    "before they are shown": "settle = places.Cache.settle\nplaces.Cache.settle = "
    "lambda self, file: die() if file.size == 5_000_000 else settle(self, file)",
    "before the branch is noted": "places.Cache.finish = die",
}


@pytest.fixture
def files(noise: bytes) -> dict[str, bytes]:
    """A model with five million bytes of weights."""
    return {**made_up(), "model.safetensors": noise}


@pytest.fixture
def commit(hub: LoopbackHub, files: dict[str, bytes]) -> str:
    return hub.add(NAME, files)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def asked_from(hub: LoopbackHub) -> list[int]:
    """Where each request for the weights' bytes began."""
    return [(request.range or (0, None))[0] or 0 for request in hub.requests(WEIGHTS, host="cdn")]


def start_process(commit: str, output_dir: Path | None = None, first: str = "") -> subprocess.Popen[str]:
    """A process that will fetch once a line is written to it, having done `first`."""
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_PROCESS, commit, str(output_dir or ""), first],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_CACHE": constants.HF_HUB_CACHE},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("kind", ["close_after", "reset_after"])
@pytest.mark.parametrize("at", [0, 1, 65_536, 1_500_001, 4_999_999])
def test_a_connection_that_breaks_at_any_byte_is_taken_up_there(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, kind: Any, at: int
) -> None:
    hub.fault(WEIGHTS, kind, host="cdn", bytes=at)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, at]


def test_a_connection_that_breaks_again_and_again_gets_there_as_long_as_something_comes(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=49, host="cdn", bytes=100_000)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == list(range(0, 5_000_000, 100_000))


def test_a_connection_that_breaks_before_anything_comes_is_given_up_and_taken_up_later(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    stuck = hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=0)

    with pytest.raises(DownloadInterrupted, match=r"stopped at 1\.0 of 5\.0 MB") as caught:
        inb.download(NAME)

    assert "kept" in caught.value.hint
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 1 + patience.PATIENCE.tries
    stuck.lift()
    hub.forget()
    assert contents(inb.download(NAME, commit).path) == files
    assert asked_from(hub) == [1_000_000]


def test_a_hub_that_ignores_ranges_sends_the_file_from_its_beginning(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "ignore_range", host="cdn")

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000]


def test_a_hub_that_ignores_ranges_and_always_breaks_off_is_given_up(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "ignore_range", times=100, host="cdn")

    with pytest.raises(DownloadInterrupted):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 2 * patience.PATIENCE.tries


@pytest.mark.parametrize("code", [403, 416, 400, 404, 410])
def test_a_refusal_while_resuming_gets_a_fresh_link(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, code: int
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "status", host="cdn", ranged=True, code=code)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000, 0 if code == 416 else 1_000_000]
    assert len(hub.requests(WEIGHTS, host="hub")) == 3


def test_a_link_that_expires_is_asked_for_anew(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "expired", times=2, host="cdn")

    assert contents(inb.download(NAME).path) == files
    assert len({request.target for request in hub.requests(WEIGHTS, host="cdn")}) == 3


def test_links_that_are_never_good_are_given_up(hub: LoopbackHub, commit: str) -> None:
    hub.fault(WEIGHTS, "status", times=100, host="cdn", code=403)

    with pytest.raises(DownloadInterrupted, match="refused"):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) == patience.PATIENCE.tries


@pytest.mark.parametrize("by", [-1, -2_000_000, 1, 100_000])
def test_a_body_that_is_too_short_or_too_long_once_does_no_harm(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, by: int
) -> None:
    hub.fault(WEIGHTS, "wrong_length", host="cdn", by=by)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 5_000_000 + by if by < 0 else 0]


@pytest.mark.parametrize("at", [0, 1_234_567, 4_999_999])
def test_a_corrupted_byte_is_found_and_the_file_fetched_again(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, at: int
) -> None:
    hub.fault(WEIGHTS, "corrupt", host="cdn", at=at)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 0]


def test_a_corrupted_small_file_is_found_by_gits_sum(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault("*/config.json", "corrupt", host="hub", method="GET", at=3)

    assert contents(inb.download(NAME).path) == files
    assert len(hub.requests("*/config.json")) == 2


@pytest.mark.parametrize(("kind", "options"), [("corrupt", {"at": 5}), ("wrong_length", {"by": 7})])
def test_a_hub_that_always_sends_other_bytes_is_refused_and_nothing_of_them_is_kept(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, kind: Any, options: dict[str, int]
) -> None:
    fault = hub.fault(WEIGHTS, kind, times=100, host="cdn", **options)

    with pytest.raises(IntegrityError, match=r"model\.safetensors") as caught:
        inb.download(NAME)

    assert caught.value.hint
    assert len(hub.requests(WEIGHTS, host="cdn")) == patience.PATIENCE.whole_tries
    plan = inb.plan(NAME, commit)
    assert not {file.name: file.here for file in plan.files}["model.safetensors"]
    assert plan.remaining >= 5_000_000
    fault.lift()
    assert contents(inb.download(NAME, commit).path) == files


@pytest.mark.parametrize("claim", [4_999_000, 5_001_000, 0])
def test_a_hub_that_lies_about_a_size_is_refused(
    hub: LoopbackHub, files: dict[str, bytes], claim: int
) -> None:
    hub.add(NAME, files, claims={"model.safetensors": claim})

    with pytest.raises((IntegrityError, DownloadInterrupted)):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 2 * patience.PATIENCE.tries
    assert not (inb.plan(NAME).folder / "model.safetensors").exists()


def test_bytes_that_were_spoilt_on_disk_meanwhile_are_fetched_again(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=0, after=1)
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    with pytest.raises(DownloadInterrupted):
        inb.download(NAME)
    (partial,) = Path(constants.HF_HUB_CACHE).rglob("*.incomplete")
    partial.write_bytes(bytes(1_000_000))
    hub.faults.clear()
    hub.forget()

    assert contents(inb.download(NAME, commit).path) == files
    assert asked_from(hub) == [1_000_000, 0]


def test_silence_in_the_middle_of_a_body_ends_after_the_time_limit(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", replace(patience.PATIENCE, read_seconds=1))
    hub.fault(WEIGHTS, "silent", host="cdn", bytes=1_000_000)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000]


def test_a_trickle_is_not_waited_for(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", replace(patience.PATIENCE, slow_seconds=0.5))
    hub.fault(WEIGHTS, "trickle", host="cdn", bytes=1, pause=0.01)

    assert contents(inb.download(NAME).path) == files
    first, second, *_ = asked_from(hub)
    assert first == 0
    assert 0 < second < 8192


def test_a_web_page_instead_of_a_file_is_not_taken_for_it(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "html", times=2, host="cdn")
    assert contents(inb.download(NAME).path) == files


def test_web_pages_only_are_told_as_what_they_are(hub: LoopbackHub, commit: str) -> None:
    hub.fault(WEIGHTS, "html", host="cdn")

    with pytest.raises(HubUnreachable, match="web page") as caught:
        inb.download(NAME)
    assert "sign in" in caught.value.hint


@pytest.mark.parametrize(
    ("at", "in_a_folder"), [(0, False), (1_000_000, False), (4_999_999, False), (1_000_000, True)]
)
def test_a_process_that_is_killed_at_any_byte_is_taken_up_by_the_next(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, tmp_path: Path, at: int, in_a_folder: bool
) -> None:
    output_dir = tmp_path / "mine" if in_a_folder else None
    with hub.hold(WEIGHTS, at, "cdn") as hold, start_process(commit, output_dir) as process:
        let_go(process)
        assert hold.reached.wait(60)
        _wait_for_bytes(tmp_path, at)
        process.send_signal(signal.SIGKILL)
        process.wait()
    plan = inb.plan(NAME, commit, output_dir=output_dir)
    whole = {file.name for file in plan.files if file.here}
    assert plan.remaining <= sum(map(len, files.values())) - at
    hub.forget()

    folder = fetch(plan)

    assert contents(folder) == files
    assert asked_from(hub) == [at]
    asked = [request.path.rpartition("/")[2] for request in hub.requests("*/resolve/*")]
    assert len(asked) == len(set(asked))
    assert not whole & set(asked)
    assert not list(tmp_path.rglob("*.incomplete"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_is_killed_while_it_puts_things_in_place_is_taken_up_by_the_next(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, tmp_path: Path, moment: str
) -> None:
    with start_process(commit, first=MOMENTS[moment]) as process:
        let_go(process)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    hub.forget()

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == []  # the weights had come, whatever had become of them
    assert not list(tmp_path.rglob("*.incomplete"))


def _wait_for_bytes(place: Path, count: int) -> None:
    """Until what the hub has sent is on the disk."""
    pause = threading.Event()  # never set
    for _ in range(6000):
        if any(path.stat().st_size >= count for path in place.rglob("*.incomplete")):
            return
        pause.wait(0.01)
    raise AssertionError(f"no {count} bytes came")


def test_two_processes_that_want_the_same_model_fetch_it_once(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    with (
        hub.hold(WEIGHTS, 1_000_000, "cdn") as hold,
        start_process(commit) as one,
        start_process(commit) as other,
    ):
        hub.forget()
        let_go(one)
        assert hold.reached.wait(60)
        let_go(other)
        _wait_until_small_files_are_there(inb.plan(NAME, commit).folder, files)
        hold.release()
        for process in (one, other):
            assert process.stdout is not None
            assert contents(Path(process.stdout.readline().strip())) == files
    asked = [request.path.rpartition("/")[2] for request in hub.requests("*/resolve/*")]
    assert sorted(asked) == sorted(files)


def _wait_until_small_files_are_there(folder: Path, files: dict[str, bytes]) -> None:
    pause = threading.Event()  # never set
    for _ in range(6000):
        if sum((folder / name).exists() for name in files) >= len(files) - 1:
            return
        pause.wait(0.01)
    raise AssertionError("the small files did not come")


def test_two_threads_that_want_the_same_model_fetch_it_once(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    plan = inb.plan(NAME)
    hub.forget()
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: fetch(plan), range(4)))

    assert contents(folders[0]) == files
    assert len(set(folders)) == 1
    assert len(hub.requests("*/resolve/*")) == len(files)


class Cancel:
    """An event to cancel by, set when a test's condition is met; how long the end took is for people to read."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def when(self, condition: Callable[[], object]) -> None:
        def wait() -> None:
            condition()
            self.event.set()

        threading.Thread(target=wait, daemon=True).start()


def cancelled(hub: LoopbackHub, when: Callable[[], object], stage: str | None = None) -> None:
    """A download that is cancelled once `when` returns, or in a stage, ends as such though the hub never goes on."""
    cancel = Cancel()
    if stage is None:
        cancel.when(when)

    def look(progress: Progress) -> None:
        if progress.stage == stage:
            cancel.event.set()

    with pytest.raises(DownloadInterrupted, match="cancelled") as caught:
        inb.download(NAME, on_progress=look, cancel=cancel.event)
    assert "kept" in caught.value.hint
    locks = list(Path(constants.HF_HUB_CACHE).rglob("*.lock"))
    for path in locks:
        with FileLock(path, timeout=10):  # nobody holds it any more
            pass


def test_a_cancel_ends_a_question_that_is_not_answered(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    silent = hub.fault("/api/*", "silent", times=100)
    cancelled(hub, silent.happened.wait)
    hub.faults.clear()
    assert contents(inb.download(NAME).path) == files


def test_a_cancel_ends_a_file_of_which_nothing_comes(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    silent = hub.fault(WEIGHTS, "silent", times=100, host="cdn")
    cancelled(hub, silent.happened.wait)
    hub.faults.clear()
    assert contents(inb.download(NAME).path) == files


def test_a_cancel_in_the_middle_of_a_body_keeps_what_came(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, tmp_path: Path
) -> None:
    hold = hub.hold(WEIGHTS, 1_000_000, "cdn")
    cancelled(hub, lambda: _wait_for_bytes(tmp_path, 1_000_000))
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
    cancelled(hub, busy.happened.wait)
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
        cancel = Cancel()
        cancel.when(lambda: _wait_until_small_files_are_there(plan.folder, files))
        with pytest.raises(DownloadInterrupted, match="cancelled"):
            fetch(plan, cancel=cancel.event)
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
    cancelled(hub, reading.wait)
    monkeypatch.undo()
