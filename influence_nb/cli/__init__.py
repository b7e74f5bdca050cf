"""The command line, `influence`: a table of commands, each in a file of its own, imported when it is called.

It does not know what the commands do; asking for help loads none of them. An `InfluenceError` is printed with
its hint, without a traceback.
"""

from __future__ import annotations

import importlib
import sys

import click

from influence_nb import __version__
from influence_nb.errors import InfluenceError

COMMANDS = {
    "bench": "Measure how fast a model is on this machine.",
    "lab": "Start JupyterLab on the notebooks, with the starter models at hand.",
    "starters": "Fetch the two starter models.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `influence_nb.cli.<name>.command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"influence_nb.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, read without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="influence")
def commands() -> None:
    """A workbench for language models on your own machine, in JupyterLab."""


def main() -> None:
    """What the console script `influence` runs."""
    try:
        commands(prog_name="influence")
    except InfluenceError as error:
        click.secho(error.message, err=True, fg="red")
        if error.hint:
            click.echo(error.hint, err=True)
        sys.exit(1)
