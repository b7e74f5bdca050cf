"""Running again: identical, within a tolerance or where it first differs; and items that hang on noise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData
from influence_nb.evaluation.facts import NOT_RECORDED, differing
from influence_nb.evaluation.judging import Answer
from tests.evaluation.test_run import choosing


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def generating() -> inb.Task:
    rows = [{"q": f"The quick brown fox {n}", "answer": "x"} for n in range(3)]
    return inb.Task(rows, "{{ q }}", inb.ExactMatch(), sampling=inb.Sampling(max_new_tokens=5))


@pytest.mark.parametrize("make", [choosing, generating])
def test_the_same_comes_again(model: inb.Model, make: Any) -> None:
    first = inb.evaluate(model, make())
    again = inb.repeat(first)
    assert again.identical
    assert again.within
    assert (again.largest, again.first, again.changed_facts) == (0, None, {})
    assert first.run.repeat().identical
    assert inb.repeat(first.run.id, model).identical
    assert "bit for bit" in repr(again)
    name = next(iter(first.metrics))
    assert again.metrics[name] == (first.metrics[name], first.metrics[name])


def moved(monkeypatch: pytest.MonkeyPatch, by: float, item: int) -> None:
    answers = inb.MultipleChoice.answers

    def other(self: Any, *given: Any) -> list[Answer]:
        found = answers(self, *given)
        one = found[item]
        detail = {**one.detail, "logprobs": [one.detail["logprobs"][0] + by, *one.detail["logprobs"][1:]]}
        found[item] = Answer(one.values, one.output, detail)
        return found

    monkeypatch.setattr(inb.MultipleChoice, "answers", other)


def test_where_it_first_differs_is_said(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inb.evaluate(model, choosing())
    moved(monkeypatch, 0.01, 3)
    again = inb.repeat(first)
    assert (again.identical, again.within, again.first) == (False, False, "3")
    assert again.largest == pytest.approx(0.01)
    assert again.recorded != again.now
    assert inb.repeat(first, tolerance=0.02).within
    assert "within 0.02" in repr(inb.repeat(first, tolerance=0.02))
    assert "Differs from item 3" in again._repr_html_()


def test_facts_that_differ_are_named() -> None:
    before = {"dtype": "float32", "files": {"a": "1", "b": "2"}, "versions": {"torch": "2"}, "same": [1]}
    now = {
        "dtype": "bfloat16",
        "files": {"a": "1", "b": "3", "c": "4"},
        "versions": {"torch": "2"},
        "same": (1,),
    }
    assert [(one.name, one.first, one.second) for one in differing(before, now, True)] == [
        ("dtype", "float32", "bfloat16"),
        ("files.b", "2", "3"),
        ("files.c", NOT_RECORDED, "4"),
    ]


def test_who_is_to_answer(model: inb.Model) -> None:
    first = inb.evaluate(model, choosing())
    model_name = first.run.model
    assert inb.repeat(first).identical
    other = first.run.__class__(**{**vars(first.run), "model": "nobody"})
    with pytest.raises(InvalidData, match="No model 'nobody' is loaded"):
        inb.repeat(inb.Result(other, first.task, first.metrics, first.items))
    assert model_name == model.name
    with pytest.raises(InvalidData, match="tolerance=-1"):
        inb.repeat(first, tolerance=-1)


def test_an_audit_lists_what_hangs_on_noise(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = inb.audit(model, choosing(), together=(1, 4), threads=(1,))
    assert calm.settings == ("4 together, 1 thread, float32", "1 together, 1 thread, float32")
    assert calm.noise < 1e-3
    assert list(calm.items.index) == ["0", "1", "2", "3", "4"]
    assert not calm.items["flips"].any()
    answers = inb.MultipleChoice.answers

    def noisy(self: Any, model: Any, prompts: Any, *rest: Any) -> list[Answer]:
        found = answers(self, model, prompts, *rest)
        if len(prompts) > 1:
            return found
        one = found[0]
        best = one.detail["chosen"]
        logprobs = [lp - (5.0 if place == best else 0.0) for place, lp in enumerate(one.detail["logprobs"])]
        return [Answer(one.values, "another", {**one.detail, "logprobs": logprobs})]

    monkeypatch.setattr(inb.MultipleChoice, "answers", noisy)
    seen: list[tuple[int, int]] = []
    found = inb.audit(
        model, choosing(), together=(1, 8), threads=(1,), on_progress=lambda *now: seen.append(now)
    )
    assert found.noise == pytest.approx(5.0, abs=1e-3)
    assert (found.items["flips"] == 1).all()
    assert len(found.hanging) == 5
    assert seen[-1] == (10, 10)
    assert "5 hang on noise" in repr(found)
    assert "1 together" in found._repr_html_()


def test_an_audit_of_generated_text(model: inb.Model) -> None:
    found = inb.audit(model, generating(), together=(1, 3), threads=(1,), limit=2)
    assert math.isnan(found.noise)
    assert len(found.items) == 2
    assert not found.items["flips"].any(), "in float32 a row does not depend on the batch"
    with pytest.raises(InvalidData, match="together=0"):
        inb.audit(model, generating(), together=(0,))


def test_models_of_one_dtype_are_settings_of_their_own(model: inb.Model) -> None:
    audited = inb.audit(model, choosing(), together=(4,), threads=[1], others=[model])
    first, second = audited.settings
    assert second == f"{first}, model 2"
    for wrong in ({"others": [None]}, {"together": 4}, {"together": ["four"]}):
        with pytest.raises(InvalidData):
            inb.audit(model, choosing(), **wrong)
