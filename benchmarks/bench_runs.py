"""How soon the run browser is open on 10,000 runs: the list read from the table, and the panel with its first page."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import fail, in_turns, line, seconds
from influence_nb.evaluation import runs
from influence_nb.evaluation.intervals import Metric
from influence_nb.evaluation.runs import Run
from influence_nb.settings import settings
from influence_nb.store.database import attempt

RUNS = 10_000
ROUNDS = 5


def main() -> None:
    before = os.environ.get("INFLUENCE_HOME")
    with tempfile.TemporaryDirectory() as home:
        os.environ["INFLUENCE_HOME"] = home
        settings.cache_clear()
        try:
            fill(Path(home))
            measure()
        finally:
            os.environ.pop("INFLUENCE_HOME")
            if before is not None:
                os.environ["INFLUENCE_HOME"] = before
            settings.cache_clear()


def fill(home: Path) -> None:
    """Ten thousand folders with a run.json each, and their rows in one transaction."""
    made = []
    for number in range(RUNS):
        determined = {"kind": "task", "data": "d" * 64, "sampling": {"seed": number}}
        found = {"acc": Metric("acc", number % 100 / 100, 0.1, 0.9, 100)}
        run = Run(runs.identity(determined), "task", f"task-{number % 7}", f"maker/model-{number % 20}", "done",
                  f"2026-01-{number % 28 + 1:02}T10:00:{number % 60:02}.000+00:00", 12.0, determined,
                  parameters={"seed": number}, metrics=found)  # fmt: skip
        folder = home / "runs" / run.id
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(asdict(run)))
        made.append(run)
    attempt(lambda db: [runs._list(db, one) for one in made])


def measure() -> None:
    from influence_nb.widgets.runs import RunBrowser

    opened(RunBrowser)  # the imports
    peers = {"list": lambda: seconds(runs.listed), "open": lambda: seconds(lambda: opened(RunBrowser))}
    found = in_turns(peers, ROUNDS)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 3) for figure in figures]} s")
    line(f"opening a RunBrowser on {RUNS:,} runs, seconds", statistics.median(found["open"]), "less than 1")
    line("the same, the list alone, seconds", statistics.median(found["list"]), "for comparison")


def opened(browser: Any) -> None:
    """A browser whose first page is filled; then closed."""
    panel = browser()
    panel.refreshed.result()
    if len(panel._list.found) != RUNS:
        fail(f"{len(panel._list.found)} runs are listed, not {RUNS}")
    panel.close()


if __name__ == "__main__":
    main()
