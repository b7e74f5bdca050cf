"""`influence rm`: a model deleted from the disk, or what no model needs.

It does not know what else uses its files; the library does.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from influence_nb.cli.loading import complete_name
from influence_nb.cli.output import Json, print_json, visible


def command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", autocompletion=complete_name, help="A name in the library."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Only this commit, or its beginning.")] = None,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Delete half-done, damaged and unused files instead.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete MODEL from the disk.

    What another revision uses stays; of a folder of yours only what a download brought goes. It says first what that
    frees, and asks.
    """
    from influence_nb.api import library
    from influence_nb.hub.results import size

    if (model is None) != leftovers or (leftovers and revision):
        raise typer.BadParameter("Name one model, or give --leftovers alone.")
    shelf = library()
    if leftovers:
        found = shelf.leftovers()
        question = f"Delete {len(found)} leftovers? That frees {size(sum(one.size for one in found))}."
    else:
        question = f"Remove {model}? That frees {size(shelf.frees(str(model), revision))}."
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter(f"{visible(question)} Say --yes, since nobody can be asked here.")
        typer.confirm(visible(question), abort=True, err=True)
    freed = shelf.prune().bytes if leftovers else shelf.remove(str(model), revision)
    if as_json:
        print_json({"name": model, "bytes": freed})
    else:
        typer.echo(f"Freed {size(freed)}.")
