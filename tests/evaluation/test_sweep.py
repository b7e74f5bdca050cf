"""Sweeps: every combination a run, gone on with where they were stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling
from tests.evaluation.test_audit import generating


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Every test here keeps its runs by itself."""


def test_every_combination_is_a_run(model: inb.Model) -> None:
    seen: list[tuple[int, int]] = []
    found = inb.sweep(
        model, generating(), temperature=[0, 1.5], seed=[0, 1], on_progress=lambda *now: seen.append(now)
    )
    assert found.cells == [
        {"temperature": temperature, "seed": seed} for temperature in (0, 1.5) for seed in (0, 1)
    ]
    assert seen == [(done, 4) for done in range(5)]
    frame = found.to_frame()
    assert list(frame["run"]) == [one.run.id for one in found.results]
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
    assert [one.run for one in again.results] == [one.run for one in found.results]


def test_a_sweep_that_is_stopped_goes_on(model: inb.Model) -> None:
    stop = threading.Event()

    def told(done: int, total: int) -> None:
        if done == 2:
            stop.set()

    with pytest.raises(InfluenceError, match="Stopped after 2 of 3 cells"):
        inb.sweep(model, generating(), seed=range(3), cancel=stop, on_progress=told)
    assert len(inb.runs()) == 2
    assert len(inb.sweep(model, generating(), seed=range(3)).results) == 3
    assert len(inb.runs()) == 3


def test_what_is_refused(model: inb.Model) -> None:
    with pytest.raises(InvalidData, match="needs an axis"):
        inb.sweep(model, generating())
    with pytest.raises(InvalidData, match="'seed' has no values"):
        inb.sweep(model, generating(), seed=[])
    with pytest.raises(InvalidSampling):
        inb.sweep(model, generating(), temperature=[0, -1])
    with pytest.raises(InvalidSampling):
        inb.sweep(model, generating(), heat=[0])
    with pytest.raises(InvalidData, match="no loaded model"):
        inb.sweep("starter/chat", generating(), seed=0)
    found = inb.sweep(model, generating(), seed=0)
    with pytest.raises(InvalidData, match="no 'speed' to draw"):
        found.plot("speed")
    assert len(inb.runs()) == 1
