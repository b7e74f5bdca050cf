"""The command lines of the documentation run, each after those before it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.commands import Influence
from tests.evaluation.notebook import write
from tests.surroundings import surroundings

ROOT = Path(__file__).parents[2]


def examples(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "influence " in line]


@pytest.mark.starter
def test_the_command_lines_of_the_usage_page(
    influence: Influence, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = examples("usage.md")
    assert lines
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    write(tmp_path / "study.ipynb", "print(seed)", parameters="seed = 0")  # a reader's own
    with surroundings():
        for line in lines:
            piped, _, command = line.rpartition(" | ")
            words = shlex.split(command, comments=True)
            assert words[0] == "influence"
            said = " ".join(shlex.split(piped)[1:]) if piped else None
            done = influence(*words[1:], input=said, INFLUENCE_MODEL_PATH=folder)
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
            assert done.stdout.strip(), line
