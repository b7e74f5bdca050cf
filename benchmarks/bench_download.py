"""Fetching a model of 200 MB in 20 files, checked: ours, huggingface_hub's snapshot_download and curl.

The hub is the tests' loopback Hub in a process of its own; each round begins with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import fail, in_turns, line, ratio, seconds

REPO = "big/model"
MEGABYTES, FILES = 200, 20


class Hub:
    """The loopback Hub in its process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        said = self._read()
        self.endpoint, self.commit = said["endpoint"], said["commit"]

    def requests(self) -> int:
        """How many came since this was last asked."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        count: int = self._read()["requests"]
        return count

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline() or "{}")
        return found or fail("the loopback Hub ended")


@contextmanager
def hub() -> Iterator[Hub]:
    command = [sys.executable, "-m", "tests.loopback", "--model", str(MEGABYTES), str(FILES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Hub(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def fresh(place: Path) -> Path:
    """An empty folder for one round, where our settings and huggingface_hub's cache are too."""
    from huggingface_hub import constants

    from influence_nb.settings import settings

    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.environ["INFLUENCE_HOME"] = str(place / "home")
    settings.cache_clear()
    constants.HF_HUB_CACHE = str(place / "cache")
    return place


def ours(hub: Hub, revision: str | None = None) -> Path:
    from influence_nb.hub.fetch import fetch
    from influence_nb.hub.plan import plan

    return fetch(plan(REPO, revision, mirror=hub.endpoint))


def theirs(hub: Hub) -> Path:
    from huggingface_hub import constants, snapshot_download

    return Path(snapshot_download(REPO, endpoint=hub.endpoint, cache_dir=constants.HF_HUB_CACHE, token=False))


def curl(hub: Hub, place: Path, names: list[str], *options: str) -> None:
    """One curl for all files, following the hub's redirects to where the bytes are."""
    wanted = "".join(
        f'url = "{hub.endpoint}/{REPO}/resolve/main/{name}"\noutput = "{name}"\n' for name in names
    )
    command = ["curl", "--fail", "--silent", "--show-error", "--location", *options, "--config", "-"]
    done = subprocess.run(command, input=wanted, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"curl: {done.stderr.strip()}")


def contents(folder: Path, names: list[str]) -> list[bytes]:
    return [(folder / name).read_bytes() for name in names]


def check_alike(hub: Hub, place: Path) -> list[str]:
    """Fetch once by each way, the imports' first time among it, and compare; return the names of the files."""
    folder = theirs(hub) if fresh(place) else place
    names = sorted(path.name for path in folder.iterdir())
    expected = contents(folder, names)
    for way in (lambda: ours(hub), lambda: curl(hub, place, names) or place):
        fresh(place)
        if contents(way(), names) != expected:
            fail("the files are not the same")
    return names


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1", NO_PROXY="127.0.0.1")
    os.environ.pop("HF_TOKEN", None)
    if shutil.which("curl") is None:
        fail("curl is not installed, and it is one of the peers")
    with hub() as running, tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "round"
        names = check_alike(running, place)

        def timed(work: Callable[[], object]) -> Callable[[], float]:
            def measure() -> float:
                fresh(place)
                return seconds(work)

            return measure

        found = in_turns(
            {
                "ours": timed(lambda: ours(running)),
                "snapshot_download": timed(lambda: theirs(running)),
                "curl": timed(lambda: curl(running, place, names)),
                "curl --parallel": timed(lambda: curl(running, place, names, "--parallel")),
            },
            rounds,
        )
        for name, figures in found.items():
            print(f"{name}: {[round(figure, 3) for figure in figures]} s")
        what = f"{MEGABYTES} MB in {FILES} files"
        ratio(
            f"{what}, seconds: ours, checked / snapshot_download",
            found["ours"],
            found["snapshot_download"],
            "at most 1.0",
        )
        best = min((found["curl"], found["curl --parallel"]), key=statistics.median)
        ratio(f"{what}, bytes a second: ours, checked / curl's best", best, found["ours"], "at least 0.9")

        fresh(place)
        ours(running)
        running.requests()
        again = [1000 * seconds(lambda: ours(running, running.commit)) for _ in range(rounds)]
        line(
            "the whole model again, pinned to a commit, milliseconds",
            statistics.median(again),
            "less than 50",
        )
        line("its requests", running.requests(), "0")


if __name__ == "__main__":
    main()
