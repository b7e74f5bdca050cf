"""`influence lab`: notebooks laid out without losing work, and a JupyterLab that answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from influence_nb.cli.lab import WELCOME, copy_notebooks, find_notebooks
from influence_nb.errors import SettingsError
from tests.serving import clean_environment, free_port, serving


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "data").mkdir(parents=True)
    (source / ".ipynb_checkpoints").mkdir()
    (source / WELCOME).write_text("welcome 1")
    (source / "01_chat.ipynb").write_text("chat 1")
    (source / "data" / "texts.csv").write_text("text")
    (source / ".ipynb_checkpoints" / WELCOME).write_text("old")
    return source


def visible(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_everything_is_copied_but_checkpoints(source: Path, tmp_path: Path) -> None:
    assert copy_notebooks(source, tmp_path / "a" / "b") == []
    assert visible(tmp_path / "a" / "b") == {
        WELCOME: "welcome 1",
        "01_chat.ipynb": "chat 1",
        "data/texts.csv": "text",
    }


def test_newer_ones_replace_unchanged_copies_and_changed_ones_stay(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    copy_notebooks(source, mine)
    (mine / WELCOME).write_text("my work")
    (mine / "my own.ipynb").write_text("mine")
    (source / WELCOME).write_text("welcome 2")
    (source / "01_chat.ipynb").write_text("chat 2")
    for _ in range(2):  # the second time decides alike
        assert copy_notebooks(source, mine) == [WELCOME]
        assert visible(mine) == {
            WELCOME: "my work",
            "01_chat.ipynb": "chat 2",
            "data/texts.csv": "text",
            "my own.ipynb": "mine",
        }


def test_a_file_of_the_same_name_that_was_never_copied_stays(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / WELCOME).write_text("someone's own")
    assert copy_notebooks(source, mine) == [WELCOME]
    assert (mine / WELCOME).read_text() == "someone's own"


def test_a_deleted_one_comes_back(source: Path, tmp_path: Path) -> None:
    copy_notebooks(source, tmp_path / "mine")
    (tmp_path / "mine" / WELCOME).unlink()
    assert copy_notebooks(source, tmp_path / "mine") == []
    assert (tmp_path / "mine" / WELCOME).read_text() == "welcome 1"


def test_a_folder_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError) as caught:
        copy_notebooks(source, tmp_path / "file" / "below")
    assert "influence lab FOLDER" in caught.value.hint


@pytest.mark.starter
def test_it_starts_a_server_on_the_welcome_notebook(tmp_path: Path) -> None:
    port = free_port()
    environment = clean_environment(tmp_path / "jupyter", PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    command = [sys.executable, "-c", "from influence_nb.cli import main; main()", "lab", "mine"]
    options = ["--port", str(port), "--no-browser", "--", "--LabApp.news_url=None"]
    with serving([*command, *options], tmp_path, environment) as server:
        assert server.port == port
        assert server.path == f"/lab/tree/{WELCOME}"
        assert b"JupyterLab" in server.get(server.path)
        names = {entry["name"] for entry in server.contents()["content"]}
        assert names == {path.name for path in find_notebooks()[0].iterdir() if path.name[0] not in "._"}
        assert server.contents(WELCOME)["type"] == "notebook"
    assert (tmp_path / "mine" / WELCOME).exists()
