"""What all commands have in common: imported when called, logged, their errors printed, options in groups.

A module of a command has a function `command`; one of a group has COMMANDS, a function by name, and HELP. It does not
know the commands.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from influence_nb.errors import InfluenceError

_TALKS = "influence_nb.verbose"
"""Where a context keeps that --verbose was given, before the command or after it."""


def _talk(ctx: typer.Context, asked: bool) -> None:
    if asked:
        ctx.meta[_TALKS] = True


VERBOSE = typer.Option(
    "--verbose",
    "-v",
    callback=_talk,
    expose_value=True,
    help="Log what happens to standard error, one JSON object a line.",
)


class Command(TyperCommand):
    """A command that takes --verbose and logs its beginning and end."""

    def invoke(self, ctx: Any) -> Any:
        """Set up the logs, then run."""
        from influence_nb.cli import logs

        logs.begin(verbose=_TALKS in ctx.meta)
        log = logging.getLogger("influence_nb.cli")
        log.info("command begins", extra={"command": self.name})
        began, ended = time.perf_counter(), "failed"
        try:
            result = super().invoke(ctx)
            ended = "done"
            return result
        except typer.Exit as end:
            ended = f"exit {end.exit_code}"
            raise
        finally:
            seconds = round(time.perf_counter() - began, 3)
            log.info("command ends", extra={"command": self.name, "ended": ended, "seconds": seconds})


class Table(TyperGroup):
    """A group of commands that live in `influence_nb.cli.<name>.command`.

    Until one is called only its name and its line of help are here.
    """

    lines: Mapping[str, str] = {}
    aliases: Mapping[str, str] = {}

    @classmethod
    def over(cls, lines: Mapping[str, str], aliases: Mapping[str, str]) -> type[Table]:
        """A group with these commands: {name: line of help}, and {other name: name}."""
        return type("Commands", (cls,), {"lines": lines, "aliases": aliases})

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in self.lines.items():
            self.add_command(TyperCommand(name, help=line))
        for alias, name in self.aliases.items():
            self.add_command(TyperCommand(alias, help=self.lines[name], hidden=True))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the one that is called."""
        name, found, rest = super().resolve_command(ctx, args)
        if found is None or name is None:
            return name, found, rest
        verbose = [param for param in self.params if param.name == "verbose"]
        return name, load(self.aliases.get(name, name), verbose), rest

    def invoke(self, ctx: Any) -> Any:
        """Run; an error of ours is printed with what to do about it."""
        try:
            return super().invoke(ctx)
        except InfluenceError as error:
            from influence_nb.cli.output import complain

            complain(error)
            raise typer.Exit(1) from error


def load(name: str, more: Sequence[Any] = ()) -> Any:
    """Import the command of that name, or the group of commands, and give it the options that all have."""
    module = importlib.import_module(f"influence_nb.cli.{name}")
    if not hasattr(module, "COMMANDS"):
        return _command(name, module.command, module, more)
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.callback(help=_paragraphs(module.HELP))(lambda: None)
    group: Any = _with(get_command(app), more)
    for one, function in module.COMMANDS.items():
        group.add_command(_command(one, function, module, more))
    return group


def _command(name: str, function: Callable[..., None], module: Any, more: Sequence[Any]) -> Any:
    app = typer.Typer(add_completion=False)
    cls, context = getattr(module, "CLASS", Command), getattr(module, "CONTEXT", None)
    app.command(name, cls=cls, context_settings=context, help=_paragraphs(function.__doc__ or ""))(function)
    return _with(get_command(app), more)


def _with(command: Any, more: Sequence[Any]) -> Any:
    for option in more:
        option.expose_value = False
        command.params.append(option)
    return command


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(one.split()) for one in text.split("\n\n"))


@dataclass(frozen=True)
class Group:
    """Options that several commands have, and what is made of them.

    Attributes:
        parameters: as they would stand in a command's signature, `Annotated` and with their defaults.
        build: makes of {name: value} what the command is given.
    """

    parameters: tuple[inspect.Parameter, ...]
    build: Callable[[dict[str, Any]], Any]


def option(name: str, kind: Any, default: Any = None) -> inspect.Parameter:
    """One option of a `Group`; `kind` is its type, `Annotated` with a `typer.Option`."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def grouped(**groups: Group) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put the options of a group in the place of the parameter that is called so."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.name not in groups]
        whole = [*kept, *(one for group in groups.values() for one in group.parameters)]

        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group.build({one.name: given.pop(one.name) for one in group.parameters})
            command(**given)

        run.__doc__, run.__name__ = command.__doc__, command.__name__
        run.__annotations__ = {one.name: one.annotation for one in whole}
        vars(run)["__signature__"] = inspect.Signature(whole)
        return run

    return decorate
