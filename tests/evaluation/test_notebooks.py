"""`inb.run_notebook`: real notebooks executed, kept whole, not run twice; and those that cannot be, or break off."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, NotebookFailed, NotEnoughDisk
from influence_nb.evaluation import notebooks, runs
from influence_nb.evaluation.record import MIME
from influence_nb.settings import settings
from tests import tiny
from tests.evaluation.notebook import write

MEASURES = """
import influence_nb as inb
inb.record("score", 2 * seed, within=(0, 100), tolerance=1)
inb.record("nothing", float("nan"))
"""
SHOWN = "from pathlib import Path\nprint(Path.cwd(), Path('data.txt').read_text())"


@pytest.fixture(autouse=True)
def _home(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here keeps its runs by itself; kernels find the package that is tested."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "my {study}"
    folder.mkdir()
    (folder / "data.txt").write_text("some data")
    return write(folder / "study.ipynb", "# words", SHOWN, MEASURES, parameters="seed = 1  # of luck")


def counting(folder: Path) -> str:
    """A cell that leaves a mark each time it runs."""
    return f"open({str(folder / 'count')!r}, 'a').write('x')"


def test_a_run_keeps_everything_together(study: Path) -> None:
    told: list[tuple[int, int, bool]] = []
    here = threading.current_thread()
    run = inb.run_notebook(
        study, {"seed": 7}, on_progress=lambda *at: told.append((*at, threading.current_thread() is here))
    )
    assert told == [(place, 4, True) for place in (1, 2, 3, 4)]
    assert (run.kind, run.name, run.status, run.model, run.error) == ("notebook", "study", "done", "", "")
    assert dict(run.parameters) == {"seed": 7}
    assert (run.metrics["score"].value, run.metrics["score"].count) == (14, 1)
    assert math.isnan(run.metrics["score"].low)
    assert math.isnan(run.metrics["nothing"].value)
    assert (run.metrics["nothing"].count, run.metrics["nothing"].missing) == (0, 1)
    assert run.id == runs.identity(run.determined_by)
    assert run.determined_by["versions"]["influence_nb"] == inb.__version__
    assert run.facts["packages"]["papermill"]
    assert run.facts["processor"]
    assert run.facts["threads"] >= 1
    assert run.receipts() == []
    executed = nbformat.read(run.notebook, as_version=4)
    outputs = [
        output.text for cell in executed.cells for output in cell.get("outputs", ()) if "text" in output
    ]
    assert outputs == [f"{study.parent} some data\n"]
    assert nbformat.read(study, as_version=4).cells[2].outputs == [], "the notebook itself stays as it was"
    frame = inb.runs()
    assert frame.loc[run.id, "score"] == 14
    assert frame.loc[run.id, "p.seed"] == 7


def test_what_was_run_is_not_run_again_until_it_differs(tmp_path: Path) -> None:
    def times() -> int:
        return len((tmp_path / "count").read_text())

    cells = ("# words", counting(tmp_path))
    path = write(tmp_path / "a.ipynb", *cells, parameters="seed = 1")
    first = inb.run_notebook(path)
    assert inb.run_notebook(path) == first
    assert times() == 1
    write(path, "# other words", *cells, parameters="seed = 1")
    assert inb.run_notebook(path).id == first.id
    assert times() == 1
    assert inb.run_notebook(path, again=True).id == first.id
    assert times() == 2
    assert inb.run_notebook(path, {"seed": 2}).id != first.id
    write(path, *cells, "1 + 1", parameters="seed = 1")
    assert inb.run_notebook(path).id != first.id
    assert times() == 4


def test_receipts_of_every_generation(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "tiny", "llama")
    path = write(
        tmp_path / "a.ipynb",
        "import influence_nb as inb\nlm = inb.load(model, device='cpu', dtype='float32')",
        "for place in range(2):\n    lm.generate('The quick', seed=place, max_new_tokens=3)",
        parameters="model = None",
    )
    run = inb.run_notebook(path, {"model": str(folder)})
    assert [one.seed for one in run.receipts()] == [0, 1]
    [facts] = run.facts["models"]
    assert facts["files"]["model.safetensors"] == run.receipts()[0].files["model.safetensors"]
    assert (facts["dtype"], facts["device"], run.model) == ("float32", "cpu", facts["model"])
    model = inb.load(folder, device="cpu", dtype="float32")
    assert model.replay(run.receipts()[1]).identical
    model.unload()


def test_a_run_travels(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = inb.run_notebook(study, {"seed": 7})
    bundle = run.export(tmp_path / "run.zip")
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "elsewhere"))
    settings.cache_clear()
    other = inb.import_run(bundle)
    assert str(other) == str(run)
    assert other.notebook.is_file()
    assert other.notebook.is_relative_to(tmp_path / "elsewhere")
    assert inb.run_notebook(study, {"seed": 7}).started == run.started, "it is not run here either"


def test_a_cell_that_fails_is_named_and_the_run_goes_again(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "import influence_nb as inb\ninb.record('early', 1)",
        f"ready = {str(tmp_path / 'ready')!r}\nassert __import__('os').path.exists(ready), 'no such\\nluck'",
        "never = 1",
    )
    with pytest.raises(
        NotebookFailed, match=r"cell \[2\], which begins .ready = .*AssertionError: no such"
    ) as raised:
        inb.run_notebook(path)
    failed = raised.value.run
    assert failed.status == "failed"
    assert failed.error == raised.value.message
    assert failed.metrics == {}
    assert "AssertionError" in failed.notebook.read_text(encoding="utf-8")
    assert inb.runs().loc[failed.id, "status"] == "failed"
    (tmp_path / "ready").touch()
    run = inb.run_notebook(path)
    assert (run.id, run.status, run.error, run.metrics["early"].value) == (failed.id, "done", "", 1)


def test_a_kernel_that_dies(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", "import os\nos._exit(1)")
    with pytest.raises(NotebookFailed, match="died") as raised:
        inb.run_notebook(path)
    assert raised.value.run.status == "failed"


def test_ctrl_c_stops_a_run(tmp_path: Path, tmp_home: Path) -> None:
    begun = tmp_path / "begun"
    path = write(
        tmp_path / "a.ipynb",
        f"import os, time\nopen({str(begun)!r}, 'w').write(str(os.getpid()))\nwhile True:\n    time.sleep(0.1)",
    )
    code = "import sys, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "import influence_nb as inb\ninb.run_notebook(sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, text=True)
    while not (begun.exists() and begun.read_text()) and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    [row] = inb.runs().to_dict("records")
    assert row["status"] == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


def test_a_full_disk(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from papermill.iorw import LocalHandler

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(LocalHandler, "write", full)
        with pytest.raises(NotEnoughDisk, match="No space left"):
            inb.run_notebook(study)
    assert set(inb.runs()["status"]) == {"failed"}
    assert inb.run_notebook(study).status == "done"


@pytest.mark.parametrize(
    ("parameters", "words", "hint"),
    [
        ({"sede": 1}, "has no parameter 'sede'", "It has: seed."),
        ({"seed": {1, 2}}, "cannot be kept", "lists or dicts"),
        (["seed"], "parameters=", "Give a dict"),
    ],
)
def test_parameters_that_cannot_be(study: Path, parameters: dict[str, object], words: str, hint: str) -> None:
    with pytest.raises(InvalidData, match=words) as raised:
        inb.run_notebook(study, parameters)
    assert hint in raised.value.hint
    assert len(inb.runs()) == 0


def test_a_notebook_without_a_kernel_takes_that_of_python(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb", "import influence_nb as inb\ninb.record('seed', seed)", parameters="seed = 1"
    )
    bare = nbformat.read(path, as_version=4)
    del bare.metadata["kernelspec"]
    nbformat.write(bare, path)
    assert inb.run_notebook(path, {"seed": 5}).metrics["seed"].value == 5


def test_notebooks_that_cannot_be(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.ipynb", "1")
    with pytest.raises(InvalidData, match="no cell for parameters"):
        inb.run_notebook(plain, {"seed": 1})
    with pytest.raises(InvalidData, match="There is no notebook"):
        inb.run_notebook(tmp_path / "none.ipynb")
    with pytest.raises(InvalidData, match="There is no notebook"):
        inb.run_notebook(tmp_path)
    with pytest.raises(InvalidData, match="not a path"):
        inb.run_notebook(3)
    broken = tmp_path / "broken.ipynb"
    for text in (
        "",
        "no json",
        "[1]",
        "{}",
        '{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    ):
        broken.write_text(text)
        with pytest.raises(InvalidData, match="is no notebook"):
            inb.run_notebook(broken)
    values = json.loads(plain.read_text())
    broken.write_text(json.dumps(values | {"metadata": {"language_info": {"name": "R"}}}))
    with pytest.raises(InvalidData, match="is in R"):
        inb.run_notebook(broken)
    broken.write_text(
        json.dumps(values | {"metadata": {"kernelspec": {"name": "nope", "display_name": "x"}}})
    )
    with pytest.raises(InvalidData, match="kernel 'nope'"):
        inb.run_notebook(broken)
    assert set(inb.runs()["status"]) == {"failed"}


def test_a_record_that_cannot_be_read_is_no_metric(tmp_path: Path) -> None:
    shown = f"display({{'{MIME}': {{'name': 'acc'}}}}, raw=True)"
    with pytest.raises(InvalidData, match="Cell 1 holds a metric"):
        inb.run_notebook(write(tmp_path / "a.ipynb", shown))
    assert set(inb.runs()["status"]) == {"failed"}


def test_the_commit_that_the_folder_is_at(tmp_path: Path) -> None:
    assert notebooks.commit(tmp_path) is None
    by = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], [*by, "commit", "-q", "-m", "x"]):
        (tmp_path / "a").write_text("a")
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    found = notebooks.commit(tmp_path)
    assert found is not None
    assert len(found) == 40
    (tmp_path / "a").write_text("b")
    assert notebooks.commit(tmp_path) == f"{found}-dirty"
