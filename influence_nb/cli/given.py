"""The text that a command works on: its argument, a file, or standard input.

It does not know what is done with the text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Text = Annotated[
    str | None, typer.Argument(metavar="TEXT", help='The text; "-", or none in a pipe, reads standard input.')
]
File = Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from this file.")]


def text(given: str | None, file: Path | None) -> str:
    """The text that was given one way or another; of a file and a pipe without the last end of line.

    Raises:
        BadParameter: none, or two; a file that cannot be read, or is not text in UTF-8.
    """
    if file is not None:
        if given is not None:
            raise typer.BadParameter("A text and --file were both given: leave one out.")
        try:
            return _decoded(file.expanduser().read_bytes(), str(file))
        except OSError as error:
            raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from error
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        raise typer.BadParameter("There is no text: give one, --file, or a pipe.")
    return _decoded(sys.stdin.buffer.read(), "standard input")


def _decoded(data: bytes, where: str) -> str:
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"What {where} holds is not text in UTF-8.") from error
    return whole.removesuffix("\n").removesuffix("\r")
