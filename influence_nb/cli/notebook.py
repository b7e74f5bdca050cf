"""`influence notebook run`: a notebook executed without a person, and kept with all that it recorded.

It does not know how a notebook is executed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from influence_nb.cli.kept import describe, tell
from influence_nb.cli.output import Json, print_json, visible, waiting

HELP = "Run a notebook without a person, and keep what came of it."


def run(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="An .ipynb file.")],
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="A value for a name in the cell tagged parameters; may be given several times.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Run it although it was done before.")] = False,
    as_json: Json = False,
) -> None:
    """Execute NOTEBOOK in a kernel of its own, and keep everything together.

    Kept are the executed notebook, its parameters, the metrics that it recorded by inb.record, the receipt of every
    generation, hashes, versions, hardware and time. What was done already is not done again. A value is read as JSON
    or as Python has it (7, 0.5, true, None, [1, 2]), and is text otherwise. The exit code is 1 where a cell failed;
    what there is of it is kept.
    """
    given = dict(_parsed(one) for one in parameters or ())
    from influence_nb.evaluation.notebooks import run_notebook

    words = f"Running {visible(notebook.name)}"
    with waiting(words) as say:
        done = run_notebook(
            notebook, given, again, on_progress=lambda at, total: say(f"{words}: {at} of {total} cells")
        )
    if as_json:
        print_json(describe(done))
    else:
        tell(done)
        typer.echo(f"Kept as {done.notebook}")


def _parsed(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE, such as -p seed=7.", param_hint="-p")
    words = {"True": True, "False": False, "None": None}
    if value in words:
        return name.strip(), words[value]
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


COMMANDS = {"run": run}
