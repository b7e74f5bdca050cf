"""`influence chat`: a conversation with a model in a terminal, or line by line from a pipe.

It knows how lines are read and when the program ends; what a line does is `Talk`'s business.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.loading import LOADING_BY_OPTION, Loading
from influence_nb.cli.output import folder_of, visible
from influence_nb.cli.sampling import OVERRIDES

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from influence_nb.cli.talk import Talk


@grouped(loading=LOADING_BY_OPTION, sampling=OVERRIDES)
def command(
    system: Annotated[str | None, typer.Option(help="The system prompt.")] = None,
    session: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the conversation in this file, and save there; made where it is missing."
        ),
    ] = None,
    save_on_exit: Annotated[
        bool,
        typer.Option("--save-on-exit", help="Save at the end, to --session or to a file named by the date."),
    ] = False,
    when_full: Annotated[
        str, typer.Option(help="When the context is full: stop, or drop_oldest turns.")
    ] = "stop",
    plain: Annotated[bool, typer.Option("--plain", help="No Markdown on a terminal.")] = False,
    *,
    loading: Loading,
    sampling: dict[str, Any],
) -> None:
    """Talk to a model.

    /help lists what can be typed beside messages. Ctrl-C stops an answer and not the program, Ctrl-D or /quit ends it.
    Alt-Enter begins a new line in a message. From a pipe, each line is a message or a command.
    """
    from influence_nb.api.defaults import sampling as whole
    from influence_nb.cli.talk import Talk

    if when_full not in ("stop", "drop_oldest"):
        raise typer.BadParameter(f"{when_full!r} is unknown: stop or drop_oldest.", param_hint="--when-full")
    if session is not None:
        folder_of(session)
    if save_on_exit and session is None:
        session = Path(f"chat-{datetime.now():%Y%m%d-%H%M%S}.json")
    talk = Talk(loading, session, markdown=not plain)
    try:
        talk.begin(system, whole(**sampling), when_full)
        if session is not None and session.exists():
            talk.open(session)  # a file that is something else is left as it is
            talk.override(system, sampling)
        try:
            with _Ender() as ender:
                for line in _lines(talk, ender):
                    if not talk.take(line):
                        break
        finally:
            if save_on_exit:
                talk.save("")
    finally:
        talk.end()


class _Ended(Exception):
    """A signal came while a line was waited for."""


class _Ender:
    """Lets SIGTERM and SIGHUP end the program the ordinary way, so that what was said is saved."""

    def __init__(self) -> None:
        self.asking: Any = None
        """prompt_toolkit's application, which an exception from a signal's handler would not leave in order."""
        self._before: dict[Any, Any] = {}

    def __enter__(self) -> _Ender:
        for name in ("SIGTERM", "SIGHUP"):
            with suppress(AttributeError, ValueError):  # not on this system; not the main thread
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, _: object) -> None:
        code = 128 + number
        if self.asking is None or not self.asking.is_running:
            sys.exit(code)
        self.asking.loop.call_soon_threadsafe(lambda: self.asking.exit(exception=_Ended(code)))


def _lines(talk: Talk, ender: _Ender) -> Iterator[str]:
    """What the person types, until they have had enough."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            if line.strip():
                yield line.rstrip("\r\n")
        return
    typer.echo(
        f"{visible(talk.session.model.name)} listens. /help lists the commands, Ctrl-D ends.", err=True
    )
    prompt = _prompt(talk)
    ender.asking = prompt.app
    while True:
        try:
            line = prompt.prompt()
        except KeyboardInterrupt:
            continue  # the line is thrown away, as in a shell
        except EOFError:
            return
        except _Ended as end:
            sys.exit(end.args[0])
        if line.strip():
            yield line


def _prompt(talk: Talk) -> PromptSession[str]:
    """Reads a line with editing, earlier messages under the arrow keys, and commands completed by Tab."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from influence_nb.cli.talk import COMMANDS

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    asked = InMemoryHistory([one["content"] for one in talk.session.messages if one["role"] == "user"])
    words = WordCompleter([f"/{name}" for name in COMMANDS], sentence=True)
    return PromptSession("> ", history=asked, completer=words, complete_while_typing=False, key_bindings=keys)
