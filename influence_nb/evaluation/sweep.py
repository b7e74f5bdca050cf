"""Sweeps: a task or a notebook under many combinations of parameters, each of them a run of its own (`runs.py`).

So what is there is not run again, whoever was stopped. It does not know how a model is loaded, nor where cells run
(`spread.py` has them on Ray).
"""

from __future__ import annotations

import html
import itertools
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from influence_nb.arguments import quoted
from influence_nb.engine.model import Model
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InfluenceError, InvalidData, NotebookFailed
from influence_nb.evaluation import notebooks, runs
from influence_nb.evaluation.run import determined_by, evaluate
from influence_nb.evaluation.run_picture import lines
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.tasks import Task

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Cell = Mapping[str, Any]
Done = Generator[tuple[int, Run], None, None]
"""Each cell's place and run, as they are done."""


@dataclass(frozen=True, repr=False)
class Sweep:
    """The runs of a sweep. `influence_nb` gives it from `sweep` and `sweep_notebook`.

    Attributes:
        cells: the parameters of each cell, in order; of axes the last one fastest.
        runs: the run of each. Of notebooks some may have failed: `run.status`, `run.error`.
    """

    cells: Sequence[Cell]
    runs: Sequence[Run]

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The different values of each parameter, in the order in which they come."""
        return axes_of(self.cells)

    def to_frame(self) -> pandas.DataFrame:
        """A row for each cell: its parameters, run (its id), status, seconds, and of each metric value, low, high."""
        import pandas as pd

        rows = []
        for cell, run in zip(self.cells, self.runs, strict=True):
            row = {**cell, "run": run.id, "status": run.status, "seconds": run.seconds}
            for name, one in run.metrics.items():
                row |= {name: one.value, f"{name} low": one.low, f"{name} high": one.high}
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, metric: str | None = None, x: str | None = None) -> Figure:
        """A metric over a parameter with its intervals, a line for each combination of the others.

        Args:
            metric: by default the first.
            x: a parameter; by default the first with several values.

        Raises:
            InvalidData: no such metric or parameter.
        """
        metrics = list(dict.fromkeys(name for run in self.runs for name in run.metrics))
        axes = self.axes
        several = [name for name, values in axes.items() if len(values) > 1] or list(axes)
        metric = metric if metric is not None else metrics[0] if metrics else "metric"
        x = several[0] if x is None else x
        if metric not in metrics or x not in axes:
            raise InvalidData(
                f"There is no {quoted(metric if metric not in metrics else x)} to draw.",
                f"Metrics: {', '.join(metrics) or 'none'}. Parameters: {', '.join(axes)}.",
            )
        others = [name for name in several if name != x]
        groups: dict[str, list[tuple[Any, Mapping[str, float]]]] = {}
        for cell, run in zip(self.cells, self.runs, strict=True):
            if metric in run.metrics and x in cell:
                label = ", ".join(f"{name} {cell.get(name)}" for name in others)
                groups.setdefault(label, []).append((cell[x], vars(run.metrics[metric])))
        return lines(groups, metric, x)

    def __repr__(self) -> str:
        over = ", ".join(f"{name} ({len(values)})" for name, values in self.axes.items())
        failed = sum(run.status == "failed" for run in self.runs)
        return f"Sweep({len(self.cells)} cells over {over}{f'; {failed} failed' if failed else ''})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.to_frame().to_html(index=False, float_format='{:.3f}'.format)}"


class Job(Protocol):
    """What is done in every cell; a copy of it can be sent to another machine."""

    def identities(self, cells: Sequence[Cell]) -> list[str]:
        """The ids that the cells' runs have, or will have."""

    def run(self, cell: Cell, again: bool, cancel: threading.Event | None) -> Run:
        """The cell's run: that is there already, or it runs now."""


@dataclass(frozen=True)
class TaskJob:
    """A task, answered by a loaded model. A cell is parameters of its sampling, and `seed`."""

    model: Model
    task: Task

    def identities(self, cells: Sequence[Cell]) -> list[str]:
        """As `Job`."""
        samplings = [sampling_of(self.task, cell) for cell in cells]
        return [runs.identity(determined_by(self.model, self.task, one)) for one in samplings]

    def run(self, cell: Cell, again: bool, cancel: threading.Event | None) -> Run:
        """As `Job`."""
        sampling = sampling_of(self.task, cell)
        return evaluate(self.model, self.task, sampling, sampling.seed or 0, again=again, cancel=cancel).run


