"""An answer as it is written: Markdown with highlighted code on a terminal, the plain text in a pipe.

It does not know where the text comes from; it is untrusted, so no control character of it reaches a terminal and no
link is hidden behind words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from influence_nb.cli.output import console, is_terminal, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live

_FRAMES = 20
"""How often in a second what is being written is drawn anew."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def write(pieces: Iterable[str], markdown: bool = True) -> None:
    """Write the pieces of a text as they come, and end the line.

    Args:
        pieces: of the text, in order.
        markdown: whether a terminal shows it as Markdown.
    """
    terminal = is_terminal(sys.stdout)
    if terminal and markdown:
        with _Drawn(console()) as drawn:
            for piece in pieces:
                drawn.add(visible(piece))
        return
    try:
        for piece in pieces:
            sys.stdout.write(visible(piece) if terminal else piece)
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
        sys.stdout.flush()


def finished(text: str) -> int:
    """How much of a growing Markdown text is blocks that will not change: up to the last blank line outside of fences
    that an unindented line follows.
    """
    end = place = 0
    fence = ""
    blank = False
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" \n\r" + fence[0]):
                fence = ""
        else:
            if blank and line.strip() and not line[0].isspace():
                end = place
            fence = mark[1] if mark else ""
        blank = not fence and not line.strip()
        place += len(line)
    return end


class _Drawn:
    """Finished blocks are printed for good; the one that is being written is drawn anew, its last lines where it is
    longer than the screen.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.text = ""
        self.live: Live | None = None

    def __enter__(self) -> _Drawn:
        from rich.live import Live

        self.live = Live(console=self.console, refresh_per_second=_FRAMES, transient=True)
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.live is not None
        self.live.update("", refresh=True)
        self.live.stop()
        if self.text.strip():
            self.console.print(_markdown(self.text))

    def add(self, piece: str) -> None:
        """More text."""
        assert self.live is not None
        self.text += piece
        if end := finished(self.text):
            self.live.console.print(_markdown(self.text[:end]))
            self.live.console.print()
            self.text = self.text[end:]
        self.live.update(_Tail(self.text))


class _Tail:
    """As many of the last lines as the screen has room for; parsed only when it is drawn."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        lines = console.render_lines(_markdown(self.text), options.update(height=None), pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


def _markdown(text: str) -> RenderableType:
    from rich.markdown import Markdown

    return Markdown(text, code_theme="ansi_dark", hyperlinks=False)
