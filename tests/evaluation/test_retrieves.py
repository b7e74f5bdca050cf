"""Retrieval as a task: the ranks of an encoder, kept, repeated and compared like any other run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.embeddings.text_encoder import Part, TextEncoder
from influence_nb.errors import InvalidData
from influence_nb.evaluation.judging import Scorer

DOCUMENTS = ["It rained all night.", "She scored a goal.", "Add a pinch of salt.", "The bank lent money."]
ROWS: list[dict[str, Any]] = [
    {"query": "wet weather", "answer": 0},
    {"query": "football", "answer": "She scored a goal."},
    {"query": "a recipe", "answer": {"2": 2, "3": 0.5}},
]


class ByHand(TextEncoder):
    """Texts lie on a circle, at the angles (degrees) that are given."""

    max_tokens = None
    default_prompt = None

    def __init__(self, name: str, angles: dict[str, float]) -> None:
        self.name, self.dimension, self.prompts, self._angles = name, 2, {"query": "find "}, angles
        self.calls: list[list[str]] = []

    def parts(
        self, texts: list[str], prompt: str, batch_size: int | None, stopped: Callable[[], bool]
    ) -> Iterator[Part]:
        self.calls.append([prompt + text for text in texts])
        turned = np.radians([self._angles[text] for text in texts])
        vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
        yield Part(list(range(len(texts))), vectors, [False] * len(texts))

    def facts(self) -> dict[str, Any]:
        return {"model": self.name, "angles": self._angles}


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def by_hand(name: str = "by hand", **moved: float) -> ByHand:
    angles = dict(zip(DOCUMENTS, (0, 20, 40, 60), strict=True))
    return ByHand(name, {**angles, "wet weather": 12, "football": 55, "a recipe": 43} | moved)


def task(rows: list[dict[str, Any]] = ROWS, **more: Any) -> inb.Task:
    return inb.Task(rows, "{{ query }}", inb.Retrieves(DOCUMENTS, **more), "finding")


def test_measures_by_hand() -> None:
    found = inb.evaluate(by_hand(), task(k=2))
    assert [item["output"] for item in found.items] == [DOCUMENTS[1], DOCUMENTS[3], DOCUMENTS[2]]
    assert [item["detail"]["ranks"] for item in found.items] == [{"0": 2}, {"1": 3}, {"2": 1, "3": 2}]
    values = [item["values"] for item in found.items]
    assert [one["recall"] for one in values] == [1, 0, 1]
    assert [one["ndcg"] for one in values] == pytest.approx([1 / np.log2(3), 0, 1])
    assert [one["reciprocal_rank"] for one in values] == pytest.approx([1 / 2, 1 / 3, 1])
    assert found.metrics["recall"].value == pytest.approx(2 / 3)
    assert found.metrics["recall"].low < 2 / 3 < found.metrics["recall"].high


def test_places_may_be_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "query,answer\nwet weather,0\nfootball,She scored a goal.\na recipe,2\n", encoding="utf-8"
    )
    found = inb.evaluate(by_hand(), inb.Task(path, "{{ query }}", inb.Retrieves(DOCUMENTS), "finding"))
    assert [list(item["detail"]["ranks"]) for item in found.items] == [["0"], ["1"], ["2"]]
    with pytest.raises(InvalidData, match="but '4'"):
        task([{"query": "wet weather", "answer": "4"}])


def test_a_run_is_kept_and_comes_out_again() -> None:
    encoder = by_hand()
    found = inb.evaluate(encoder, task())
    asked = len(encoder.calls)
    assert inb.evaluate(encoder, task()).run.id == found.run.id
    assert len(encoder.calls) == asked, "what is there is not run again"
    again = found.run.repeat(encoder)
    assert again.identical
    assert not again.changed_facts
    with pytest.raises(InvalidData, match="No model 'by hand' is loaded") as refused:
        found.run.repeat()
    assert "load_encoder" in str(refused.value.hint)


def test_documents_are_encoded_once_however_many_the_queries() -> None:
    encoder = by_hand()
    rows = [{"query": ROWS[place % 3]["query"], "answer": 0} for place in range(200)]
    inb.evaluate(encoder, task(rows))
    assert [set(call) == set(DOCUMENTS) for call in encoder.calls].count(True) == 1
    assert len(encoder.calls) > 2


def test_prompts_stand_before_queries_and_documents() -> None:
    encoder = by_hand()
    inb.evaluate(encoder, task(query_prompt="query", document_prompt="text: "))
    documents, queries = encoder.calls
    assert documents == [f"text: {text}" for text in DOCUMENTS]
    assert queries == ["find wet weather", "find football", "find a recipe"]


def test_two_encoders_are_compared_item_by_item() -> None:
    one = inb.evaluate(by_hand("one"), task(k=1))
    other = inb.evaluate(by_hand("other", football=21), task(k=1))
    assert inb.first_difference(one.run, other.run) is not None
    moved = inb.compare_runs(one, other).flipped("ndcg")
    assert list(moved.index) == ["1"]
    assert moved.loc["1", "first"] == DOCUMENTS[3]
    assert moved.loc["1", "second"] == DOCUMENTS[1]


def test_the_starter_finds_what_inb_retrieval_finds() -> None:
    encoder = inb.load_encoder("starter/embedding", device="cpu", dtype="float32")
    found = inb.evaluate(encoder, task(k=1))
    direct = inb.retrieval([row["query"] for row in ROWS], DOCUMENTS, [0, 1, {2: 2, 3: 0.5}], encoder, k=1)
    for name in ("recall", "ndcg", "reciprocal_rank"):
        assert found.metrics[name].value == pytest.approx(direct.mean(name))
    assert found.run.determined_by["dtype"] == "float32"
    assert "float32" in found._repr_html_()


def test_it_is_read_again_from_a_file(tmp_path: Path) -> None:
    made = task(k=3, query_prompt="q: ")
    read = inb.Task.load(made.save(tmp_path / "finding.json"))
    assert read.sha256 == made.sha256
    assert read.scorer == made.scorer


@pytest.mark.parametrize(
    "answer", [4, -1, "no such text", True, [], {"0": 0}, {"0": -1}, {"9": 1}, [0, 9], None]
)
def test_an_answer_that_is_no_document_is_refused_by_its_item(answer: Any) -> None:
    with pytest.raises(InvalidData, match="Item odd has"):
        task([{"id": "even", "query": "a", "answer": 0}, {"id": "odd", "query": "a", "answer": answer}])


@pytest.mark.parametrize("documents", [[], "a text", [1, 2], None])
def test_documents_that_are_no_texts_are_refused(documents: Any) -> None:
    with pytest.raises(InvalidData, match="documents"):
        inb.Retrieves(documents)


def test_models_and_encoders_are_told_apart(model: inb.Model) -> None:
    with pytest.raises(InvalidData, match="finding is for encoders"):
        inb.evaluate(model, task())
    choosing: Scorer = inb.ExactMatch()
    with pytest.raises(InvalidData, match="for models that generate"):
        inb.evaluate(by_hand(), inb.Task(ROWS[:2], "{{ query }}", choosing))
    with pytest.raises(InvalidData, match="no chat"):
        inb.Task(ROWS, "{{ query }}", inb.Retrieves(DOCUMENTS), chat=True)
    assert inb.runs().empty, "nothing is kept of what was refused"
