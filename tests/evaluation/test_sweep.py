"""Sweeps, one cell after the other: of tasks and of notebooks."""

from __future__ import annotations

import threading
from pathlib import Path

import nbformat
import pytest

import influence_nb as inb
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling, MissingExtra
from influence_nb.evaluation.spread import expect_same
from tests.evaluation.test_audit import generating

NOTEBOOK = [
    "power = 1\nbase = 2",
    "import influence_nb as inb\ninb.record('size', base**power)\nassert power < 4",
]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """One with two parameters, which fails for a power of 4."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in NOTEBOOK])
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, tmp_path / "powers.ipynb")
    return tmp_path / "powers.ipynb"


def test_every_combination_is_a_run(model: inb.Model) -> None:
    seen: list[tuple[int, int]] = []
    found = inb.sweep(
        model, generating(), temperature=[0, 1.5], seed=[0, 1], on_progress=lambda *now: seen.append(now)
    )
    assert found.cells == [
        {"temperature": temperature, "seed": seed} for temperature in (0, 1.5) for seed in (0, 1)
    ]
    assert found.axes == {"temperature": [0, 1.5], "seed": [0, 1]}
    assert seen == [(done, 4) for done in range(5)]
    frame = found.to_frame()
    assert list(frame["run"]) == [run.id for run in found.runs]
    assert len(set(frame["run"])) == 4
    single = inb.evaluate(model, generating(), generating().sampling.replace(temperature=1.5), seed=1)
    assert single.run.id == frame["run"].iloc[-1]
    assert len(inb.runs()) == 4
    assert inb.runs().loc[frame["run"].iloc[-1], "p.temperature"] == 1.5
    ax = found.plot().axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("temperature", "exact_match")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["seed 0", "seed 1"]
    assert "4 cells" in found._repr_html_()
    passes = model.forwards
    again = inb.sweep(model, generating(), temperature=[0, 1.5], seed=[0, 1])
    assert model.forwards == passes
    assert again.runs == found.runs
    anew = inb.sweep(model, generating(), temperature=0, seed=0, again=True)
    assert model.forwards > passes
    assert anew.runs[0].id == found.runs[0].id


def test_a_list_of_cells_under_an_axis(model: inb.Model) -> None:
    cells = [{"temperature": 0}, {"temperature": 1, "top_p": 0.5}]
    found = inb.sweep(model, generating(), cells=cells, seed=[0, 1])
    assert found.cells == [{**cell, "seed": seed} for cell in cells for seed in (0, 1)]
    assert [run.parameters.get("top_p") for run in found.runs] == [None, None, 0.5, 0.5]
    assert found.axes == {"temperature": [0, 1], "seed": [0, 1], "top_p": [0.5]}
    assert found.plot(x="top_p").axes[0].lines


def test_a_sweep_that_is_stopped_goes_on(model: inb.Model) -> None:
    stop = threading.Event()

    def told(done: int, total: int) -> None:
        if done == 2:
            stop.set()

    with pytest.raises(InfluenceError, match="Stopped after 2 of 3 cells"):
        inb.sweep(model, generating(), seed=range(3), cancel=stop, on_progress=told)
    assert len(inb.runs()) == 2
    assert len(inb.sweep(model, generating(), seed=range(3)).runs) == 3
    assert len(inb.runs()) == 3


def test_notebooks_and_one_that_fails(notebook: Path) -> None:
    found = inb.sweep_notebook(notebook, power=[3, 4], base=[2, 5])
    frame = found.to_frame()
    assert frame["status"].tolist() == ["done", "done", "failed", "failed"]
    assert frame["size"].tolist()[:2] == [8, 125]
    assert "2 failed" in repr(found)
    assert "AssertionError" in found.runs[-1].error
    assert found.runs[0].id == inb.run_notebook(notebook, {"power": 3, "base": 2}).id
    assert found.plot(x="base").axes[0].lines
    assert len(inb.runs()) == 4


def test_what_is_refused(model: inb.Model, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData, match="needs an axis"):
        inb.sweep(model, generating())
    with pytest.raises(InvalidData, match="'seed' has no values"):
        inb.sweep(model, generating(), seed=[])
    with pytest.raises(InvalidData, match="no cell"):
        inb.sweep(model, generating(), cells=[("seed", 1)])
    with pytest.raises(InvalidData, match="'seed' is in a cell and an axis"):
        inb.sweep(model, generating(), cells=[{"seed": 1}], seed=[1, 2])
    with pytest.raises(InvalidSampling):
        inb.sweep(model, generating(), temperature=[0, -1])
    with pytest.raises(InvalidSampling):
        inb.sweep(model, generating(), heat=[0])
    with pytest.raises(InvalidData, match="no loaded model"):
        inb.sweep("starter/chat", generating(), seed=0)
    with pytest.raises(InvalidData, match="no task"):
        inb.sweep(model, 7, seed=0)
    with pytest.raises(InvalidData, match="no parameter 'height'"):
        inb.sweep_notebook(notebook, power=1, height=[1, 2])
    with pytest.raises(InvalidData, match="There is no notebook"):
        inb.sweep_notebook(notebook.parent / "no.ipynb", power=1)
    assert inb.runs().empty
    found = inb.sweep(model, generating(), seed=0)
    with pytest.raises(InvalidData, match="no 'speed' to draw"):
        found.plot("speed")
    with pytest.raises(InvalidData, match="workers=0"):
        inb.sweep(model, generating(), workers=0, seed=0)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match="Ray"):
        inb.sweep(model, generating(), workers=1, seed=1)
    assert len(inb.runs()) == 1


def test_what_is_all_here_starts_no_cluster(
    model: inb.Model, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = inb.sweep(model, generating(), seed=[0, 1])
    notebooks = inb.sweep_notebook(notebook, power=[1, 2])
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert inb.sweep(model, generating(), workers=1, seed=[0, 1]).runs == tasks.runs
    found = inb.sweep_notebook(notebook, workers=2, power=[1, 2])
    assert [run.id for run in found.runs] == [run.id for run in notebooks.runs]
    with pytest.raises(MissingExtra, match="Ray"):
        inb.sweep(model, generating(), workers=1, seed=[0, 1], again=True)
    with pytest.raises(MissingExtra, match="Ray"):
        inb.sweep_notebook(notebook, workers=1, power=[2, 3])


def test_other_versions_are_named() -> None:
    here = {"torch": "2.9", "transformers": "5.0"}
    expect_same(here, {**here, "more": "1"})
    with pytest.raises(InfluenceError, match=r"torch 2\.9 here and 1\.0 there"):
        expect_same(here, {**here, "torch": "1.0"})


def test_every_item_draws_by_a_seed_of_its_own(model: inb.Model) -> None:
    rows = [{"id": f"n{n}", "q": "The quick brown fox", "answer": "x"} for n in range(8)]
    hot = inb.Sampling(max_new_tokens=6, temperature=2, top_k=None, top_p=1, min_p=None)
    task = inb.Task(rows, "{{ q }}", inb.ExactMatch(), sampling=hot)
    items = inb.evaluate(model, task, seed=3).items
    assert len({item["output"] for item in items}) > 4
    assert len({item["receipt"]["sampling"]["seed"] for item in items}) == 8
    fewer = inb.evaluate(model, inb.Task(rows[5:], "{{ q }}", inb.ExactMatch(), sampling=hot), seed=3).items
    assert [item["output"] for item in fewer] == [item["output"] for item in items[5:]]
