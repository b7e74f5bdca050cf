"""`influence runs`: what was run on this machine.

It does not know where runs are kept.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from influence_nb.cli.kept import number
from influence_nb.cli.output import Json, print_json, table


def command(
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, the newest.")] = None,
    as_json: Json = False,
) -> None:
    """List the runs on this machine, tasks and notebooks, the newest first."""
    from influence_nb.evaluation.runs import listed

    rows = [
        {**row, "metrics": json.loads(row["metrics"]), "parameters": json.loads(row["parameters"])}
        for row in listed()[:limit]
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("No runs here yet. Run: influence evaluate arithmetic", err=True)
        return
    lines = [
        (
            row["id"],
            row["kind"],
            row["name"],
            row["model"],
            row["status"],
            row["started"][:16].replace("T", " "),
            ", ".join(f"{name}={value}" for name, value in row["parameters"].items()),
            ", ".join(f"{name} {number(one['value']) or 'NaN'}" for name, one in row["metrics"].items()),
        )
        for row in rows
    ]
    table(("id", "kind", "name", "model", "status", "started (UTC)", "parameters", "metrics"), lines)
