"""`influence chat`: driven through a pseudo-terminal as a person does, and line by line from a pipe."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.cli.talk import COMMANDS
from influence_nb.widgets.conversation import Conversation
from tests.chat_server import ChatServer, Handler
from tests.commands import Influence, in_terminal, shown

PROMPT = "\x1b[?2004h"  # a terminal is told to mark what is pasted: now it listens
UP, CTRL_A, CTRL_K = "\x1b[A", "\x01", "\x0b"


class Person:
    """Someone at a terminal."""

    def __init__(self, child: Any) -> None:
        self.child = child

    def types(self, text: str, end: str = "\r") -> None:
        """At the next prompt."""
        self.sees(PROMPT)
        self.child.send(text + end)

    def sees(self, words: str) -> str:
        """Wait for the words; what was shown before them."""
        self.child.expect_exact(words)
        return shown(self.child.before)

    def asks(self, text: str, answer: str = "Hello there.") -> None:
        self.types(text)
        self.sees(answer)
        self.sees("tokens")  # the facts after an answer

    def leaves(self) -> int:
        self.types("/quit")
        self.child.read()
        self.child.wait()
        return int(self.child.exitstatus)


@pytest.fixture
def person(server: ChatServer, tmp_path: Path) -> Iterator[Person]:
    child = in_terminal(
        "chat",
        "--endpoint",
        server.url,
        "--session",
        "talk.json",
        "--save-on-exit",
        cwd=tmp_path,
        PROMPT_TOOLKIT_NO_CPR="1",
    )
    person = Person(child)
    person.sees("talker listens.")
    yield person
    child.close(force=True)


def said(server: ChatServer) -> list[str]:
    """The contents of the messages that the last request sent."""
    return [one["content"] for one in server.posts[-1].body["messages"]]


def test_a_conversation_with_line_editing_and_every_command(
    person: Person, server: ChatServer, tmp_path: Path
) -> None:
    person.asks("first question")
    person.types("sekond question", end="\x08" * 13 + "cond question\r")
    person.sees("Hello there.")
    person.sees("tokens")
    assert said(server) == ["first question", "Hello there.", "second question"]
    person.types(UP + CTRL_A + CTRL_K + "with a\x1b\rbreak")  # from the last line, emptied
    person.sees("tokens")
    assert said(server)[-1] == "with a\nbreak"
    person.types("/undo")
    person.sees("4 messages are left.")
    person.types("/system Be brief.")
    person.types("/set temperature 0.25")
    server.pieces = ["Another", " one."]
    person.types("/retry")
    person.sees("Another one.")
    person.sees("tokens")
    assert said(server) == ["Be brief.", "first question", "Hello there.", "second question"]
    assert server.posts[-1].body["temperature"] == 0.25
    person.types("/history")
    history = person.sees("assistant: Another one.")
    assert "system: Be brief." in history
    assert "user: second question" in history
    person.types("/sa\t", end="")
    person.sees("ve")  # which Tab has completed
    person.child.send(" other.json\r")
    person.sees("Saved other.json")
    person.types("/clear")
    person.sees("Cleared.")
    person.types("/load other.json")
    person.sees("Going on with 4 messages")
    person.types("/help")
    person.sees("/undo")
    person.types("/hlep")
    person.sees("Did you mean /help?")
    person.types("//hlep")
    person.sees("tokens")
    assert said(server)[-1] == "/hlep"
    assert person.leaves() == 0
    saved = json.loads((tmp_path / "other.json").read_text())
    assert len(saved["messages"]) == 6
    assert saved["system"] == "Be brief."


def test_ctrl_c_stops_the_answer_and_not_the_program(
    person: Person, server: ChatServer, tmp_path: Path
) -> None:
    server.faults = [lambda handler: handler.some(2) or handler.hang()]
    person.types("tell me")
    person.sees("Hello there")
    person.child.sendintr()
    person.sees("stopped")
    server.gone.get(timeout=60)
    person.types("thrown away", end="\x03")
    person.asks("again")
    assert said(server) == ["tell me", "Hello there", "again"]
    person.types("", end="\x04")
    person.child.read()
    person.child.wait()
    assert person.child.exitstatus == 0
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert [one["content"] for one in saved["messages"]] == [
        "tell me",
        "Hello there",
        "again",
        "Hello there.",
    ]


def test_what_was_said_is_saved_when_the_program_is_ended(person: Person, tmp_path: Path) -> None:
    person.asks("remember this")
    person.sees(PROMPT)
    person.child.kill(signal.SIGTERM)
    person.child.read()
    person.child.wait()
    assert person.child.exitstatus == 128 + signal.SIGTERM
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert saved["messages"][0]["content"] == "remember this"


def test_an_error_is_said_and_the_conversation_goes_on(
    influence: Influence, server: ChatServer, tmp_path: Path
) -> None:
    server.faults = [lambda handler: handler.answer(400, {"error": {"message": "no"}}) or True]
    lines = [
        "one",
        "/set temperature -1",
        "/set nothing 1",
        "/set temperature",
        "/load missing.json",
        "/save",
    ]
    lines += ["/retry now", "/load", "two", "/quit", "three"]
    done = influence("chat", "--endpoint", server.url, input="\n".join(lines))
    assert done.exit_code == 0, done.output
    assert done.stdout == "\n\nHello there.\n" or done.stdout.strip() == "Hello there."
    for words in (
        "refuses the request",
        "temperature=-1 is out of range",
        "Sampling has no parameter 'nothing'",
        "/set temperature needs a value.",
        "does not hold a saved session",
        "There is no file to save to.",
        "There is no message yet.",
        "There is no file to load.",
    ):
        assert words in done.stderr, words
    assert said(server) == ["two"]
    assert "Traceback" not in done.output


def test_another_model_goes_on_with_the_conversation(
    influence: Influence, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "other").symlink_to(folder)
    lines = ["Hello", "/model ./other", "/model", "/model ./missing", "And you?", "/history"]
    done = influence("chat", "-m", folder, "--device", "cpu", "--max-new-tokens", "4", input="\n".join(lines))
    assert done.exit_code == 0, done.output
    assert "listens." in done.stderr
    assert "missing" in done.stderr
    assert done.stdout.count("user: ") == 2
    assert "user: And you?" in done.stdout
    assert inb.loaded() == []


def test_a_session_goes_on_and_arguments_count_more(
    influence: Influence, server: ChatServer, tmp_path: Path
) -> None:
    first = ("chat", "--endpoint", server.url, "--session", "talk.json", "--save-on-exit")
    assert influence(*first, "--system", "Be kind.", "--top-p", "0.5", input="one").exit_code == 0
    done = influence(*first, "--temperature", "0.1", input="two")
    assert done.exit_code == 0
    assert said(server) == ["Be kind.", "one", "Hello there.", "two"]
    assert (server.posts[-1].body["top_p"], server.posts[-1].body["temperature"]) == (0.5, 0.1)
    influence(*first, "--system", "Be brief.", input="/undo\n/undo")
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert (saved["system"], saved["messages"]) == ("Be brief.", [])


def test_without_a_name_it_is_saved_by_the_date(
    influence: Influence, server: ChatServer, tmp_path: Path
) -> None:
    done = influence("chat", "--endpoint", server.url, "--save-on-exit", input="one")
    assert done.exit_code == 0
    (file,) = tmp_path.glob("chat-*.json")
    assert f"Saved {file.name}" in done.stderr


def test_a_chat_panels_conversation(influence: Influence, server: ChatServer, tmp_path: Path) -> None:
    panel = Conversation("Be brief.")
    question = panel.add("user", "one", None)
    panel.add("assistant", "an answer", question.id)
    panel.add("assistant", "another answer", question.id)
    (tmp_path / "panel.json").write_text(panel.to_json())
    done = influence("chat", "--endpoint", server.url, input="/load panel.json\ntwo\n/save")
    assert done.exit_code == 0, done.output
    assert said(server) == ["Be brief.", "one", "another answer", "two"]
    assert Conversation.from_json((tmp_path / "panel.json").read_text()).messages, "as it was"
    assert (tmp_path / "panel-talk.json").exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--when-full", "burst"], 2, "stop or drop_oldest"),
        (["--session", "no/such/folder/talk.json"], 2, "There is no folder"),
        (["--session", "broken.json", "--save-on-exit"], 1, "does not hold a saved session"),
        (["--endpoint", "nonsense"], 1, "is not the address of a server"),
    ],
)
def test_what_cannot_be(
    influence: Influence, server: ChatServer, tmp_path: Path, args: list[str], code: int, words: str
) -> None:
    (tmp_path / "broken.json").write_text("[]")
    done = influence("chat", "--endpoint", server.url, *args, input="hi")
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert server.posts == []
    assert (tmp_path / "broken.json").read_text() == "[]", "left as it was"


def test_a_model_without_a_chat_template(influence: Influence, folder: str, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "base", ignore=shutil.ignore_patterns("chat_template*"))
    lines = ["/model ./base", "Hello"]
    done = influence("chat", "-m", folder, "--device", "cpu", "--max-new-tokens", "4", input="\n".join(lines))
    assert done.exit_code == 0, done.output
    assert "has no chat template" in done.stderr
    assert done.stdout.strip(), "the model from before answers"
    done = influence("chat", "-m", "./base", "--device", "cpu", input="Hello")
    assert done.exit_code == 1
    assert "has no chat template" in done.stderr
    assert inb.loaded() == []


def test_ctrl_c_while_a_pipe_is_answered(influence: Influence, server: ChatServer) -> None:
    def interrupted(handler: Handler) -> bool:
        handler.some(1)
        os.kill(os.getpid(), signal.SIGINT)
        return handler.hang()

    server.faults = [interrupted]
    done = influence("chat", "--endpoint", server.url, input="one\ntwo")
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith("Hello there.")


def test_help_has_every_command(influence: Influence, server: ChatServer) -> None:
    done = influence("chat", "--endpoint", server.url, input="/help")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [f"/{name}" for name in COMMANDS]
    wanted = "help clear history save load set system model retry undo quit"
    assert set(COMMANDS) == set(wanted.split())
