"""`influence bench` on a tiny model: its table, file and picture, and what it refuses before minutes go by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import influence_nb as inb
from influence_nb.cli import app
from tests import tiny

SIZES = (
    "--prompt-lengths",
    "8,300",
    "--batch-sizes",
    "1,2",
    "--new-tokens",
    "3",
    "--repeats",
    "1",
    "--device",
    "cpu",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.build(tmp_path_factory.mktemp("tiny") / "llama"))


def influence(*args: str) -> Result:
    return CliRunner().invoke(app, ["bench", *args])


def test_a_table_a_file_a_picture_and_ratios(folder: str, tmp_path: Path) -> None:
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    done = influence(folder, *SIZES, "--json", str(out), "--plot", str(picture))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "float32, cpu" in lines[0]
    assert lines[1].split()[:3] == ["prompt", "batch", "prefill"]
    assert [line.split()[:2] for line in lines[2:6]] == [["8", "1"], ["8", "2"], ["300", "1"], ["300", "2"]]
    assert "longer than the context" in lines[4]
    saved = inb.Bench.load(out)
    assert f"{saved.cells[0].decode:,.1f}" in lines[2]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert inb.loaded() == []
    again = influence(folder, *SIZES, "--json", "--against", str(out))
    assert again.exit_code == 0, again.output
    assert [cell["batch_size"] for cell in json.loads(again.stdout)["cells"]] == [1, 2, 1, 2]
    assert "Over " in again.stderr
    assert "first_token" in again.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--prompt-lengths", "8,x"], "not numbers with commas"),
        (["--new-tokens", "1"], "greater than or equal to 2"),
        (["--save", "missing/out"], "There is no folder"),
        (["--plot", "out.txt"], "does not end in .png"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(args: list[str], words: str) -> None:
    done = influence("no/such-model", *args)
    assert done.exit_code == 2
    assert words in done.output


def test_errors_are_those_of_the_one_tree(folder: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({}))
    for args, words in (
        (["starter/chaat"], "There is no model called 'starter/chaat'"),
        ([folder, "--batch-sizes", "0"], "batch_sizes"),
        ([folder, "--against", str(other)], "does not hold a bench"),
    ):
        done = influence(*args)
        assert done.exit_code == 1
        assert words in done.stderr
        assert isinstance(done.exception, SystemExit)
