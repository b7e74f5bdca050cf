"""The command line, `influence`: a table of commands, each in a file of its own, imported when it is called.

It does not know what the commands do; asking for help loads none of them. An `InfluenceError` is printed with
its hint, without a traceback. Exit codes: 0 done, 1 an error, 2 a command line that cannot be, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer
from typer.main import get_command

from influence_nb import __version__
from influence_nb.cli.frame import VERBOSE, Table

COMMANDS = {
    "chat": "Talk to a model.",
    "generate": "Continue a text, or answer a question.",
    "serve": "Answer other programs over HTTP.",
    "score": "How probable a model finds a text.",
    "embed": "Texts as vectors.",
    "search": "Find models on the Hub, and whether they fit this machine.",
    "fit": "Whether a model fits a device, and what it takes there.",
    "download": "Fetch a model from the Hub (also: pull).",
    "list": "The models on this machine.",
    "show": "What is known of a model on this machine.",
    "verify": "Compare every byte of a model with its checksums.",
    "rm": "Delete a model from the disk.",
    "evaluate": "Have a model answer a task, and keep what came of it.",
    "notebook": "Run a notebook without a person, and keep what came of it.",
    "runs": "The runs on this machine.",
    "run": "Look at one run, run it again, write it to a file, or take one in.",
    "compare": "Hold runs against each other, item by item.",
    "bench": "Measure how fast a model is on this machine.",
    "starters": "Fetch the two starter models.",
    "config": "Every setting, its value and where it came from.",
    "lab": "Start JupyterLab on the notebooks, with the starter models at hand.",
}
ALIASES = {"pull": "download"}
"""Other names of commands."""

app = typer.Typer(
    cls=Table.over(COMMANDS, ALIASES),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"influence {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """A workbench for language models on your own machine."""


commands = get_command(app)


def main() -> None:
    """What the console script `influence` runs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    commands(prog_name="influence")
