"""`influence generate`: its text, its JSON, where the prompt comes from, options over settings, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.cli.answer import finished
from tests.chat_server import ChatServer, Handler
from tests.commands import Influence, in_terminal, shown

FEW = ("--max-new-tokens", "6", "--device", "cpu")


def test_the_text_is_that_of_the_api_and_the_model_is_let_go(influence: Influence, folder: str) -> None:
    done = influence("generate", "Hello there", "-m", folder, "--seed", "7", *FEW)
    assert done.exit_code == 0, done.output
    assert inb.loaded() == []
    assert done.stderr == ""
    model = inb.load(folder, device="cpu")
    expected = model.generate("Hello there", seed=7, max_new_tokens=6)
    model.unload()
    assert done.stdout == expected.text + "\n"


def test_json_has_text_usage_timings_and_a_receipt_that_replays(influence: Influence, folder: str) -> None:
    done = influence(
        "generate", "Hello", "-m", folder, "--temperature", "0.5", "--top-p", "none", "--json", *FEW
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert set(said) == {"text", "finish_reason", "usage", "timings", "receipt"}
    assert said["usage"]["completion_tokens"] == len(said["receipt"]["output_ids"]) <= 6
    assert said["timings"]["total"] > 0
    assert (said["receipt"]["sampling"]["temperature"], said["receipt"]["sampling"]["top_p"]) == (0.5, None)
    model = inb.load(folder, device="cpu")
    assert model.replay(said["receipt"]).identical
    model.unload()


def test_the_prompt_from_a_file_and_from_a_pipe(influence: Influence, folder: str, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Zwölf Boxkämpfer\n", encoding="utf-8")
    greedy = ("-m", folder, "--temperature", "0", *FEW)
    texts = [
        influence("generate", "Zwölf Boxkämpfer", *greedy).stdout,
        influence("generate", "--file", "prompt.txt", *greedy).stdout,
        influence("generate", *greedy, input="Zwölf Boxkämpfer\r\n").stdout,
    ]
    assert len(set(texts)) == 1
    assert texts[0].strip()


def test_a_message_through_the_template(influence: Influence, folder: str) -> None:
    asked = ("generate", "Hi", "-m", folder, "--temperature", "0", "--json", *FEW)
    as_text, as_chat, with_system = (
        json.loads(influence(*asked, *more).stdout)["receipt"]["prompt_ids"]
        for more in ((), ("--chat",), ("--system", "Be brief."))
    )
    model = inb.load(folder, device="cpu")
    told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    ids = [list(model.generate(one, max_new_tokens=1).receipt.prompt_ids) for one in ("Hi", told[1:], told)]
    model.unload()
    assert [as_text, as_chat, with_system] == ids


def test_arguments_over_the_environment_over_dotenv(
    influence: Influence, folder: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        f"INFLUENCE_MODEL_PATH={folder}\nINFLUENCE_MAX_TOKENS=3\nINFLUENCE_TOP_K=5\n"
    )
    done = influence("generate", "Hello", "--json", "--top-k", "2", INFLUENCE_TEMPERATURE="0.25")
    assert done.exit_code == 0, done.output
    sampling = json.loads(done.stdout)["receipt"]["sampling"]
    assert (sampling["max_new_tokens"], sampling["top_k"], sampling["temperature"]) == (3, 2, 0.25)
    model = inb.load(folder, device="cpu")
    assert model.generate("Hello", max_new_tokens=1).receipt.sampling["temperature"] == 0.7, "not for the API"
    model.unload()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["Hi", "--temperature", "-1"], 2, "--temperature: temperature=-1 is out of range"),
        (["Hi", "--temperature", "hot"], 2, "is not a number"),
        (["Hi", "--top-k", "1.5"], 2, "top_k=1.5 is not a whole number"),
        (["Hi", "--seed", "-4"], 2, "seed=-4"),
        (["Hi", "--stop", ""], 2, "stop="),
        (["Hi", "--file", "x"], 2, "leave one out"),
        (["--file", "missing.txt"], 2, "missing.txt cannot be read"),
        (["Hi", "--device", "cpu", "--device-index", "1"], 1, "The device 'cpu' has no index 1."),
        (["Hi", "--device", "tpu"], 1, "'tpu' is not a device"),
        (["Hi", "--device-index", "-1"], 2, "greater than or equal to 0"),
        (["Hi", "-m", "no-such-model"], 1, "There is no model called 'no-such-model'"),
        (["", "--device", "cpu"], 1, "The prompt is empty."),
        (["Hi", "--endpoint", "http://127.0.0.1:9", "--device", "cpu"], 2, "leave --device out"),
    ],
)
def test_what_cannot_be(influence: Influence, folder: str, args: list[str], code: int, words: str) -> None:
    done = influence("generate", *args, INFLUENCE_MODEL_PATH=folder)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
    assert inb.loaded() == []


def test_a_file_that_is_no_text(influence: Influence, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    for done in (
        influence("generate", "--file", "picture"),
        influence("generate", "-", input=b"\x89PNG\xff"),
    ):
        assert done.exit_code == 2
        assert "is not text in UTF-8" in done.stderr


def test_ctrl_c_stops_the_answer(influence: Influence, server: ChatServer) -> None:
    def interrupted(handler: Handler) -> bool:
        handler.some(2)
        os.kill(os.getpid(), signal.SIGINT)
        return handler.hang()

    server.faults = [interrupted, interrupted]
    done = influence("generate", "Hi", "--chat", "--endpoint", server.url)
    assert done.exit_code == 130, done.output
    assert "Hello there".startswith(done.stdout.strip())
    assert "Traceback" not in done.output
    server.gone.get(timeout=60)
    done = influence("generate", "Hi", "--chat", "--endpoint", server.url, "--json")
    assert done.exit_code == 130
    assert json.loads(done.stdout)["finish_reason"] == "cancelled"


def test_an_answer_that_breaks_off_is_kept_and_said(influence: Influence, server: ChatServer) -> None:
    server.faults = [lambda handler: handler.some(2) or handler.reset()]
    done = influence("generate", "Hi", "--chat", "--endpoint", server.url)
    assert done.exit_code == 1
    assert done.stdout.startswith("Hello there")
    assert "The answer stopped after 2 tokens" in done.stderr


def test_a_terminal_shows_markdown_and_no_control_characters(server: ChatServer, tmp_path: Path) -> None:
    server.pieces = [
        "# Title\n\nSome **bold",
        "** words, a [link](http://x.y)\x1b]0;owned\x07.\n\n```python\n",
        "x = 1\n\ny = 2\n```\n",
    ]
    child = in_terminal("generate", "Hi", "--chat", "--endpoint", server.url, cwd=tmp_path)
    child.expect_exact(["\x1b[?25h"])  # the cursor comes back with the end
    rest = child.read()
    child.wait()
    assert child.exitstatus == 0
    text = child.before + rest
    assert "\x1b]0;owned" not in text
    last = shown(text)
    assert "bold**" not in last
    assert "..." not in last, "there is room for all of it"
    for words in ("Title", "Some bold words", "http://x.y", "x = 1", "y = 2"):
        assert words in last
    child = in_terminal("generate", "Hi", "--chat", "--plain", "--endpoint", server.url, cwd=tmp_path)
    plain = shown(child.read())
    assert "Some **bold** words" in plain
    assert "\x1b]0" not in plain


def test_the_blocks_of_a_growing_text_that_are_finished() -> None:
    for done, growing in (
        ("", "One line"),
        ("", "One line\n\n"),
        ("One line\n\n", "Two"),
        ("", "```\ncode\n\nmore"),
        ("```\ncode\n\n```\n\n", "After"),
        ("", "- item\n\n  more of it"),
        ("~~~\n```\n~~~\n\n", "x"),
        ("", "````\n```\n\nstill code"),
    ):
        assert finished(done + growing) == len(done), done + growing
