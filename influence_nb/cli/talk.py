"""`Talk`: a conversation by lines: a message is answered, a line that begins with "/" is a command.

It does not know how lines are read.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from influence_nb.cli.answer import write
from influence_nb.cli.loading import Loading, stopping
from influence_nb.cli.output import complain, is_terminal, visible
from influence_nb.cli.sampling import parsed
from influence_nb.errors import InfluenceError, InvalidData

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion, TokenStream
    from influence_nb.engine.model import Model
    from influence_nb.engine.sampling import Sampling
    from influence_nb.engine.session import Session, WhenFull

Messages = list[dict[str, str]]


class Talk:
    """One conversation, and the model that it is with.

    Args:
        loading: which model, and how others are loaded.
        file: where /save saves unless it is told otherwise.
        markdown: whether a terminal shows answers as Markdown.
    """

    session: Session

    def __init__(self, loading: Loading, file: Path | None = None, markdown: bool = True) -> None:
        self.loading = loading
        self.file = file
        self.markdown = markdown
        self._held: Model | None = None

    def begin(self, system: str | None, sampling: Sampling, when_full: str) -> None:
        """Load the model and begin an empty conversation."""
        full: WhenFull = "drop_oldest" if when_full == "drop_oldest" else "stop"
        self._held = self.loading.load()
        self.session = self._held.session(system, sampling, full)

    def end(self) -> None:
        """Let the model go."""
        if self._held is not None:
            self._held.unload()

    def override(self, system: str | None, sampling: dict[str, Any]) -> None:
        """What was said on the command line counts more than what a file says."""
        self.session.system = self.session.system if system is None else system
        self.session.sampling = self.session.sampling.replace(**sampling)

    def take(self, line: str) -> bool:
        """Do what a line says; False once it is enough. An error is printed, and changes nothing."""
        try:
            if line.startswith("/") and not line.startswith("//"):
                return self._command(line)
            self._answer(lambda stop: self.session.stream(line.removeprefix("/"), cancel=stop))
        except InfluenceError as error:
            complain(error)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
        return True

    def _command(self, line: str) -> bool:
        name, _, rest = line[1:].strip().partition(" ")
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            guess = f"Did you mean /{near[0]}? " if near else ""
            raise InvalidData(
                f"There is no command /{name}.", f"{guess}/help lists them; //{name} sends it as a message."
            )
        return COMMANDS[name][0](self, rest.strip()) is not False

    # -- the commands -----------------------------------------------------------------------------------------------

    def help(self, _: str) -> None:
        """List the commands."""
        width = max(len(f"/{name} {what[1]}") for name, what in COMMANDS.items())
        for name, (_run, arguments, words) in COMMANDS.items():
            typer.echo(f"{f'/{name} {arguments}'.ljust(width)}  {words}")

    def clear(self, _: str) -> None:
        """Forget all messages; system prompt and settings stay."""
        self.session.messages.clear()
        typer.echo("Cleared.", err=True)

    def history(self, _: str) -> None:
        """Print the conversation."""
        if self.session.system:
            typer.echo(f"system: {visible(self.session.system)}")
        for message in self.session.messages:
            typer.echo(f"{message['role']}: {visible(message['content'])}")

    def save(self, name: str) -> None:
        """Save the conversation as `Session.save` does."""
        file = Path(name).expanduser() if name else self.file
        if file is None:
            raise InvalidData("There is no file to save to.", "Name one: /save talk.json")
        typer.echo(f"Saved {self.session.save(file)}", err=True)
        self.file = file

    def load(self, name: str) -> None:
        """Go on with a conversation from a file."""
        if not name:
            raise InvalidData("There is no file to load.", "Name one: /load talk.json")
        self.open(Path(name).expanduser())

    def open(self, file: Path) -> None:
        """The same: a file that /save wrote, or a chat panel."""
        panel = _of_panel(file)
        if panel is None:
            from influence_nb.engine.session import Session

            self.session = Session.load(file, self.session.model)
        else:
            self.session.system, self.session.messages = panel
        # A panel's file has versions that would be lost.
        self.file = file if panel is None else file.with_name(f"{file.stem}-talk.json")
        typer.echo(f"Going on with {len(self.session.messages)} messages of {file}", err=True)

    def set(self, said: str) -> None:
        """Change a sampling parameter, or print them all."""
        name, _, value = said.replace("=", " ", 1).partition(" ")
        if not name:
            for one, now in self.session.sampling.to_dict().items():
                typer.echo(f"{one} = {json.dumps(now)}")
            return
        if not value.strip():
            raise InvalidData(f"/set {name} needs a value.", "Such as: /set temperature 0.5")
        self.session.sampling = self.session.sampling.replace(**{name.replace("-", "_"): parsed(name, value)})

    def system(self, said: str) -> None:
        """Change the system prompt, "none" for none, or print it."""
        if said:
            self.session.system = None if said == "none" else said
        else:
            typer.echo(visible(self.session.system or "There is no system prompt."))

    def model(self, name: str) -> None:
        """Go on with another model, or say which it is."""
        if not name:
            typer.echo(visible(repr(self.session.model)))
            return
        before = self.session
        loaded = self.loading.load(name)
        if loaded is before.model:
            return
        try:
            session = loaded.session(before.system, before.sampling, before.when_full)
        except InfluenceError:  # it cannot hold a conversation
            loaded.unload()
            raise
        session.messages = before.messages
        self.session, self._held = session, loaded
        before.model.unload()
        typer.echo(f"{visible(loaded.name)} listens.", err=True)

    def retry(self, _: str) -> None:
        """Have the last message answered once more, with another seed unless one was set."""
        said, kept = self.session.messages, self._before_answer()
        self.session.messages = list(kept)
        try:
            done = self._answer(lambda stop: self.session.reply(cancel=stop))
        except InfluenceError:
            self.session.messages = said
            raise
        if not done.text and done.finish_reason == "cancelled":
            self.session.messages = said

    def undo(self, _: str) -> None:
        """Take the last message and its answer back."""
        self.session.messages = self._before_answer()[:-1]
        typer.echo(f"{len(self.session.messages)} messages are left.", err=True)

    def quit(self, _: str) -> bool:
        """End."""
        return False

    def _before_answer(self) -> Messages:
        """The messages up to the last of the person's."""
        asked = [place for place, one in enumerate(self.session.messages) if one["role"] == "user"]
        if not asked:
            raise InvalidData("There is no message yet.", "Say something first.")
        return self.session.messages[: asked[-1] + 1]

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, begin: Callable[[Any], TokenStream]) -> Completion:
        """Write an answer as it comes; Ctrl-C stops it, and what came stays in the conversation."""
        with stopping() as stop:
            stream = begin(stop)

            def pieces() -> Iterator[str]:
                for event in stream:
                    yield event.text

            write(pieces(), markdown=self.markdown)
            done = stream.completion
        if is_terminal(sys.stdout):
            typer.secho(_facts(done, self.session.dropped), dim=True, err=True)
        return done


