"""The tasks that come with the package: whole, balanced, without doubles, and the starter model is above chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import influence_nb as inb

CHOOSING = {"facts": (4, "category"), "grammar": (2, "phenomenon"), "sentiment": (2, "about")}


@pytest.fixture(scope="module")
def starter() -> Iterator[inb.Model]:
    loaded = inb.load(device="cpu")
    yield loaded
    loaded.unload()


@pytest.mark.parametrize("name", ["arithmetic", *CHOOSING])
def test_each_is_whole(name: str) -> None:
    task = inb.Task.named(name)
    assert task.name == name
    assert len(task) >= 100
    assert inb.Task.from_dict(task.to_dict()).sha256 == task.sha256


@pytest.mark.parametrize(("name", "count", "group"), [(name, *more) for name, more in CHOOSING.items()])
def test_none_of_the_places_is_right_more_often(name: str, count: int, group: str) -> None:
    task = inb.Task.named(name)
    assert isinstance(task.scorer, inb.MultipleChoice)
    right, asked = Counter[int](), set()
    for row in task.rows:
        choices = task.scorer.choices_of(row)
        assert len(set(choices)) == len(choices) == count
        right[task.scorer.right_of(row) or 0] += 1
        asked.add((task.prompt(row), *(choices if name == "grammar" else ())))
    assert len(asked) == len(task), "no question twice"
    assert max(right.values()) - min(right.values()) <= 2
    groups = Counter(row[group] for row in task.rows)
    assert min(groups.values()) >= 8


@pytest.mark.starter
@pytest.mark.parametrize(("name", "least"), [("facts", 0.6), ("grammar", 0.8), ("sentiment", 0.8)])
def test_the_starter_is_well_above_chance(
    starter: inb.Model, tmp_home: Path, name: str, least: float
) -> None:
    found = inb.evaluate(starter, name)
    assert found.metrics["acc"].value > least
    assert found.metrics["acc"].missing == 0


def test_sentences_are_judged_without_a_prompt(model: inb.Model, tmp_home: Path) -> None:
    rows = [{"choices": ["hello world", "how are you"], "answer": 0}]
    found = inb.evaluate(model, inb.Task(rows, "", inb.MultipleChoice(separator="")))
    expected = [one.logprob for one in model.likelihoods([("", text) for text in rows[0]["choices"]])]
    assert found.items[0]["detail"]["logprobs"] == pytest.approx(expected)
