"""How commands print runs that are kept: their metrics as a table, or all that is known as JSON.

It does not know how runs come about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influence_nb.cli.output import plain, table, visible

if TYPE_CHECKING:
    from influence_nb.evaluation.intervals import Metric
    from influence_nb.evaluation.runs import Run


def complete_run(incomplete: str) -> list[str]:
    """The ids of runs on this machine that begin so, for a shell that completes them."""
    from influence_nb.evaluation.runs import listed

    return [row["id"] for row in listed() if str(row["id"]).startswith(incomplete)]


def run_argument(help: str = "Its id, the beginning of it, or its folder.", **more: Any) -> Any:
    """The argument RUN, which a shell completes."""
    return typer.Argument(metavar="RUN", autocompletion=complete_run, help=help, **more)


RunId = Annotated[str, run_argument()]


def describe(run: Run) -> dict[str, Any]:
    """All that is known of a run, and its folder."""
    return {**plain(run), "folder": str(run.folder)}


def tell(run: Run) -> None:
    """Print what a run is and its metrics."""
    by = f" by {run.model}" if run.model else ""
    took = "" if math.isnan(run.seconds) else f" in {run.seconds:,.1f} s"
    typer.echo(visible(f"{run.name}{by}: {run.status}{took}, run {run.id}"))
    if run.error:
        typer.echo(visible(run.error))
    if run.metrics:
        metrics(run.metrics)


def metrics(found: Mapping[str, Metric]) -> None:
    """Print metrics with their intervals."""
    heads = ("metric", "value", "low", "high", "items", "without a value")
    rows = [
        (one.name, number(one.value), number(one.low), number(one.high), f"{one.count:,}", f"{one.missing:,}")
        for one in found.values()
    ]
    table(heads, rows, right=heads[1:])


def number(value: float | None) -> str:
    """A figure as a table shows it; nothing where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.4g}"
