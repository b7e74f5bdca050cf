"""Projections repeat themselves, stay put, and manage with very little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from influence_nb.embeddings import project
from influence_nb.embeddings.project import PROJECTIONS, Pca, checked, find_projection, pca, tsne, umap
from influence_nb.errors import CapabilityMissing, InvalidData


def clusters(count: int, seed: int = 0) -> np.ndarray:
    """`count` vectors of 16 dimensions around four centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 16)) * 4
    return (centres[np.arange(count) % 4] + rng.normal(size=(count, 16))).astype(np.float32)


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 40, 80])
def test_the_same_seed_gives_the_same_picture(name: str, count: int) -> None:
    vectors = clusters(count)
    first, second = (find_projection(name)(vectors, 3) for _ in range(2))
    assert first.points.shape == (count, 2)
    assert first.points.dtype == np.float32
    assert np.isfinite(first.points).all()
    np.testing.assert_array_equal(first.points, second.points)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_clusters_stay_together(name: str) -> None:
    points = find_projection(name)(clusters(80), 0).points
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert (away.argmin(1) % 4 == np.arange(80) % 4).mean() > 0.95


def test_another_seed_gives_another_umap() -> None:
    vectors = clusters(80)
    assert not np.allclose(umap(vectors, 0).points, umap(vectors, 1).points)


@pytest.mark.parametrize("name", ["umap", "pca"])
def test_placing_moves_nothing_and_lands_in_the_own_cluster(name: str) -> None:
    vectors = clusters(80)
    layout = find_projection(name)(vectors, 0)
    before = layout.points.copy()
    placed = layout.place(vectors[:8] + 0.01)
    np.testing.assert_array_equal(layout.points, before)
    away = np.linalg.norm(placed[:, None] - before[None], axis=2)
    assert placed.shape == (8, 2)
    assert (away.argmin(1) % 4 == np.arange(8) % 4).all()
    assert layout.place(vectors[:0]).shape == (0, 2)


@pytest.mark.parametrize("name", ["umap", "pca"])
def test_a_text_of_the_map_comes_to_its_own_point(name: str) -> None:
    vectors = clusters(80)
    layout = find_projection(name)(vectors, 0)
    alone, together = layout.place(vectors[3:4]), layout.place(vectors[[9, 3, 70]])
    np.testing.assert_allclose(alone[0], layout.points[3], atol=1e-5)
    np.testing.assert_allclose(together, layout.points[[9, 3, 70]], atol=1e-5)


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("value", [0, 1])
def test_points_that_are_all_the_same(name: str, value: float) -> None:
    layout = find_projection(name)(np.full((12, 8), value, np.float32), 0)
    assert np.isfinite(layout.points).all()


@pytest.mark.parametrize("width", [3, 40, 100])
def test_pca_equals_scikit_learn(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from sklearn.decomposition import PCA

    monkeypatch.setattr(project, "_ROWS", 7)  # 60 rows are several blocks, as a million are
    vectors = np.random.default_rng(0).standard_normal((60, width)).astype(np.float32) * np.arange(
        1, width + 1
    )
    ours, theirs = pca(vectors), PCA(2, svd_solver="full").fit(vectors)
    assert ours.explained == pytest.approx(tuple(theirs.explained_variance_ratio_), abs=1e-5)
    np.testing.assert_allclose(np.abs(ours.points), np.abs(theirs.transform(vectors)), atol=1e-3)
    np.testing.assert_allclose(ours.place(vectors), ours.points, atol=1e-5)
    assert f"{ours.explained[0]:.1%}" in ours.axes[0]


def test_tsne_says_that_it_has_no_place_for_more() -> None:
    with pytest.raises(CapabilityMissing, match="no place") as caught:
        tsne(clusters(20)).place(clusters(1))
    assert "UMAP" in caught.value.hint


def test_what_they_are_told_matters() -> None:
    vectors = clusters(80)
    assert not np.allclose(umap(vectors).points, umap(vectors, neighbours=40).points)
    assert not np.allclose(tsne(vectors).points, tsne(vectors, perplexity=5).points)


@pytest.mark.parametrize("method", [umap, tsne])
def test_too_few_for_a_graph_is_pca_and_says_so(method: Any) -> None:
    assert isinstance(method(clusters(4)), Pca)
    assert method(clusters(4)).title == "PCA"


def test_bad_requests() -> None:
    with pytest.raises(InvalidData, match="tsnee") as caught:
        find_projection("tsnee")
    assert "umap" in caught.value.hint
    for name, told in [
        ("umap", {"neighbours": 1}),
        ("umap", {"neighbours": 2.5}),
        ("umap", {"min_dist": 2}),
        ("umap", {"min_dist": True}),
        ("umap", {"perplexity": 30}),
        ("tsne", {"perplexity": float("nan")}),
        ("tsne", {"perplexity": "30"}),
        ("pca", {"neighbours": 15}),
    ]:
        with pytest.raises(InvalidData) as caught:
            checked(name, told)
        assert caught.value.hint
    assert checked("umap", {"min_dist": 0}) == {"neighbours": 15, "min_dist": 0}
