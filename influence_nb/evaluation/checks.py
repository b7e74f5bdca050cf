"""A pytest plugin: saved notebooks, held against what they do now.

    pytest --notebook-metrics study.ipynb

Each notebook is executed once. Its metrics must lie where `inb.record` said, beside those in the saved outputs; it must
have been saved whole and run in order. A cell that shows something must have done so when it was saved, and the other
way round. What it prints and its results as plain text are compared where it asks for that as nbval has it, by a line
`# NBVAL_CHECK_OUTPUT` or the tag `nbval-check-output`: others may show times, addresses or random numbers. Without the
option the plugin does nothing, and little is imported. It does not know what a notebook measures.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from influence_nb.errors import InfluenceError

if TYPE_CHECKING:
    from influence_nb.evaluation.record import Recorded

_AGAIN = "Restart the kernel, run all cells and save the notebook."
_MARK = "NBVAL_CHECK_OUTPUT"
_LIVE = "application/vnd.jupyter.widget-view+json"


class Stale(Exception):
    """A saved notebook is not what it would be now."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--notebook-metrics`."""
    parser.getgroup("influence_nb", "notebooks with recorded metrics").addoption(
        "--notebook-metrics",
        action="store_true",
        help="Execute notebooks, and compare the metrics that they record, and the text of cells marked "
        "# NBVAL_CHECK_OUTPUT, with those in their saved outputs.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> NotebookFile | None:
    """Notebooks, where they are asked for."""
    if file_path.suffix != ".ipynb" or not parent.config.getoption("notebook_metrics"):
        return None
    found: NotebookFile = NotebookFile.from_parent(parent, path=file_path)
    return found


class NotebookFile(pytest.File):
    """A notebook: its checks are `order`, `outputs` and one for each metric that it has saved."""

    def collect(self) -> Iterator[pytest.Item]:
        """The checks."""
        from influence_nb.evaluation.notebooks import read
        from influence_nb.evaluation.record import recorded

        try:
            self.saved, _ = read(self.path)
            metrics = {one.metric.name: one for one in recorded(self.saved)}
        except InfluenceError as error:
            raise self.CollectError(str(error)) from error
        self._ran: Any = None
        yield Check.from_parent(self, name="order", problems=lambda: out_of_order(self.saved))
        yield Check.from_parent(self, name="outputs", problems=lambda: other_outputs(self.saved, self.ran()))
        for name, one in metrics.items():
            check = _metric_check(self, one)
            yield Check.from_parent(self, name=f"metric[{name}]", problems=check)

    def ran(self) -> Any:
        """The notebook executed now, once for all checks.

        Raises:
            InfluenceError: it broke off.
        """
        from influence_nb.evaluation.notebooks import execute

        if self._ran is None:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    self._ran = execute(self.path, Path(folder) / self.path.name)
            except InfluenceError as error:
                self._ran = error
        if isinstance(self._ran, InfluenceError):
            raise Stale(self._ran.message)
        return self._ran


class Check(pytest.Item):
    """One check of a notebook, which fails with what it finds."""

    def __init__(self, *, problems: Callable[[], Iterable[str]], **more: Any) -> None:
        super().__init__(**more)
        self._problems = problems

    def runtest(self) -> None:
        """Raise `Stale` with the problems, where there are some."""
        if found := list(self._problems()):
            raise Stale("\n".join([*found, _AGAIN]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The words alone, where it is a failure of the notebook's."""
        if isinstance(excinfo.value, Stale):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, and what it is called."""
        return self.path, None, f"{self.path.name}: {self.name}"


def out_of_order(saved: Any) -> Iterator[str]:
    """Cells that were not run, or not in their order from a fresh kernel.

    Of cells that follow each other, only the first is named.
    """
    before = 0
    for number, (place, cell) in enumerate(_code(saved), 1):
        count = cell.execution_count
        if count is None:
            yield f"{_named(place, cell)} was not run: its outputs are missing."
            continue
        if count not in (number, before + 1):
            yield f"{_named(place, cell)} was run as [{count}], out of order: from the top it is [{number}]."
        before = count


def other_outputs(saved: Any, ran: Any) -> Iterator[str]:
    """Cells that show something now and nothing in the saved notebook, or the other way round; other text in cells that
    are marked; and new metrics.
    """
    from influence_nb.evaluation.record import recorded

    for (place, before), (_, now) in zip(_code(saved), _code(ran), strict=True):
        shown, shows = _shows(before), _shows(now)
        if shows and not shown:
            yield f"{_named(place, before)} shows something, and the saved notebook does not: it is missing."
        elif shown and not shows:
            yield f"{_named(place, before)} shows nothing any more: what is saved is stale."
        elif _is_marked(before) and (words := _other_line(_text(before), _text(now))):
            yield f"{_named(place, before)} {words}"
    known = {one.metric.name for one in recorded(saved)}
    for one in recorded(ran):
        if one.metric.name not in known:
            cell = _named(one.cell, ran.cells[one.cell])
            yield f"{cell} records {one.metric.name!r}, which the saved notebook does not have."


def differs(before: Recorded, now: Recorded) -> str | None:
    """What is wrong with a metric beside the saved one; None for nothing."""
    if (before.within, before.tolerance) != (now.within, now.tolerance):
        return f"was saved with other bounds than it has now ({now}; saved: {before})"
    value, saved = now.metric.value, before.metric.value
    if now.within is not None and not now.is_within:
        return f"is {_number(value)}, which is not within {now.within[0]:g} to {now.within[1]:g}"
    if now.within is not None and now.tolerance is None:
        return None
    if math.isnan(value) and math.isnan(saved):
        return None
    if now.tolerance is None:
        if value == saved:
            return None
        return f"is {_number(value)}, saved is {_number(saved)}, and no tolerance is stated"
    rounding = 1e-12 * max(abs(value), abs(saved))
    if abs(value - saved) <= now.tolerance + rounding:
        return None
    return f"is {_number(value)}, more than {now.tolerance:g} away from the saved {_number(saved)}"


def _metric_check(file: NotebookFile, before: Recorded) -> Callable[[], Iterator[str]]:
    def problems() -> Iterator[str]:
        from influence_nb.evaluation.record import recorded

        ran, name = file.ran(), before.metric.name
        found = [one for one in recorded(ran) if one.metric.name == name]
        if not found:
            cell = _named(before.cell, file.saved.cells[before.cell])
            yield f"{cell} recorded {name!r} when it was saved, and no cell does now."
        elif words := differs(before, found[-1]):
            yield f"{_named(found[-1].cell, ran.cells[found[-1].cell])} recorded {name!r}: it {words}."

    return problems


def _code(notebook: Any) -> Iterator[tuple[int, Any]]:
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip():
            yield place, cell


def _shows(cell: Any) -> bool:
    """Whether a reader without a kernel sees something; warnings come and go, and do not count."""
    return any(
        output.get("name") != "stderr" and _LIVE not in output.get("data", {}) for output in cell.outputs
    )


def _is_marked(cell: Any) -> bool:
    """Whether nbval compares what it shows."""
    comments = [
        line.strip().lstrip("#").strip() for line in cell.source.splitlines() if line.strip()[:1] == "#"
    ]
    return _MARK in comments or _MARK.lower().replace("_", "-") in cell.metadata.get("tags", [])


def _text(cell: Any) -> list[str]:
    """The lines that it prints, and its results as plain text; panels' are names of objects."""
    printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
    results = [output.data for output in cell.outputs if "data" in output and _LIVE not in output.data]
    return [
        *printed.splitlines(),
        *(line for one in results for line in one.get("text/plain", "").splitlines()),
    ]


def _other_line(saved: Sequence[str], now: Sequence[str]) -> str:
    """The first line that differs, both ways; "" where none does."""
    for number, (before, after) in enumerate(zip_longest(saved, now), 1):
        if before != after:
            shows, was = ("nothing" if one is None else repr(one) for one in (after, before))
            return f"shows {shows} in line {number}, and {was} is saved: what is saved is stale."
    return ""


def _named(place: int, cell: Any) -> str:
    from influence_nb.arguments import quoted

    return f"Cell {place + 1}, which begins {quoted(cell.source.strip().partition(chr(10))[0])},"


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.6g}"
