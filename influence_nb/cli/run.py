"""`influence run`: one run looked at, run again, written to a file, or taken in from one.

It does not know what is in a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.kept import RunId, describe, tell
from influence_nb.cli.loading import LOADING_BY_OPTION, Loading, stopping
from influence_nb.cli.output import Json, folder_of, plain, print_json, visible, waiting

HELP = "Look at one run, run it again, write it to a file, or take one in."


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


@grouped(loading=LOADING_BY_OPTION)
def repeat(
    run: RunId,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far values and log-probabilities may lie apart.")
    ] = 0.0,
    as_json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Have RUN's task answered once more, and say whether the same came.

    The model is loaded as it was then, where nothing else is asked for. Ends with 1 where what came is not the same,
    nor within the tolerance with every output the same.
    """
    from influence_nb.errors import ModelNotFound
    from influence_nb.evaluation.audit import repeat as again
    from influence_nb.evaluation.run import result

    recorded = result(run)
    loading = loading.as_recorded(recorded.run.determined_by)
    try:
        with loading.answering(recorded.task) as model, stopping() as cancel, waiting("Repeating") as say:

            def show(done: int, total: int) -> None:
                say(f"Repeating: {done:,} of {total:,} items")

            found = again(recorded, model, tolerance, cancel, show)
    except ModelNotFound as error:
        raise ModelNotFound(error.message, f"{error.hint} Or say where it is: --model FOLDER.") from error
    if as_json:
        print_json({"id": recorded.run.id, **plain(found)})
    else:
        typer.echo(
            visible(f"Run {recorded.run.id}, {recorded.run.name} by {recorded.run.model}: {found.summary}.")
        )
        for name, (then, now) in found.changed_facts.items():
            typer.echo(visible(f"  {name}: {then!r} then, {now!r} now"))
    if not (found.identical or found.within):
        raise typer.Exit(1)


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


COMMANDS = {"show": show, "repeat": repeat, "export": export, "import": take_in}