@dataclass(frozen=True)
class NotebookJob:
    """A notebook, executed in a kernel of its own. A cell is its parameters."""

    path: Path

    def identities(self, cells: Sequence[Cell]) -> list[str]:
        """As `Job`."""
        notebook, path = notebooks.read(self.path)
        return [runs.identity(notebooks.determined_by(notebook, path, cell)) for cell in cells]

    def run(self, cell: Cell, again: bool, cancel: threading.Event | None) -> Run:
        """As `Job`; one that fails is kept as failed, and the others go on."""
        try:
            return notebooks.run_notebook(self.path, cell, again)
        except NotebookFailed as error:
            failed: Run | None = error.run
            if failed is None:
                raise
            return failed


def split(
    identities: Sequence[str], cells: Sequence[Cell], again: bool
) -> tuple[list[tuple[int, Run]], list[tuple[int, Cell]]]:
    """The cells whose runs are here and done, and those that are left: each with its place.

    Args:
        identities: the ids of the cells' runs.
        cells: the cells.
        again: leave them all.
    """
    here, left = [], []
    for place, (cell, identity) in enumerate(zip(cells, identities, strict=True)):
        run = None if again else runs.known(identity)
        if run is not None and run.status == "done":
            here.append((place, run))
        else:
            left.append((place, cell))
    return here, left


def in_turn(job: Job, cells: Sequence[Cell], again: bool, cancel: threading.Event | None) -> Done:
    """The cells here, one after the other: each one's place and run, as they are done."""
    for place, cell in enumerate(cells):
        if cancel is not None and cancel.is_set():
            return
        yield place, job.run(cell, again, cancel)


def combinations(cells: Sequence[Cell] | None, axes: Mapping[str, Any]) -> list[Cell]:
    """The cells of a sweep: those that are listed, each under every combination of the axes.

    Args:
        cells: dicts of parameters; None for no list.
        axes: {parameter: values, or one value}.

    Raises:
        InvalidData: neither, an axis without values, or something that is no dict of parameters.
    """
    if cells is not None and not isinstance(cells, Sequence):
        raise InvalidData(f"cells={quoted(cells)} are none.", 'Give a list, such as [{"temperature": 0.7}].')
    listed: Sequence[Cell] = [{}] if cells is None else list(cells)
    for cell in listed:
        if not isinstance(cell, Mapping) or not all(isinstance(name, str) for name in cell):
            raise InvalidData(f"{quoted(cell)} is no cell.", 'Give dicts, such as {"temperature": 0.7}.')
        if both := [name for name in cell if name in axes]:
            raise InvalidData(f"{both[0]!r} is in a cell and an axis.", "Say it in one of them.")
    every = {
        name: list(values) if isinstance(values, list | tuple | range) else [values]
        for name, values in axes.items()
    }
    if not any(listed) and not every:
        raise InvalidData("A sweep needs an axis.", "Give one, such as temperature=[0, 0.7, 1.2].")
    if empty := [name for name, values in every.items() if not values]:
        raise InvalidData(f"The axis {empty[0]!r} has no values.", "Give one at least.")
    return [
        {**cell, **dict(zip(every, values, strict=True))}
        for cell in listed
        for values in itertools.product(*every.values())
    ]


def axes_of(cells: Sequence[Cell]) -> dict[str, list[Any]]:
    """The different values of each parameter, in the order in which they come."""
    found: dict[str, list[Any]] = {}
    for cell in cells:
        for name, value in cell.items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


def sampling_of(task: Task, cell: Cell) -> Sampling:
    """The task's sampling with the cell's parameters; seed 0 where neither says one.

    Raises:
        InvalidSampling: an unknown parameter, or a value out of its range.
    """
    return task.sampling.replace(**{"seed": task.sampling.seed or 0, **cell})


def stopped(done: int, total: int) -> InfluenceError:
    """What a sweep that was cancelled says."""
    return InfluenceError(
        f"Stopped after {done} of {total} cells, which are kept.", "The same call goes on from there."
    )
