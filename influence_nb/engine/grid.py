"""`model.grid`: one prompt under every combination of some settings, run as batches, its completions in a table.

    grid = model.grid("Once upon a time", temperature=[0.2, 0.7, 1.2], seed=range(3))
    grid.to_frame(), grid.cell(temperature=0.7, seed=1).text, grid.save("study.parquet")

It knows completions; what an axis may be is `axes.py`'s, what runs together `groups.py`'s, the file `grid_file.py`'s.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from influence_nb.arguments import quoted
from influence_nb.engine import axes, keeping
from influence_nb.engine.batch import Meter, OnProgress
from influence_nb.engine.completion import Completion
from influence_nb.errors import BatchIncomplete, InvalidData

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.engine.prompts import Prompt


@dataclass(frozen=True)
class Cell:
    """One combination of a grid's axes and what came of it.

    Attributes:
        place: where it stands among all combinations, from 0, the last axis fastest.
        values: {axis: its value here}.
        completion: what was generated.
    """

    place: int
    values: Mapping[str, Any]
    completion: Completion

    @property
    def text(self) -> str:
        """The completion's."""
        return self.completion.text


OnCell = Callable[[Cell], object]


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Sequence[Cell]):
    """The cells of a grid, in the order of their places. `influence_nb` gives it from `model.grid`.

    A grid that was cancelled lacks the cells that had no token yet; those cut short say "cancelled".

    Attributes:
        axes: {name: values}, in the order they were given.
        prompt: what was asked.
        cells: those that are there.
    """

    axes: Mapping[str, tuple[Any, ...]]
    prompt: Prompt
    cells: tuple[Cell, ...]

    @property
    def total(self) -> int:
        """How many combinations there are."""
        return math.prod(map(len, self.axes.values()))

    @property
    def is_complete(self) -> bool:
        """Whether every cell is there, and none was cut short by a cancel."""
        return len(self) == self.total and all(cell.completion.finish_reason != "cancelled" for cell in self)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | Sequence[Cell]:
        return self.cells[index]

    def __len__(self) -> int:
        return len(self.cells)

    def cell(self, **values: Any) -> Cell:
        """The cell with these values, one for each axis that has several.

        Raises:
            InvalidData: no such axis or value, several cells have them, or the cell is not there.
        """
        for name, value in list(values.items()):
            if name not in self.axes:
                raise InvalidData(
                    f"This grid has no axis {quoted(name)}.", f"Its axes are: {', '.join(self.axes)}."
                )
            if name in axes.PARAMETERS:
                values[name] = value = axes.normal(name, value)
            if value not in self.axes[name]:
                raise InvalidData(
                    f"The axis {name} has no value {quoted(value)}.",
                    f"Its values are: {', '.join(map(quoted, self.axes[name]))}.",
                )
        found = [cell for cell in self if all(cell.values[name] == value for name, value in values.items())]
        if len(found) == 1:
            return found[0]
        if found:
            open_axes = [
                name for name, all_values in self.axes.items() if len(all_values) > 1 and name not in values
            ]
            raise InvalidData(f"{len(found)} cells have these values.", f"Say also: {', '.join(open_axes)}.")
        raise InvalidData("That cell is not there.", "The grid was cancelled before it; run it again.")

    def prompt_of(self, cell: Cell) -> Prompt:
        """What was asked in a cell: the grid's prompt, under the cell's system prompt where that is an axis."""
        system = cell.values.get("system")
        return self.prompt if system is None else axes.under_system(self.prompt, system)

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell, its place the index.

        Columns: one an axis; `text`; `finish_reason`; `tokens`; `logprob_raw_mean` (nats a token, of the model's own
        distribution); `perplexity`, which is exp(-logprob_raw_mean): of the completion, given the prompt. NaN where the
        runtime tells no log-probabilities.
        """
        import pandas as pd

        rows = []
        for cell in self:
            mean = mean_logprob(cell.completion)
            rows.append(
                {
                    "place": cell.place,
                    **cell.values,
                    "text": cell.text,
                    "finish_reason": cell.completion.finish_reason,
                    "tokens": cell.completion.usage.completion_tokens,
                    "logprob_raw_mean": mean,
                    "perplexity": math.exp(min(-mean, 700.0)),  # beyond it a float is infinite
                }
            )
        columns = ["place", *self.axes, *axes.TAKEN[1:]]
        frame = pd.DataFrame(rows, columns=columns).set_index("place")
        frame.attrs["axes"] = {name: list(values) for name, values in self.axes.items()}
        return frame

    def save(self, path: str | Path) -> Path:
        """Write it as Parquet: a row for each cell with its axes, text, tokens and receipt; `load` reads it.

        Any reader of Parquet can open it; axes whose values are no plain numbers or texts are there as JSON.

        Raises:
            InvalidData: there is no writing there.
            MissingExtra: pyarrow is not installed.
        """
        from influence_nb.engine import grid_file

        return grid_file.write(path, self)

    @classmethod
    def load(cls, path: str | Path) -> Grid:
        """The grid in a file that `save` wrote. Its completions have texts, tokens and receipts, but no model.

        Raises:
            InvalidData: the file holds none.
            MissingExtra: pyarrow is not installed.
        """
        from influence_nb.engine import grid_file

        return grid_file.read(path)

    def __repr__(self) -> str:
        shape = ", ".join(f"{name}: {len(values)}" for name, values in self.axes.items())
        count = f"{len(self)} of {self.total} cells" if len(self) < self.total else f"{self.total} cells"
        return f"Grid({shape}; {count})"

    def _repr_html_(self) -> str:
        from influence_nb.engine import grid_view

        return grid_view.table(self)


def mean_logprob(completion: Completion) -> float:
    """The mean of `logprob_raw` over its tokens, in nats; NaN where one is not known or there are none."""
    raw = [event.logprob_raw for event in completion.tokens if event.is_token]
    known = [one for one in raw if one is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(raw) else math.nan


def run(
    plan: axes.Plan, cancel: threading.Event | None, on_progress: OnProgress | None
) -> Generator[Cell, None, None]:
    """The cells as they finish, one model after the other.

    Raises:
        BatchIncomplete: some cells failed; once all others are done, which it carries. Where all fail, the error of the
            first.
    """
    meter = Meter(len(plan.runs), on_progress)
    for model in dict.fromkeys(one.model for one in plan.runs):
        runs = [one for one in plan.runs if one.model is model]
        if cancel is not None and cancel.is_set():
            return
        with keeping.in_use(model), closing(model._batch([one.request for one in runs], cancel)) as outcomes:
            for index, outcome in outcomes:
                here = runs[index]
                meter.take(here.place, outcome)
                if isinstance(outcome, Completion) and (
                    outcome.tokens or outcome.finish_reason != "cancelled"
                ):
                    yield Cell(here.place, here.values, outcome)
    if meter.failures:
        if len(meter.failures) == len(plan.runs):
            raise meter.failures[0]
        place, first = min(meter.failures.items())
        where = ", ".join(f"{name}={quoted(value)}" for name, value in plan.runs[place].values.items())
        raise BatchIncomplete(
            f"{len(meter.failures)} of {len(plan.runs)} cells failed; the first is {where}: {first.message}",
            "The error has the others' completions (.completions) and what went wrong by place (.failures).",
            meter.completions,
            meter.failures,
        )


def gather(plan: axes.Plan, cells: Iterator[Cell], on_cell: OnCell | None) -> Grid:
    """All of `run`'s cells, in their order; `on_cell` hears of each as it comes."""
    found: dict[int, Cell] = {}
    for cell in cells:
        found[cell.place] = cell
        if on_cell is not None:
            on_cell(cell)
    return Grid(plan.axes, plan.prompt, tuple(cell for _, cell in sorted(found.items())))
