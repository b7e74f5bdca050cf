"""`influence verify`: every byte of a model read again and compared with its known checksum, offline.

It does not know where checksums come from.
"""

from __future__ import annotations

from typing import Annotated

import typer

from influence_nb.cli.loading import complete_name, stopping
from influence_nb.cli.output import Json, bar, complain, print_json, visible
from influence_nb.errors import IntegrityError


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", autocompletion=complete_name, help="Names in the library."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All models on this machine.")] = False,
    as_json: Json = False,
) -> None:
    """Read every byte of MODEL and compare it with the known checksums, without a network.

    Damaged files are set aside, and the next download fetches just those. The exit code is 1 if any model is damaged.
    """
    from influence_nb.api import library

    if bool(models) == everything:
        raise typer.BadParameter("Name models, or give --all.")
    shelf = library()
    names = [one.name for one in shelf] if everything else list(models or ())
    rows, damaged = [], False
    with stopping() as cancel:
        for name in names:
            try:
                with bar(name) as show:
                    done = shelf.verify(name, on_progress=show, cancel=cancel)
            except IntegrityError as error:
                damaged = True
                rows.append({"name": name, "verified": False, "message": error.message, "hint": error.hint})
                complain(error)
                continue
            rows.append({**vars(done)})
            if not as_json:
                what = "is whole" if done.verified else "cannot be checked: no checksum is known for it"
                typer.echo(visible(f"{name} {what} ({done.files} files, {done.bytes:,} bytes)"))
    if as_json:
        print_json(rows)
    if damaged:
        raise typer.Exit(1)
