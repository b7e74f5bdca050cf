"""Downloads whose process is killed are taken up by the next one; two that want the same model fetch it once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import constants
from on_disk import NAME, WEIGHTS, asked_from, contents, partials, wait_for_bytes, wait_for_small_files

import influence_nb as inb
from influence_nb.hub.fetch import fetch
from tests.loopback import LoopbackHub

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
        wait_for_bytes(tmp_path, at)
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
    assert not partials(tmp_path)


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
    assert not partials(tmp_path)


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
        wait_for_small_files(inb.plan(NAME, commit).folder, files)
        hold.release()
        for process in (one, other):
            assert process.stdout is not None
            assert contents(Path(process.stdout.readline().strip())) == files
    asked = [request.path.rpartition("/")[2] for request in hub.requests("*/resolve/*")]
    assert sorted(asked) == sorted(files)


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
