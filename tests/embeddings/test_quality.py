"""What is said of a map's faithfulness equals scikit-learn's, point by point, and is bad where the map is."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from influence_nb.embeddings import quality
from influence_nb.embeddings.project import pca
from influence_nb.embeddings.quality import measure
from influence_nb.errors import InfluenceError, InvalidData


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 29])
@pytest.mark.parametrize("pairs", [2**23, 200])
def test_both_measures_equal_scikit_learns(
    vectors: np.ndarray, k: int, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "_PAIRS", pairs)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    points = pca(vectors).points
    found = measure(points, vectors, k)
    # On the sphere the cosine and the straight line put neighbours into the same order.
    assert found.trustworthiness.mean() == pytest.approx(
        trustworthiness(unit, points, n_neighbors=k), abs=1e-5
    )
    assert found.continuity.mean() == pytest.approx(trustworthiness(points, unit, n_neighbors=k), abs=1e-5)
    near, shown = (
        np.argsort(((one[:, None] - one) ** 2).sum(2), axis=1)[:, 1 : k + 1] for one in (unit, points)
    )
    np.testing.assert_allclose(
        found.kept, [len({*one} & {*other}) / k for one, other in zip(near, shown, strict=True)], atol=1e-6
    )


def test_a_flat_map_of_flat_vectors_loses_nothing() -> None:
    angles = np.linspace(0.1, 1.2, 40)
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    found = measure(pca(vectors).points, vectors, 4)
    assert found.to_frame().min().tolist() == [1, 1, 1]
    assert found.warning == ""


def test_a_torn_point_is_told_from_one_among_strangers() -> None:
    rng = np.random.default_rng(1)
    angles = np.sort(rng.uniform(0, 1.5, 80))
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    points = vectors.copy()
    points[0] = points[-1] + 1e-4  # the first of the arc is drawn beside its last
    found = measure(points, vectors, 5)
    assert found.trustworthiness.argmin() == found.continuity.argmin() == 0
    assert found.kept[0] == 0
    assert found.trustworthiness[40] == found.continuity[40] == 1


def test_a_map_by_chance_is_warned_of(vectors: np.ndarray) -> None:
    found = measure(np.random.default_rng(5).normal(size=(60, 2)).astype(np.float32), vectors)
    assert found.k == 15
    assert "Do not read closeness" in found.warning
    assert found.kept.mean() == pytest.approx(found.chance, abs=0.1)


def test_identical_points_are_no_fault_of_the_map() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = measure(vectors[:, :2], vectors, 3)
    assert found.to_frame().min().tolist() == [1, 1, 1]


def test_what_cannot_be_measured_is_said(vectors: np.ndarray) -> None:
    with pytest.raises(InvalidData, match="2 points"):
        measure(vectors[:2, :2], vectors[:2])
    with pytest.raises(InvalidData, match="k=30"):
        measure(vectors[:, :2], vectors, 30)
    stop = threading.Event()
    stop.set()
    with pytest.raises(InfluenceError, match="stopped after 0 of 60"):
        measure(vectors[:, :2], vectors, 5, cancel=stop)
    told: list[tuple[int, int]] = []
    measure(vectors[:, :2], vectors, 5, on_progress=lambda *one: told.append(one))
    assert told[-1] == (60, 60)


@pytest.mark.parametrize("levels", [7, 10**6])
def test_the_nearest_of_many_are_found_among_equal_ones_too(levels: int) -> None:
    away = np.random.default_rng(0).integers(0, levels, (9, 1003)).astype(np.float32)
    rows = quality._nearest(away, 15)
    assert all(len(set(row)) == 15 for row in rows.tolist())
    found = np.sort(np.take_along_axis(away, rows, axis=1), axis=1)
    np.testing.assert_array_equal(found, np.sort(away, axis=1)[:, :15])


def test_ranks_of_few_and_of_many_agree() -> None:
    away = np.random.default_rng(0).integers(0, 50, (5, 200)).astype(np.float32)
    rows = np.tile(np.arange(100), (5, 1))
    few, many = quality.ranks(away, rows[:, :20]), quality.ranks(away.copy(), rows)
    np.testing.assert_array_equal(few, many[:, :20])