COMMANDS: dict[str, tuple[Callable[[Talk, str], bool | None], str, str]] = {
    "help": (Talk.help, "", "this list"),
    "clear": (Talk.clear, "", "forget the messages"),
    "history": (Talk.history, "", "print the conversation"),
    "save": (Talk.save, "[FILE]", "save the conversation"),
    "load": (Talk.load, "FILE", "go on with a saved one, also of a chat panel"),
    "set": (Talk.set, "[NAME VALUE]", "a sampling parameter, such as temperature 0.5; alone: all of them"),
    "system": (Talk.system, "[TEXT]", "the system prompt; none for none"),
    "model": (Talk.model, "[NAME]", "go on with another model"),
    "retry": (Talk.retry, "", "another answer to the last message"),
    "undo": (Talk.undo, "", "take the last message and its answer back"),
    "quit": (Talk.quit, "", "end; so does Ctrl-D"),
}


def _facts(done: Completion, dropped: int) -> str:
    facts = [f"{done.usage.completion_tokens} tokens"]
    if done.timings.tokens_per_second:
        facts.append(f"{done.timings.tokens_per_second:.1f} tokens/s")
    facts.append({"length": "ended at the token limit", "cancelled": "stopped"}.get(done.finish_reason, ""))
    if dropped:
        facts.append(f"the {dropped} oldest messages were left out")
    return " · ".join(fact for fact in facts if fact)


def _of_panel(file: Path) -> tuple[str | None, Messages] | None:
    """The system prompt and the messages, where a chat panel saved the file; None where it is none of those."""
    from influence_nb.widgets.conversation import FORMAT, Conversation

    try:
        text = file.read_text(encoding="utf-8")
        if json.loads(text).get("format") != FORMAT:
            return None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # which `Session.load` says
    conversation = Conversation.from_json(text)
    return conversation.system or None, conversation.for_model()
