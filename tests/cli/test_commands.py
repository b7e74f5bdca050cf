"""The command line's manners: quick help, errors without tracebacks, exit codes, logs, completion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from influence_nb import __version__
from influence_nb.cli import ALIASES, COMMANDS, app
from influence_nb.cli.logs import without_secrets
from influence_nb.cli.output import in_commands, visible
from influence_nb.settings import settings

RUN = "from influence_nb.cli import main; main()"
GROUPS = {"notebook": ["run"], "run": ["show", "export", "import"]}
"""The commands that have commands of their own."""
LINES = [[name] for name in COMMANDS if name not in GROUPS]
LINES += [[name, one] for name, inside in GROUPS.items() for one in inside]
"""Every command as it is typed."""


def influence(*args: str, code: str = RUN, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def here(*args: str) -> Result:
    """In this process."""
    return CliRunner().invoke(app, args)


def test_help_of_anything_loads_nothing_heavy() -> None:
    code = """
import sys
from typer.testing import CliRunner
from influence_nb.cli import COMMANDS, app
groups = {"notebook": ["run"], "run": ["show", "export", "import"]}
whole = [[name, one] for name, inside in groups.items() for one in inside]
for args in ([], *([name] for name in COMMANDS), *whole):
    assert CliRunner().invoke(app, [*args, "--help"]).exit_code == 0, args
print(*sys.modules)
"""
    done = influence(code=code)
    assert done.returncode == 0, done.stderr
    heavy = "torch transformers jupyterlab ipywidgets pandas numpy sqlite3 huggingface_hub httpx fastapi"
    assert not set(heavy.split()) & set(done.stdout.split())


def test_python_m_is_the_command() -> None:
    code = (
        "import runpy, sys\nsys.argv[0] = 'influence'\nrunpy.run_module('influence_nb', run_name='__main__')"
    )
    done = influence("--version", code=code)
    assert (done.returncode, done.stdout) == (0, f"influence {__version__}\n")


def test_hints_speak_of_commands() -> None:
    said = "Look at inb.runs() or inb.library(); inb.download('a/b'), with again=True or other_data=True."
    assert in_commands(said) == (
        "Look at `influence runs` or `influence list`; `influence download a/b`, with --again or --other-data."
    )


def test_help_lists_the_commands_without_importing_them() -> None:
    code = "import sys\nfrom influence_nb.cli import commands\n"
    code += "commands(['--help'], standalone_mode=False)\nprint(*sys.modules)\nimport torch\nprint(len(sys.modules))"
    done = influence(code=code)
    text, modules, with_torch = done.stdout.rstrip().rsplit("\n", 2)
    assert all(name in text for name in COMMANDS)
    assert not {"pydantic", *(f"influence_nb.cli.{name}" for name in COMMANDS)} & set(modules.split())
    assert len(modules.split()) * 4 < int(with_torch), "a quarter of what importing torch loads"


@pytest.mark.parametrize("line", [*LINES, *([name] for name in (*GROUPS, *ALIASES))], ids=" ".join)
def test_each_command_has_help(line: list[str]) -> None:
    done = here(*line, "--help")
    assert done.exit_code == 0
    assert f"{' '.join(line)} [OPTIONS]" in done.stdout
    assert "--verbose" in done.stdout


def test_each_command_that_prints_data_prints_json_and_each_that_loads_takes_a_device() -> None:
    loads = {"bench", "evaluate", "generate", "chat", "score", "embed", "serve", "fit", "search"}
    for line in LINES:
        text, name = here(*line, "--help").stdout, line[0]
        assert ("--json" in text) == (name not in {"lab", "chat", "serve"}), line
        assert ("--device" in text) == (name in loads), line
        assert ("--device-index" in text) == (name in loads), line


def test_version() -> None:
    done = here("--version")
    assert (done.exit_code, done.stdout) == (0, f"influence {__version__}\n")


def test_an_unknown_command() -> None:
    done = influence("starter")
    assert done.returncode == 2
    assert "No such command 'starter'. Did you mean 'starters'?" in done.stderr
    assert done.stdout == ""


def test_an_unknown_option() -> None:
    done = here("config", "--jsn")
    assert done.exit_code == 2
    assert "--jsn" in done.stderr


@pytest.mark.parametrize("command", [["starters"], ["lab", "--no-browser"]])
def test_offline_with_nothing_fetched_says_what_to_run(tmp_path: Path, command: list[str]) -> None:
    done = influence(*command, INFLUENCE_HOME=str(tmp_path), INFLUENCE_OFFLINE="1")
    assert done.returncode == 1
    assert "starter/chat is not on this machine" in done.stderr
    assert "influence starters" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_read() -> None:
    done = influence("starters", INFLUENCE_OFFLINE="perhaps")
    assert done.returncode == 1
    assert "INFLUENCE_OFFLINE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipe_that_closes_is_no_error_of_ours() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", RUN, "config"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence_nb.settings.explained", lambda: signal.raise_signal(signal.SIGINT))
    assert here("config").exit_code == 130


def test_logs_are_lines_of_json_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("INFLUENCE_API_KEY=open-sesame\n")
    settings.cache_clear()
    try:
        for args in (["--verbose", "config", "--json"], ["config", "--json", "-v"]):
            done = here(*args)
            assert done.exit_code == 0
            lines = [json.loads(line) for line in done.stderr.splitlines()]
            assert [line["message"] for line in lines] == ["command begins", "command ends"]
            assert lines[1]["command"] == "config"
            assert lines[1]["ended"] == "done"
            assert lines[1]["level"] == "info"
        assert here("config").stderr == ""
        assert "open-sesame" not in without_secrets("the key is open-sesame")
    finally:
        settings.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.SECRET-1",
        "https://user:SECRET@host/path",
        "https://host/file?token=SECRET&x=1",
        "https://host/file?X-Amz-Signature=SECRET",
        "hf_SECRETSECRET",
        '{"api_key=SECRET"}',
    ],
)
def test_what_looks_like_a_secret_is_not_logged(text: str) -> None:
    assert "SECRET" not in without_secrets(text)
    assert without_secrets("generated 12 tokens for tiny/llama") == "generated 12 tokens for tiny/llama"


def test_what_a_terminal_would_obey_is_left_out() -> None:
    assert visible("a\x1b[31mb\x07\tc\nd\x9b1m\ud800") == "a[31mb\tc\nd1m"


def test_completion_of_commands_and_options() -> None:
    environment = {"_INFLUENCE_COMPLETE": "complete_bash"}
    done = influence(COMP_WORDS="influence con", COMP_CWORD="1", **environment)
    assert done.stdout.split() == ["config"]
    done = influence(COMP_WORDS="influence config --ex", COMP_CWORD="2", **environment)
    assert done.stdout.split() == ["--example"]
    named = {
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"
    }  # the tests may run without a shell around them
    done = influence("--show-completion", "bash", **named)
    assert done.returncode == 0
    assert "_INFLUENCE_COMPLETE" in done.stdout


@pytest.mark.starter
def test_starters_says_where_they_are() -> None:
    done = here("starters")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["starter/chat", "starter/embedding"]
    assert all(Path(line.rpartition(": ")[2], "config.json").exists() for line in lines)
    models = json.loads(here("starters", "--json").stdout)
    assert [model["name"] for model in models] == ["starter/chat", "starter/embedding"]
    assert all(model["verified"] for model in models)
