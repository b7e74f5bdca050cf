"""Sweeps: cells here, one after the other, or on a Ray cluster whose workers load the model themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from influence_nb.api.loading import load
from influence_nb.arguments import expect_bool, expect_call, expect_event, expect_text, quoted, whole
from influence_nb.engine.model import Model
from influence_nb.errors import InvalidData
from influence_nb.evaluation import notebooks
from influence_nb.evaluation import sweep as sweeps
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.spread import on_ray
from influence_nb.evaluation.sweep import Cell, Job, NotebookJob, Sweep, TaskJob
from influence_nb.evaluation.tasks import Task

OnCells = Callable[[int, int], object]
"""Called with how many cells are done, and how many there are."""


def sweep(
    model: Model | str | Path,
    task: Task | str,
    *,
    cells: Sequence[Mapping[str, Any]] | None = None,
    limit: int | None = None,
    workers: int | None = None,
    address: str | None = None,
    again: bool = False,
    show_progress: bool = False,
    on_progress: OnCells | None = None,
    cancel: threading.Event | None = None,
    **axes: Any,
) -> Sweep:
    """Evaluate a task under many combinations of parameters; what was done before is not done again.

        inb.sweep(model, "arithmetic", temperature=[0, 0.7, 1.2], seed=[0, 1])                   here
        inb.sweep("starter/chat", "arithmetic", workers=2, temperature=[0, 0.7, 1.2])            on Ray

    With `workers` or `address` it runs on Ray: each worker loads the model once, a GPU for each where the cluster has
    any, and answers cell after cell. A worker that dies is started again, three times at most, and its cell is tried
    again. Every machine needs influence_nb in the same versions, and the model under that name or path. Where all was
    done before, and it is known without a worker which runs those are (of a loaded model, on this machine or the device
    that it was loaded for), no cluster is started.

    Args:
        model: a loaded model; for Ray also what `inb.load` takes to load one.
        task: a task, or the name of one that comes with the package.
        cells: a list of combinations, such as [{"temperature": 0}, {"temperature": 1, "top_p": 0.9}]; each is run under
            every combination of the axes.
        limit: only so many items of the task.
        workers: run on Ray with so many; None with an `address` is one for each GPU, or one a machine without any.
        address: of a Ray cluster, such as "auto" or "ray://head:10001"; None with `workers` starts one on this machine.
        again: run cells anew although they are there.
        show_progress: whether to draw a bar.
        on_progress: called with the cells done and in all.
        cancel: set it, from any thread, to stop; what is done is kept, and the next call goes on from there.
        axes: parameters of the sampling, and `seed`: a list of values, or one.

    Raises:
        InvalidData: no axis, an empty one, no such task, or no model.
        InvalidSampling: an unknown parameter, or a value out of its range.
        MissingExtra: Ray is not installed.
        InfluenceError: the cluster cannot be reached or has other versions of packages (which); a worker was lost too
            often; or it was cancelled.
    """
    combined = sweeps.combinations(cells, axes)
    task = Task.named(task) if isinstance(task, str) else task
    if not isinstance(task, Task):
        raise InvalidData(f"{quoted(task)} is no task.", "Give a Task, or the name of one: 'facts'.")
    task = task if limit is None else task.head(whole("limit", limit, 1))
    for cell in combined:
        sweeps.sampling_of(task, cell)  # what cannot be is said before anything runs
    here = partial(_job_here, model, task)
    arguments = dict(model.arguments) if isinstance(model, Model) else {"model": model}
    there = partial(_job_there, arguments, task.to_dict())
    known = isinstance(model, Model) and (address is None or "device" in model.arguments)
    return _swept(combined, here, there, known, workers, address, again, show_progress, on_progress, cancel)


def sweep_notebook(
    path: str | Path,
    *,
    cells: Sequence[Mapping[str, Any]] | None = None,
    workers: int | None = None,
    address: str | None = None,
    again: bool = False,
    show_progress: bool = False,
    on_progress: OnCells | None = None,
    cancel: threading.Event | None = None,
    **axes: Any,
) -> Sweep:
    """Run a notebook under many combinations of its parameters; see `run_notebook` and `sweep`.

    A cell whose notebook fails is kept as failed, the others go on, and the next call tries it again. On Ray the
    notebook lies at the same path on every machine.

    Args:
        path: of the notebook.
        cells: as in `sweep`.
        workers: as in `sweep`.
        address: as in `sweep`.
        again: run cells anew although they are there.
        show_progress: whether to draw a bar.
        on_progress: called with the cells done and in all.
        cancel: set it to stop, after the notebooks that are running.
        axes: the notebook's parameters: a list of values, or one.

    Raises:
        InvalidData: no axis, an empty one, no such notebook or parameter.
        MissingExtra: Ray is not installed.
        InfluenceError: as `sweep`.
    """
    combined = sweeps.combinations(cells, axes)
    _, file = notebooks.read(path)
    NotebookJob(file).identities(combined)  # what cannot be is said before anything runs
    job = partial(NotebookJob, file)
    return _swept(combined, job, job, True, workers, address, again, show_progress, on_progress, cancel)


def _job_here(model: Model | str | Path, task: Task) -> Job:
    if not isinstance(model, Model):
        raise InvalidData(
            f"{quoted(model)} is no loaded model.", "Give one (inb.load()), or workers= to run on Ray."
        )
    return TaskJob(model, task)


def _job_there(arguments: Mapping[str, Any], task: Mapping[str, Any]) -> Job:
    """In a worker: the model is loaded there."""
    return TaskJob(load(**arguments), Task.from_dict(task))


def _swept(
    cells: Sequence[Cell],
    here: Callable[[], Job],
    there: Callable[[], Job],
    known: bool,
    workers: int | None,
    address: str | None,
    again: bool,
    show_progress: bool,
    on_progress: OnCells | None,
    cancel: threading.Event | None,
) -> Sweep:
    """The cells one after the other by the job that `here` opens, or on Ray by those that `there` opens.

    Where it is `known` that both give the same runs, those that are all here are found here.
    """
    from tqdm.auto import tqdm

    expect_bool(again=again, show_progress=show_progress)
    expect_text(address=address)
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    workers = None if workers is None else whole("workers", workers, 1)
    on_cluster = workers is not None or address is not None
    if on_cluster and known and not sweeps.split(here().identities(cells), cells, again)[1]:
        on_cluster = False
    if not on_cluster:
        done = sweeps.in_turn(here(), cells, again, cancel)
    else:
        done = on_ray(there, cells, workers, address, again, cancel)
    found: dict[int, Run] = {}
    # Closed whatever happens, so that workers end when a person interrupts.
    with closing(done), tqdm(total=len(cells), unit=" cells", desc="Sweep", disable=not show_progress) as bar:
        if on_progress is not None:
            on_progress(0, len(cells))
        for place, run in done:
            found[place] = run
            bar.update()
            if on_progress is not None:
                on_progress(len(found), len(cells))
    if len(found) < len(cells):
        raise sweeps.stopped(len(found), len(cells))
    return Sweep(cells, [found[place] for place in range(len(cells))])
