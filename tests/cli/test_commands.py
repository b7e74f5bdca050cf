"""The command line's manners: quick help, errors without tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from influence_nb.cli import main; main()"


def influence(*args: str, code: str = RUN, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    code = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules))
from influence_nb.cli import main
main()
"""
    done = influence("--help", code=code)
    assert done.returncode == 0
    text, _, loaded = done.stdout.partition("LOADED")
    assert "Start JupyterLab on the notebooks" in text
    assert "Fetch the two starter models" in text
    heavy = {
        "torch",
        "transformers",
        "pydantic",
        "jupyterlab",
        "ipywidgets",
        "pandas",
        "numpy",
        "sqlite_utils",
    }
    assert not heavy & set(loaded.split())


@pytest.mark.parametrize("name", ["bench", "lab", "starters"])
def test_each_command_has_help(name: str) -> None:
    done = influence(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: influence {name}")


def test_an_unknown_command() -> None:
    done = influence("starter")
    assert done.returncode == 2
    assert "No such command 'starter'" in done.stderr


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


@pytest.mark.starter
def test_starters_says_where_they_are() -> None:
    done = influence("starters")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["starter/chat", "starter/embedding"]
    assert all(Path(line.rpartition(": ")[2], "config.json").exists() for line in lines)
