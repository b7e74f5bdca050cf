"""What becomes of single items: those that cannot be judged, and columns that are called like outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import EndpointError, InvalidData
from influence_nb.evaluation import run as running


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def test_a_text_that_cannot_be_scored_costs_no_other(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def task(*texts: str) -> inb.Task:
        return inb.Task([{"t": text} for text in texts], "{{ t }}", inb.Perplexity())

    monkeypatch.setattr(running, "CHUNK", 2)  # the last two fail together
    found = inb.evaluate(model, task("hello world", "how are you", "", ""))
    assert [bool(item["error"]) for item in found.items] == [False, False, True, True]
    assert found.items[2]["values"]["perplexity"] is None
    whole = inb.evaluate(model, task("hello world", "how are you"))
    for name, metric in found.metrics.items():
        assert (metric.value, metric.count, metric.missing) == (whole.metrics[name].value, 2, 2)
    with pytest.raises(InvalidData) as alone:
        model.score("")
    assert found.to_frame()["error"]["2"] == str(alone.value)
    with pytest.raises(InvalidData, match=r"No item could be judged\. Item 0: "):
        inb.evaluate(model, task("", ""))

    def lost(*given: Any, **more: Any) -> Any:
        raise EndpointError("The server is gone.", "Start it.")

    monkeypatch.setattr(model, "score", lost, raising=False)
    with pytest.raises(EndpointError):
        inb.evaluate(model, task("hello", "world"))


def test_columns_that_are_called_like_outcomes_are_not_hidden(model: inb.Model) -> None:
    row = {"t": "hello world", "output": "mine", "error": 3, "nll": "too", "tokens": 7}
    found = inb.evaluate(model, inb.Task([row], "{{ t }}", inb.Perplexity()))
    told = found.to_frame().iloc[0]
    assert {name: told[f"data.{name}"] for name in ("output", "error", "nll", "tokens")} == {
        "output": "mine", "error": 3, "nll": "too", "tokens": 7,
    }  # fmt: skip
    assert (told["nll"], told["error"], told["t"]) == (found.items[0]["values"]["nll"], "", "hello world")
