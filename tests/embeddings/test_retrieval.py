"""Retrieval measures by hand, by scikit-learn, and with the starter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

import influence_nb as inb
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InvalidData

# Three documents at 0, 30 and 90 degrees; the queries lie at 10 and at 80.
DOCUMENTS = np.array([[1, 0], [math.sqrt(3) / 2, 0.5], [0, 1]])
QUERIES = np.array([[math.cos(a), math.sin(a)] for a in np.radians([10, 80])])


def run(answers: list[Any], k: int = 2) -> inb.Retrieval:
    return inb.retrieval(["q0", "q1"], ["d0", "d1", "d2"], answers, k=k, vectors=(QUERIES, DOCUMENTS))


def test_cases_worked_by_hand() -> None:
    # The first query ranks d0 d1 d2, the second d2 d1 d0.
    found = run([[0, 2], {1: 1, 2: 3, 0: 0}])
    assert found.ranks == ({0: 1, 2: 3}, {1: 2, 2: 1})
    assert found.recall.tolist() == [0.5, 1]
    ideal = 1 + 1 / math.log2(3)
    assert found.ndcg.tolist() == pytest.approx([1 / ideal, 1])
    assert found.reciprocal_rank.tolist() == [1, 1]
    other = run([1, {1: 3, 2: 1}], k=1)
    assert other.recall.tolist() == [0, 0.5]
    assert other.ndcg.tolist() == pytest.approx([0, 1 / 3])
    assert other.at(3).ndcg.tolist() == pytest.approx(
        [1 / math.log2(3), (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))]
    )
    assert other.reciprocal_rank.tolist() == [0.5, 1]
    assert other.mean("reciprocal_rank") == 0.75
    frame = other.to_frame()
    assert frame.columns.tolist() == ["query", "recall", "ndcg", "reciprocal_rank", "rank", "answer", "first"]
    assert frame["rank"].tolist() == [2, 1]
    assert frame["answer"].tolist() == ["d1", "d2"]
    assert frame["first"].tolist() == ["d0", "d2"]


@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_ndcg_is_scikit_learns(k: int) -> None:
    rng = np.random.default_rng(k)
    queries, documents = rng.normal(size=(20, 5)), rng.normal(size=(30, 5))
    grades = rng.integers(0, 4, (20, 30)) * (rng.random((20, 30)) < 0.2)
    grades[:, 7] = 2
    answers = [{d: int(grade) for d, grade in enumerate(line)} for line in grades]
    found = inb.retrieval([f"q{i}" for i in range(20)], [f"d{i}" for i in range(30)], answers, k=k,
                          vectors=(queries, documents))  # fmt: skip
    sized = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, documents)]
    assert found.mean("ndcg") == pytest.approx(ndcg_score(grades, sized[0] @ sized[1].T, k=k), abs=1e-9)


def test_of_equal_documents_the_earlier_comes_first() -> None:
    found = inb.retrieval(["q"], ["a", "b", "c"], [[1, 2]], k=1, vectors=([[1, 0]], [[1, 0]] * 3))
    assert found.ranks == ({1: 2, 2: 3},)


def test_intervals_hold_the_mean_and_pairs_are_kept() -> None:
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(60, 4)), rng.normal(size=(50, 4))
    names = [f"q{i}" for i in range(60)], [f"d{i}" for i in range(50)]
    answers = rng.integers(0, 50, 60).tolist()
    found = inb.retrieval(*names, answers, vectors=(queries, documents))
    low, high = found.interval("recall")
    assert 0 < low < found.mean("recall") < high < 1
    assert found.interval("recall") == (low, high)
    narrow = found.interval("recall", level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert found.gain(found) == (0, 0, 0)
    better = inb.retrieval(*names, answers, vectors=(documents[answers], documents))
    gain, low, high = better.gain(found)
    assert 0 < low < gain < high
    assert gain == pytest.approx(better.mean() - found.mean())
    summary = found.summary()
    assert summary.index.tolist() == ["recall@10", "nDCG@10", "MRR"]
    assert summary.columns.tolist() == ["mean", "low", "high"]


@pytest.mark.parametrize(
    ("answers", "k", "message", "hint"),
    [
        ([0], 2, "2 queries and 1 entries", "number"),
        (None, 2, "2 queries and none", "number"),
        ([0, 3], 2, r"no documents 3 \(query 1\)", "0 to 2"),
        ([[-1], {5: 1}], 2, r"-1 \(query 0\), 5 \(query 1\)", "0 to 2"),
        ([0, []], 2, "queries numbered 1: 'q1'", "Leave"),
        ([{0: 0}, 1], 2, "queries numbered 0: 'q0'", "Leave"),
        ([0, "d1"], 2, r"answers\[1\]", "whole number"),
        ([0, {1: -1}], 2, "grade -1", "from 0 on"),
        ([0, {1: float("nan")}], 2, "grade nan", "from 0 on"),
        ([0, 1], 4, "k=4", "1 to 3"),
        ([0, 1], 0, "k=0", "1 to 3"),
    ],
)
def test_what_it_refuses(answers: Any, k: int, message: str, hint: str) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        run(answers, k)
    assert hint in caught.value.hint


def test_without_k_as_many_as_there_are_and_at_most_ten() -> None:
    vectors = np.eye(12, dtype=np.float32)
    names = [f"d{at}" for at in range(12)]
    assert inb.retrieval(names[:3], names[:3], [0, 1, 2], vectors=(vectors[:3], vectors[:3])).k == 3
    assert inb.retrieval(names, names, range(12), vectors=(vectors, vectors)).k == 10


def test_texts_and_vectors_that_cannot_be() -> None:
    with pytest.raises(InvalidData, match="no queries"):
        inb.retrieval([], ["d"], [])
    with pytest.raises(InvalidData, match="no documents"):
        inb.retrieval(["q"], [], [0])
    with pytest.raises(InvalidData, match="list of texts"):
        inb.retrieval("q", ["d"], [0])
    with pytest.raises(InvalidData, match="Number 0 of the documents"):
        inb.retrieval(["q"], [None], [0])
    with pytest.raises(InvalidData, match="2 dimensions and the documents 3"):
        inb.retrieval(["q"], ["d"], [0], k=1, vectors=([[1, 0]], [[1, 0, 0]]))
    with pytest.raises(InvalidData, match="pair"):
        inb.retrieval(["q"], ["d"], [0], k=1, vectors=np.ones(3))
    found = run([0, 1])
    with pytest.raises(InvalidData, match="no measure 'mrr'"):
        found.mean("mrr")
    with pytest.raises(InvalidData, match="not of the same queries"):
        found.gain(inb.retrieval(["x"], ["d"], [0], k=1, vectors=([[1.0]], [[1.0]])))


@pytest.mark.starter
def test_the_starter_finds_what_is_meant(starter: Encoder) -> None:
    documents = [
        "The river bank was flooded.",
        "The bank raised its interest rates.",
        "The python shed its skin.",
    ]
    found = inb.retrieval(["the price of loans", "a snake", "high water"], documents, [1, 2, 0], starter, k=1)
    assert found.mean("recall") == 1
    assert "starter/embedding" in repr(found)
