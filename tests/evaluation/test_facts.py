"""The facts in which two runs differ: by name, in the order recorded, with both values."""

from __future__ import annotations

from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData
from influence_nb.evaluation.facts import NOT_RECORDED
from influence_nb.evaluation.runs import Run

ROWS = [{"q": "a", "choices": ["b", "c"], "answer": 0}]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def kept(identifier: str, determined: dict[str, object], **facts: object) -> Run:
    return Run(
        identifier, "task", "t", "m", "done", "2026-01-01T00:00:00+00:00", 1.0, determined, facts
    ).save()


def test_what_decides_comes_first_and_what_is_inside_has_a_dotted_name() -> None:
    one = kept(
        "a1", {"dtype": "float32", "versions": {"torch": "1", "numpy": "2"}, "shape": [1, 2]}, threads=2
    )
    other = kept(
        "b2", {"dtype": "float32", "versions": {"torch": "3", "jinja": "1"}, "shape": (1, 2)}, threads=4
    )
    found = [(each.name, each.first, each.second, each.decides) for each in inb.fact_differences(one, "b2")]
    assert found == [
        ("versions.torch", "1", "3", True),
        ("versions.numpy", "2", NOT_RECORDED, True),
        ("versions.jinja", NOT_RECORDED, "1", True),
        ("threads", 2, 4, False),
    ]
    first = inb.first_difference("a1", other)
    assert first is not None
    assert str(first) == "versions.torch: '1' and '3'"
    assert inb.first_difference(one, "a1") is None
    assert "numpy" in inb.fact_differences(one, other)._repr_html_()
    with pytest.raises(InvalidData, match="no run"):
        inb.first_difference(one, "zzz")


def test_runs_of_two_seeds_differ_in_the_seed(model: inb.Model) -> None:
    task = inb.Task(ROWS, "{{ q }}", inb.MultipleChoice())
    found = inb.first_difference(inb.evaluate(model, task), inb.evaluate(model, task, seed=7))
    assert found is not None
    assert (found.name, found.first, found.second) == ("sampling.seed", 0, 7)


def test_a_task_is_taken_apart(model: inb.Model) -> None:
    one = inb.evaluate(model, inb.Task(ROWS, "{{ q }}", inb.MultipleChoice()))
    other = inb.evaluate(model, inb.Task(ROWS, "{{ q }}?", inb.MultipleChoice()))
    names = [(each.name, each.first, each.second) for each in inb.fact_differences(one, other)]
    assert names == [("task.template", "{{ q }}", "{{ q }}?")]
    more = inb.Task([*ROWS, {**ROWS[0], "q": "d"}], "{{ q }}", inb.MultipleChoice())
    assert {each.name for each in inb.fact_differences(one, inb.evaluate(model, more))} == {"task", "data"}


def test_a_metric_over_a_parameter_is_drawn(model: inb.Model) -> None:
    task = inb.Task(ROWS, "{{ q }}", inb.MultipleChoice())
    made = [inb.evaluate(model, task, seed=seed) for seed in (3, 1, 2)]
    (ax,) = inb.plot_runs("acc", "seed").axes
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3]
    assert list(ax.lines[0].get_ydata()) == [made[0].metrics["acc"].value] * 3
    (ax,) = inb.plot_runs("acc").axes
    assert [one.get_text() for one in ax.get_xticklabels()] == [model.name]
    with pytest.raises(InvalidData, match="None of 1 runs has both"):
        inb.plot_runs("acc", "temperature", [made[0].run.id])
