"""Nearest neighbours are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from influence_nb.embeddings import neighbours
from influence_nb.embeddings.neighbours import nearest
from influence_nb.errors import InvalidData


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Every cosine, one pair at a time, in float64."""
    return np.array([[q @ v / (np.linalg.norm(q) * np.linalg.norm(v)) for v in vectors] for q in queries])


@pytest.mark.parametrize("k", [1, 5, 30, 99])
def test_they_equal_a_full_sort(k: int) -> None:
    rng = np.random.default_rng(k)
    queries, vectors = (rng.normal(size=(n, 12)).astype(np.float32) * 3 for n in (7, 30))
    rows, similarities = nearest(queries, vectors, k)
    every = cosines(queries.astype(float), vectors.astype(float))
    expected = np.argsort(-every, axis=1)[:, :k]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(similarities, np.take_along_axis(every, expected, 1), atol=1e-5)


def test_a_row_can_be_left_out_and_ties_keep_their_order() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    rows, similarities = nearest(vectors, vectors, 9, skip=np.arange(4))
    assert rows.tolist() == [[1, 3, 2], [0, 3, 2], [0, 1, 3], [0, 1, 2]]
    assert np.isfinite(similarities).all()


def test_a_vector_of_zeros_is_near_nothing() -> None:
    _, similarities = nearest(np.zeros((1, 3), np.float32), np.eye(3, dtype=np.float32), 2)
    assert similarities.tolist() == [[0, 0]]


def test_many_blocks_give_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(3).integers(-2, 3, (200, 4)).astype(np.float32)  # many that tie
    skip = np.arange(200)
    whole = nearest(vectors, vectors, 7, skip)
    monkeypatch.setattr(neighbours, "_ROWS", 9)
    monkeypatch.setattr(neighbours, "_QUERIES", 11)
    for one, other in zip(whole, nearest(vectors, vectors, 7, skip), strict=True):
        np.testing.assert_array_equal(one, other)
    known = nearest(vectors, vectors, 7, skip, neighbours.lengths(vectors))
    np.testing.assert_array_equal(whole[0], known[0])


def test_vectors_may_lie_in_a_file_as_halves(tmp_path: Path) -> None:
    vectors = np.random.default_rng(4).normal(size=(50, 8)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    rows, _ = nearest(vectors[:3].astype(np.float32), np.load(tmp_path / "vectors.npy", mmap_mode="r"), 4)
    np.testing.assert_array_equal(rows, nearest(vectors[:3], vectors.astype(np.float32), 4)[0])


def test_bad_requests() -> None:
    vectors = np.eye(4, dtype=np.float32)
    with pytest.raises(InvalidData, match="k=0"):
        nearest(vectors, vectors, 0)
    with pytest.raises(InvalidData, match="NaN"):
        nearest(np.full((1, 4), np.nan, np.float32), vectors, 1)
    with pytest.raises(InvalidData, match="3 dimensions and the vectors have 4"):
        nearest(vectors[:, :3], vectors, 1)
