"""`influence run`: one run looked at, written to a file, or taken in from one.

It does not know what is in a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from influence_nb.cli.kept import RunId, describe, tell
from influence_nb.cli.output import Json, folder_of, print_json, visible

HELP = "Look at one run, write it to a file, or take one in."


def show(run: RunId, as_json: Json = False) -> None:
    """Say what RUN is and what came of it."""
    from influence_nb.evaluation.runs import find

    found = find(run)
    if as_json:
        print_json(describe(found))
        return
    tell(found)
    for name, value in found.parameters.items():
        typer.echo(visible(f"{name} = {value!r}"))
    typer.echo(f"Kept in {found.folder}")


def export(
    run: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .zip file to write.")],
    as_json: Json = False,
) -> None:
    """Write RUN whole to FILE; `influence run import` takes it in elsewhere."""
    from influence_nb.evaluation.runs import find

    folder_of(file)
    found = find(run)
    written = found.export(file)
    if as_json:
        print_json({"id": found.id, "file": written, "bytes": written.stat().st_size})
    else:
        typer.echo(f"Wrote run {found.id} to {written}")


def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that export wrote.")],
    as_json: Json = False,
) -> None:
    """Take in the run in FILE; one that is here already stays as it is."""
    from influence_nb.evaluation.exports import import_run

    found = import_run(file)
    if as_json:
        print_json(describe(found))
    else:
        tell(found)


COMMANDS = {"show": show, "export": export, "import": take_in}
