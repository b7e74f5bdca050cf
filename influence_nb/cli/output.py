"""What commands print: JSON, tables, errors, bars; on a terminal by Rich, in a pipe as plain text.

It does not know what is printed. What comes from models, hubs and servers is untrusted: no control character of it
reaches a terminal.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from influence_nb.errors import InfluenceError

if TYPE_CHECKING:
    from rich.console import Console

    from influence_nb.hub.progress import Progress

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def plain(value: Any) -> Any:
    """The value in JSON's own terms: dataclasses by their fields, paths and dates as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_json(value: Any) -> None:
    """Print it as JSON."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def visible(text: str) -> str:
    """The text without control characters, which a terminal would obey; ends of lines and tabs stay."""
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs"))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(stream: TextIO | None = None) -> Console:
    """Rich's console on standard output, or on `stream`; it takes text as it stands."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` are numbers. In a pipe nothing of it is cut off."""
    clean = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        widths = [max(map(len, column)) for column in zip(heads, *clean, strict=True)]
        for row in (heads, *clean):
            cells = (
                cell.rjust(width) if head in right else cell.ljust(width)
                for head, cell, width in zip(heads, row, widths, strict=True)
            )
            typer.echo("  ".join(cells).rstrip())
        return
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in heads:
        drawn.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in clean:
        drawn.add_row(*row)
    console().print(drawn)


_COMMANDS = {
    r"inb\.runs\(\)": "`influence runs`",
    r"inb\.library\(\)": "`influence list`",
    r"inb\.download\('([^']*)'\)": r"`influence download \1`",
    r"\brun\.export\(\)": "`influence run export`",
    r"\bagain=True\b": "--again",
    r"\bother_data=True\b": "--other-data",
    r"\btrust_remote_code=True\b": "--trust-remote-code",
}
"""What hints say to people who write Python, and what that is here."""


def in_commands(hint: str) -> str:
    """A hint as it helps on a command line."""
    for python, command in _COMMANDS.items():
        hint = re.sub(python, command, hint)
    return hint


def complain(error: InfluenceError) -> None:
    """Print an error and what to do about it."""
    typer.secho(visible(error.message), err=True, fg="red")
    if error.hint:
        typer.echo(visible(in_commands(error.hint)), err=True)


@contextmanager
def bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """A bar of bytes on standard error, where that is a terminal; it appears with the first `Progress`."""
    if not is_terminal(sys.stderr):
        yield lambda progress: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    drawn = Bar(*columns, TimeRemainingColumn(), console=console(sys.stderr), transient=True)
    task = drawn.add_task(title, total=None)

    def show(progress: Progress) -> None:
        words = f"{title}: {progress.stage}"
        drawn.update(task, description=words, total=progress.all_total, completed=progress.all_done)
        drawn.start()

    try:
        yield show
    finally:
        drawn.stop()


@contextmanager
def waiting(words: str) -> Iterator[Callable[[str], None]]:
    """Words on standard error while something takes long, where that is a terminal; call it to change them."""
    if not is_terminal(sys.stderr):
        yield lambda words: None
        return
    with console(sys.stderr).status(words) as status:
        yield lambda words: status.update(words)


def folder_of(path: Path) -> Path:
    """The folder that a file is to be written to, before minutes go by.

    Raises:
        UsageError: there is no such folder.
    """
    folder = path.expanduser().absolute().parent
    if not folder.is_dir():
        raise typer.BadParameter(f"There is no folder {folder}.")
    return folder
