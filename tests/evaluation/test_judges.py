"""SemanticSimilarity to a right answer, and grades that a model gives."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData
from influence_nb.evaluation import judges


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


ROWS = [{"question": "How many?", "answer": "four"}, {"question": "Who?", "answer": "nobody"}]


def saying(model: inb.Model, monkeypatch: pytest.MonkeyPatch, *said: str) -> list[Any]:
    """Let the model say these, one after the other; gives the prompts that it is asked."""
    asked: list[Any] = []
    texts = iter(said)

    def batch(prompts: Any, sampling: Any, cancel: Any = None) -> Any:
        asked.extend(prompts)
        made = type(model).batch(model, ["hello"] * len(prompts), max_new_tokens=1)
        return [replace(one, text=next(texts)) for one in made]

    monkeypatch.setattr(model, "batch", batch, raising=False)
    return asked


def test_a_judge_reads_the_answer_and_grades_it(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = saying(model, monkeypatch, "four {answer}", "me", "I give 7.5 of 10", "fifty")
    task = inb.Task(ROWS, "{{ question }}", inb.Judge(model.name))
    found = inb.evaluate(model, task)
    assert [item["values"]["grade"] for item in found.items] == [7.5, None]
    assert found.metrics["grade"].value == 7.5
    assert found.metrics["grade"].missing == 1
    told = asked[2][0]["content"]
    assert "Question: How many?" in told
    assert "Answer to grade: four {answer}" in told
    assert found.items[0]["detail"]["said"] == "I give 7.5 of 10"
    assert found.items[0]["detail"]["judged_by"]["model"] == model.name
    assert inb.Task.from_dict(task.to_dict()).sha256 == task.sha256
    assert inb.Task(ROWS, "{{ question }}", inb.Judge(model.name, "Grade {output}")).sha256 != task.sha256


def test_grades_outside_the_range_are_none(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    saying(model, monkeypatch, "a", "b", "11", "-1")
    found = inb.evaluate(model, inb.Task(ROWS, "{{ question }}", inb.Judge(model.name)))
    assert [item["values"]["grade"] for item in found.items] == [None, None]
    assert math.isnan(found.metrics["grade"].value)


def test_similarity_is_the_cosine_of_vectors(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    class Encoder:
        name = "by hand"

        def encode(self, texts: list[str]) -> Any:
            known = {"four": (1, 0), "4": (3, 4), "nobody": (0, 1), "me": (0, 2)}
            return np.array([known[text] for text in texts], np.float32)

    monkeypatch.setattr(judges, "open_encoder", lambda name, dtype: Encoder())
    saying(model, monkeypatch, "4", "me")
    found = inb.evaluate(model, inb.Task(ROWS, "{{ question }}", inb.SemanticSimilarity()))
    assert [item["values"]["similarity"] for item in found.items] == pytest.approx([0.6, 1.0])


def test_what_is_refused(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData, match="shows the judge no answer"):
        inb.Judge("a", "Grade it")
    for lowest, highest in [(5, 1), (3, 3)]:
        with pytest.raises(InvalidData, match=f"lowest={lowest} to highest={highest}"):
            inb.Judge("a", lowest=lowest, highest=highest)
    with pytest.raises(InvalidData, match="highest='ten'"):
        inb.Judge("a", highest="ten")
    with pytest.raises(InvalidData, match="no column 'style'"):
        inb.Task(ROWS, "{{ question }}", inb.Judge("a", "{style} {output}"))
    saying(model, monkeypatch, "a", "b")
    with pytest.raises(InvalidData, match="judge 'nobody' is not loaded"):
        inb.evaluate(model, inb.Task(ROWS, "{{ question }}", inb.Judge("nobody")))
