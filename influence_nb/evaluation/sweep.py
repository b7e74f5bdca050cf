"""Sweeps: one task under every combination of parameters, one after the other.

    inb.sweep(model, "facts", temperature=[0, 0.7, 1.2], seed=[0, 1])

Every cell is a run of its own (`runs.py`), so that what is there is not run again, whoever was stopped.
"""

from __future__ import annotations

import html
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event, quoted, whole
from influence_nb.engine.model import Model
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.evaluation.run import Result, evaluate
from influence_nb.evaluation.tasks import Task
from influence_nb.picture import new_figure

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

OnCells = Callable[[int, int], object]
"""Called with how many cells are done, and how many there are."""

Cell = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Sweep:
    """The runs of a sweep. `influence_nb` gives it from `sweep`.

    Attributes:
        axes: {parameter: values}.
        cells: the parameters of each cell, in order, the last axis fastest.
        results: the result of each.
    """

    axes: Mapping[str, Sequence[Any]]
    cells: Sequence[Cell]
    results: Sequence[Result]

    def to_frame(self) -> pandas.DataFrame:
        """A row for each cell: its parameters, the run's id, and of each metric the value, `low` and `high`."""
        import pandas as pd

        rows = []
        for cell, found in zip(self.cells, self.results, strict=True):
            row = {**cell, "run": found.run.id}
            for name, one in found.metrics.items():
                row |= {name: one.value, f"{name} low": one.low, f"{name} high": one.high}
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, metric: str | None = None, x: str | None = None) -> Figure:
        """A metric over a parameter with its intervals, a line for each combination of the others.

        Args:
            metric: by default the first.
            x: an axis; by default the first with several values.

        Raises:
            InvalidData: no such metric or axis.
        """
        metric = next(iter(self.results[0].metrics)) if metric is None else metric
        several = [name for name, values in self.axes.items() if len(values) > 1]
        x = (several or list(self.axes))[0] if x is None else x
        if metric not in self.results[0].metrics or x not in self.axes:
            raise InvalidData(
                f"There is no {quoted(metric if metric not in self.results[0].metrics else x)} to draw.",
                f"Metrics: {', '.join(self.results[0].metrics)}. Axes: {', '.join(self.axes)}.",
            )
        others = [name for name in several if name != x]
        lines: dict[str, list[tuple[Any, Any]]] = {}
        for cell, found in zip(self.cells, self.results, strict=True):
            label = ", ".join(f"{name} {cell[name]}" for name in others)
            lines.setdefault(label, []).append((cell[x], found.metrics[metric]))
        figure = new_figure(6.4, 4)
        ax = figure.add_subplot()
        for label, points in lines.items():
            places = [place for place, _ in points]
            values = [one.value for _, one in points]
            spread = [[one.value - one.low for _, one in points], [one.high - one.value for _, one in points]]
            ax.errorbar(places, values, yerr=spread, fmt="o-", capsize=3, label=label)
        ax.set_xlabel(x)
        ax.set_ylabel(metric)
        if others:
            ax.legend()
        return figure

    def __repr__(self) -> str:
        axes = ", ".join(f"{name} ({len(values)})" for name, values in self.axes.items())
        return f"Sweep({len(self.cells)} cells over {axes})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.to_frame().to_html(index=False, float_format='{:.3f}'.format)}"


def sweep(
    model: Model,
    task: Task | str,
    limit: int | None = None,
    cancel: threading.Event | None = None,
    on_progress: OnCells | None = None,
    **axes: Any,
) -> Sweep:
    """Evaluate a task under every combination of parameters.

    Args:
        model: from `inb.load()`.
        task: a task, or the name of one that comes with the package.
        limit: only so many items of the task.
        cancel: set it to stop; cells that are done are kept, and the next call takes them from there.
        on_progress: called with the cells done and in all.
        axes: parameters of the sampling and `seed`: a list of values, or one.

    Raises:
        InvalidData: no axes, an empty one, or values that cannot be.
        InvalidSampling: an unknown parameter, or a value out of its range.
        InfluenceError: it was cancelled.
    """
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    task = Task.named(task) if isinstance(task, str) else task
    task = task if limit is None else task.head(whole("limit", limit, 1))
    chosen = _axes(axes)
    cells = [dict(zip(chosen, values, strict=True)) for values in itertools.product(*chosen.values())]
    for cell in cells:
        _sampling(task, cell)  # what cannot be is said before anything runs
    results: list[Result] = []
    for cell in cells:
        if on_progress is not None:
            on_progress(len(results), len(cells))
        if cancel is not None and cancel.is_set():
            raise InfluenceError(
                f"Stopped after {len(results)} of {len(cells)} cells, which are kept.",
                "Run it again: it goes on.",
            )
        results.append(evaluate(model, task, _sampling(task, cell), seed=cell.get("seed", 0), cancel=cancel))
    if on_progress is not None:
        on_progress(len(results), len(cells))
    return Sweep(chosen, cells, results)


def _axes(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    if not given:
        raise InvalidData("A sweep needs an axis.", "Give one, such as temperature=[0, 0.7, 1.2].")
    axes = {
        name: list(values) if isinstance(values, list | tuple | range) else [values]
        for name, values in given.items()
    }
    if empty := [name for name, values in axes.items() if not values]:
        raise InvalidData(f"The axis {empty[0]!r} has no values.", "Give one at least.")
    return axes


def _sampling(task: Task, cell: Cell) -> Any:
    return task.sampling.replace(**{name: one for name, one in cell.items() if name != "seed"})
