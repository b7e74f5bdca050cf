"""`influence list`: the models on this machine, and what is not whole.

It does not know where they are kept.
"""

from __future__ import annotations

import typer

from influence_nb.cli.models import describe
from influence_nb.cli.output import Json, print_json, table, visible


def command(as_json: Json = False) -> None:
    """List the models on this machine: the starters, the Hub's cache, folders; and what is not whole."""
    from influence_nb.api import library
    from influence_nb.hub.results import count, size
    from influence_nb.store.models import LocalModel

    everything = library().everything()
    models = [one for one in everything if isinstance(one, LocalModel)]
    broken = [one for one in everything if not isinstance(one, LocalModel)]
    if as_json:
        print_json({"models": [describe(one) for one in models], "broken": broken})
        return
    heads = ("name", "for", "parameters", "weights", "size", "source", "last used", "verified")
    rows = [
        (
            one.name,
            one.kind,
            count(one.parameters),
            one.quantization or one.dtype or one.format,
            size(one.size),
            one.source,
            f"{one.last_used:%Y-%m-%d}" if one.last_used else "",
            {True: "yes", False: "damaged", None: ""}[one.verified],
        )
        for one in models
    ]
    if rows:
        table(heads, rows, right=("parameters", "size"))
    else:
        typer.echo("No models here yet. Run: influence starters", err=True)
    for one in broken:
        typer.echo(visible(f"{one.name} is not whole: {one.reason} {one.hint}"), err=True)
