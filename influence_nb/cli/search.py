"""`influence search`: models on the Hub, and whether each fits this machine.

It does not know how the Hub is asked.
"""

from __future__ import annotations

from typing import Annotated

import typer

from influence_nb.cli.loading import Device, DeviceIndex
from influence_nb.cli.output import Json, print_json, table, waiting


def command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="Words in the model's name.")] = None,
    author: Annotated[str | None, typer.Option(help="Who owns it.")] = None,
    task: Annotated[str | None, typer.Option(help="Such as text-generation.")] = None,
    library: Annotated[str | None, typer.Option(help="Such as transformers or gguf.")] = None,
    license: Annotated[str | None, typer.Option(help="Such as apache-2.0.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as en.")] = None,
    min_params: Annotated[str | None, typer.Option(help="The fewest parameters, such as 135M.")] = None,
    max_params: Annotated[str | None, typer.Option(help="The most, such as 7B.")] = None,
    gated: Annotated[
        bool | None, typer.Option("--gated/--open", help="Only behind a licence, or only open ones.")
    ] = None,
    sort: Annotated[str, typer.Option(help="downloads, likes, trending, updated or created.")] = "downloads",
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 20,
    mirror: Annotated[str | None, typer.Option(help="Another hub's address.")] = None,
    device: Device = None,
    device_index: DeviceIndex = None,
    as_json: Json = False,
) -> None:
    """Find models on the Hub, and say of each whether it fits the device's free memory."""
    from influence_nb.api import search
    from influence_nb.api.defaults import device as default
    from influence_nb.hub.results import HEADINGS, NUMBERS, cells

    with waiting("Searching"):
        hits = search(
            text,
            author=author,
            task=task,
            library=library,
            license=license,
            language=language,
            min_params=min_params,
            max_params=max_params,
            gated=gated,
            sort=sort,
            limit=limit,
            mirror=mirror,
            device=default(device, device_index),
        )
    if as_json:
        print_json(list(hits))
        return
    if not hits:
        typer.echo("No model found.", err=True)
        return
    names = ("id", "parameters", "fits", "size", "license", "gated", "downloads", "updated")
    rows = [[cells(hit)[name] for name in names] for hit in hits]
    numbers = [HEADINGS[name] for name in NUMBERS]
    table([HEADINGS[name] for name in names], rows, right=numbers)
    if hits.more:
        typer.echo("There are more: --limit says how many to list.", err=True)
