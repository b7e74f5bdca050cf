"""A sweep of 16 cells of one task on Ray: two workers of one thread beside one, and beside one with both cores.

Every measurement keeps its runs in a folder of its own, so that nothing is there already. Workers are warm: each has
loaded its model and answered one cell before the clock starts. It needs the extra `ray`.
"""

from __future__ import annotations

import os
import tempfile
import time
from importlib.util import find_spec

import influence_nb as inb
from benchmarks.common import fail, line, ratio
from influence_nb.settings import settings

CELLS, ITEMS, ROUNDS = 16, 24, 1


def main() -> None:
    if find_spec("ray") is None:
        fail("Ray is not installed")
    task = inb.Task.named("arithmetic").head(ITEMS)
    inb.load("starter/chat", device="cpu").unload()  # fetched and unpacked where it is not yet
    model = str(inb.library()["starter/chat"].path)
    ways = {"two": (2, 2), "one": (1, 1), "both cores": (1, 2)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, how in ways.items():
            found[name].append(measured(model, task, *how))
    took = {name: [seconds for seconds, _ in one] for name, one in found.items()}
    ratio("two workers of one thread are faster than one by", took["one"], took["two"], "at least 1.7")
    ratio("... than one worker with both cores by", took["both cores"], took["two"], "none, to compare")
    own = sorted(beside for _, beside in found["one"])[ROUNDS // 2]
    line("a cell beyond its evaluation, one worker, s", own, "under 0.2")


def measured(model: str, task: inb.Task, workers: int, cores: int) -> tuple[float, float]:
    """Seconds for `CELLS` cells by warm workers, and how much of that for each cell was not its evaluation."""
    import ray

    marks: list[float] = []

    def told(done: int, count: int) -> None:
        if done in (workers, count):
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        os.environ["INFLUENCE_HOME"] = folder
        settings.cache_clear()
        ray.init(num_cpus=cores, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
        try:
            swept = inb.sweep(
                model,
                task,
                workers=workers,
                seed=range(CELLS + workers),
                temperature=1,
                on_progress=told,
            )
        finally:
            ray.shutdown()
            del os.environ["INFLUENCE_HOME"]
            settings.cache_clear()
    seconds = marks[-1] - marks[0]
    return seconds, (seconds * workers - sum(run.seconds for run in swept.runs[workers:])) / CELLS


if __name__ == "__main__":
    main()
