"""Groups, duplicates and outliers: found where they were put, and said to be none where there are none."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from influence_nb.embeddings import neighbours
from influence_nb.embeddings.clusters import NONE, find, named
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.neighbours import first_near
from influence_nb.errors import InfluenceError, InvalidData

WORDS = ["boat sail wind", "bread oven flour", "goal keeper pitch"]


def made(count: int = 90, seed: int = 0) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Vectors around three centres, a text for each, and which centre it is of."""
    rng = np.random.default_rng(seed)
    group = np.arange(count) % 3
    vectors = rng.normal(size=(3, 12))[group] * 4 + rng.normal(size=(count, 12))
    texts = [f"the {WORDS[one]} and the rest {number}" for number, one in enumerate(group)]
    return vectors.astype(np.float32), texts, group


def test_groups_are_found_and_called_by_what_sets_them_apart() -> None:
    vectors, texts, group = made()
    atlas = EmbeddingMap(texts, vectors=vectors, projection="pca")
    found = atlas.clusters()
    assert len(found) == 3
    assert adjusted_rand_score(group, found.labels) > 0.95
    for number, name in enumerate(found.names):
        mine = group[found.labels == number][0]
        assert set(name.split(", ")) == set(WORDS[mine].split())
    assert found.to_frame()["texts"].sum() + (found.labels < 0).sum() == 90
    assert set(found.column) <= {*found.names, NONE}
    assert atlas.clusters() is found
    np.testing.assert_array_equal(find(vectors, texts).labels, found.labels)


def test_names_tell_groups_apart() -> None:
    texts = ["cat dog", "cat dog", "42", "7", "cat dog and fox"]
    assert named(texts, np.array([0, 1, 2, 2, -1])) == ["cat, dog", "cat, dog (1)", "group 2"]
    assert named(texts, np.full(5, -1)) == []


def test_too_few_texts_are_refused() -> None:
    vectors, texts, _ = made(9)
    with pytest.raises(InvalidData, match="9 texts are too few"):
        find(vectors, texts)
    with pytest.raises(InvalidData, match="size=1"):
        find(vectors, texts, 1)
    assert len(find(vectors, texts, 2).labels) == 9


def test_duplicates_lead_to_the_first_of_their_kind() -> None:
    vectors, texts, _ = made(12)
    vectors[7], vectors[11] = 3 * vectors[2], vectors[2]
    vectors[9] = vectors[4] + 0.05
    atlas = EmbeddingMap(texts, vectors=vectors, projection="pca")
    same = atlas.duplicates(1)
    assert same["of"].to_dict() == {7: 2, 11: 2}
    assert same["first"].tolist() == [texts[2]] * 2
    near = atlas.duplicates(0.99)
    assert near["of"].to_dict() == {7: 2, 11: 2, 9: 4}
    assert near["similarity"].is_monotonic_decreasing
    assert atlas.duplicates(-1)["of"].tolist() == [0] * 11
    frame = pd.DataFrame({"text": texts, "first": 1})
    with pytest.raises(InvalidData, match="column of its own called 'first'"):
        EmbeddingMap(frame, vectors=vectors, projection="pca").duplicates()
    with pytest.raises(InvalidData, match="least=2"):
        atlas.duplicates(2)


def test_blocks_change_no_duplicate(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    whole = first_near(vectors, 0.9)
    monkeypatch.setattr(neighbours, "_ROWS", 7)
    monkeypatch.setattr(neighbours, "_QUERIES", 11)
    for one, other in zip(whole, first_near(vectors, 0.9), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_outliers_are_what_is_like_nothing() -> None:
    vectors, texts, _ = made(60)
    vectors[17] = -vectors[:3].sum(axis=0)
    atlas = EmbeddingMap(texts, vectors=vectors, projection="pca")
    found = atlas.outliers(3, k=5)
    assert found.index[0] == 17
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["similarity"].iloc[0] == pytest.approx(atlas.neighbours(17, 5)["similarity"].mean())
    with pytest.raises(InvalidData, match="no others"):
        EmbeddingMap(["alone"], vectors=np.ones((1, 2)), projection="pca").outliers()


@pytest.mark.parametrize("look", ["duplicates", "outliers"])
def test_looking_through_a_whole_map_tells_and_can_be_stopped(
    look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_QUERIES", 40)
    vectors, texts, _ = made()
    atlas = EmbeddingMap(texts, vectors=vectors, projection="pca")
    stop, told = threading.Event(), []

    def tell(done: int, count: int) -> None:
        told.append((done, count))
        stop.set()

    with pytest.raises(InfluenceError, match="Stopped after 40 of 90"):
        getattr(atlas, look)(on_progress=tell, cancel=stop)
    assert told == [(40, 90)]
    told.clear()
    found = getattr(atlas, look)(on_progress=lambda *at: told.append(at))
    assert told == [(40, 90), (80, 90), (90, 90)]
    assert found.equals(getattr(EmbeddingMap(texts, vectors=vectors, projection="pca"), look)())
