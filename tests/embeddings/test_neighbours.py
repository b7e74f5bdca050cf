"""Nearest neighbours are exact."""

from __future__ import annotations

import numpy as np
import pytest

from influence_nb.embeddings.neighbours import nearest, shared
from influence_nb.embeddings.project import pca
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


def test_a_map_in_two_dimensions_loses_no_neighbour() -> None:
    angles = np.linspace(0.1, 1.2, 30)
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert shared(pca(vectors).points, vectors, k=4).mean() == pytest.approx(1)
    shuffled = pca(vectors).points[np.random.default_rng(0).permutation(30)]
    assert shared(shuffled, vectors, k=4).mean() < 0.5


def test_bad_requests() -> None:
    vectors = np.eye(4, dtype=np.float32)
    with pytest.raises(InvalidData, match="k=0"):
        nearest(vectors, vectors, 0)
    with pytest.raises(InvalidData, match="3 dimensions and the vectors have 4"):
        nearest(vectors[:, :3], vectors, 1)
    with pytest.raises(InvalidData, match="4 rows do not have 4"):
        shared(vectors[:, :2], vectors, k=4)
