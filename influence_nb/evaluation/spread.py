"""A sweep on Ray: each worker opens the job once, say by loading its model, and works off cell after cell.

Ray places the workers, a GPU each where there are any, hands them cells, starts a lost one again and tries its cell
again. Runs come back whole and are taken in here, each once.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from influence_nb import errors
from influence_nb.cluster import joined, ray_for, room, translated
from influence_nb.engine.receipts import package_versions
from influence_nb.errors import InfluenceError
from influence_nb.evaluation import runs
from influence_nb.evaluation.exports import import_run
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.sweep import Cell, Done, Job, split

_LIVES = 3
"""How often a worker that was lost is started again."""
_LOOK = 0.2
"""Seconds between two looks at whether the sweep was cancelled."""
_WHAT = "The sweep"


def on_ray(
    open_job: Callable[[], Job],
    cells: Sequence[Cell],
    workers: int | None,
    address: str | None,
    again: bool,
    cancel: threading.Event | None,
) -> Done:
    """The cells on a Ray cluster: each one's place and run, as they are done; those that are here, at once.

    Args:
        open_job: called once in each worker.
        cells: what to run.
        workers: how many; None is one for each GPU, or one a machine where there are none.
        address: of a cluster; None starts one on this machine.
        again: run cells although their runs are here.
        cancel: set it to stop.

    Raises:
        MissingExtra: Ray is not installed.
        InfluenceError: the cluster cannot be reached, a worker has other versions of packages (which), or was lost too
            often; or what a worker raised.
    """
    ray = ray_for(_WHAT)
    with joined(ray, address), translated(ray, _WHAT):
        there = room(ray)
        count = min(workers or there.gpus or len(there.cores), len(cells))
        kind = ray.remote(_Worker).options(
            num_gpus=1 if there.gpus else None,
            num_cpus=1 if there.gpus else there.share(count),
            max_restarts=_LIVES,
            max_task_retries=-1,  # until that is used up: a machine that is lost is asked several times
        )
        actors = [kind.remote(open_job, dict(package_versions())) for _ in range(count)]
        try:
            identities = _answer(ray.get(actors[0].identify.remote(list(cells))))
            here, left = split(identities, cells, again)
            yield from here
            yield from _worked_off(ray, actors, left, again, cancel)
        finally:
            for actor in actors:
                ray.kill(actor)


def _worked_off(
    ray: Any,
    actors: Sequence[Any],
    left: Sequence[tuple[int, Cell]],
    again: bool,
    cancel: threading.Event | None,
) -> Done:
    from ray.util import ActorPool

    pool = ActorPool(list(actors))
    for place, cell in left:
        pool.submit(lambda actor, one: actor.run.remote(*one), (place, cell, again))
    while pool.has_next():
        if cancel is not None and cancel.is_set():
            return
        try:
            place, packed = _answer(pool.get_next_unordered(timeout=_LOOK))
        except TimeoutError:
            continue
        while (idle := pool.pop_idle()) is not None:
            ray.kill(idle)  # so that a worker whose machine was lost finds room where this one was
        yield place, _taken_in(packed, again)


def _answer(said: tuple[str, Any]) -> Any:
    """What a worker answers, or raise what it refused."""
    refused, answer = said
    if refused:
        kind, *words = json.loads(refused)
        raise getattr(errors, kind, InfluenceError)(*words)
    return answer


def _taken_in(packed: bytes, again: bool) -> Run:
    """The run that a worker sent, among the runs here; a second time changes nothing."""
    runs.home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs.home(), prefix=".sweep-") as inside:
        path = Path(inside) / "run.zip"
        path.write_bytes(packed)
        return import_run(path, again)


class _Worker:
    """In a process of its own, on any machine."""

    def __init__(self, open_job: Callable[[], Job], versions: Mapping[str, str]) -> None:
        self._open_job, self._versions = open_job, versions
        self._job: Job | None = None

    def identify(self, cells: Sequence[Cell]) -> tuple[str, Any]:
        """The ids of the cells' runs."""
        return self._tried(lambda job: job.identities(cells))

    def run(self, place: int, cell: Cell, again: bool) -> tuple[str, Any]:
        """The cell's place and its whole run, as a zip file."""

        def work(job: Job) -> tuple[int, bytes]:
            run = job.run(cell, again, None)
            with tempfile.TemporaryDirectory() as inside:
                return place, run.export(Path(inside) / "run.zip").read_bytes()

        return self._tried(work)

    def _tried(self, work: Callable[[Job], Any]) -> tuple[str, Any]:
        """What was refused, in JSON, since Ray would hand on its words and not its kind; and the answer."""
        try:
            if self._job is None:
                expect_same(self._versions, package_versions())
                self._job = self._open_job()
            return "", work(self._job)
        except InfluenceError as error:
            return json.dumps([type(error).__name__, error.message, error.hint]), None


def expect_same(here: Mapping[str, str], there: Mapping[str, str]) -> None:
    """See that a worker has the versions of the driver.

    Raises:
        InfluenceError: it has others (which).
    """
    other = [
        f"{name} {one} here and {there.get(name)} there"
        for name, one in here.items()
        if there.get(name) != one
    ]
    if other:
        raise InfluenceError(
            f"A worker has other versions: {', '.join(other)}.",
            "Results would differ: install the same everywhere.",
        )
