"""`influence compare`: whether runs differ, and on which items.

It does not know how runs are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from influence_nb.cli.kept import number, run_argument
from influence_nb.cli.output import Json, print_json, table, visible


def command(
    runs: Annotated[list[str], run_argument("Two or more: ids, their beginnings, or folders.")],
    flipped: Annotated[
        bool, typer.Option("--flipped", help="List the items on which they differ, with both outputs.")
    ] = False,
    metric: Annotated[
        str | None, typer.Option(help="The metric that --flipped looks at; the first by default.")
    ] = None,
    other_data: Annotated[
        bool, typer.Option("--other-data", help="Compare runs over different data, by the ids they share.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold each RUN against the first, item by item.

    For right and wrong McNemar's exact test is taken, for other numbers a paired permutation test; p is corrected for
    how many tests there are. Intervals are by paired bootstrap.
    """
    from influence_nb.evaluation.compare import compare_runs

    found = compare_runs(*runs, other_data=other_data)
    changed: list[Mapping[str, Any]] = []
    for place, one in enumerate(found.results[1:] if flipped else (), 1):
        flips = found.flipped(metric, place).reset_index().assign(run=one.run.id)
        changed += [{str(name): value for name, value in row.items()} for row in flips.to_dict("records")]
    if as_json:
        listed = {"flipped": changed} if flipped else {}
        print_json({"same_data": found.same_data, "tests": found.tests, **listed})
        return
    heads = ("run", "metric", "first", "this", "difference", "low", "high", "p", "test", "items")
    results = {one.run.id: one for one in found.results}
    rows = [
        (
            one.second,
            one.metric,
            number(results[one.first].metrics[one.metric].value),
            number(results[one.second].metrics[one.metric].value),
            *map(number, (one.difference, one.low, one.high, one.adjusted)),
            one.method,
            f"{one.count:,}",
        )
        for one in found.tests
    ]
    first = found.results[0].run
    typer.echo(visible(f"Against run {first.id}, {first.name} by {first.model}:"))
    table(heads, rows, right=("first", "this", "difference", "low", "high", "p", "items"))
    for row in changed:
        typer.echo(visible(f"\n{row['run']}, item {row['id']} ({row['change']:+g}): {row['prompt']}"))
        typer.echo(visible(f"  first: {row['first']}\n  this:  {row['second']}"))
