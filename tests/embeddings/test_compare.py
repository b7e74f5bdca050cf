"""Two maps: what of their neighbours stays, and one laid onto the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes

import influence_nb as inb
from influence_nb.embeddings import compare
from influence_nb.embeddings.compare import MapComparison, aligned, neighbour_change
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData

rng = np.random.default_rng(0)
VECTORS = rng.normal(size=(40, 6)).astype(np.float32)
FRAME = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "group": list("ab") * 20})


def made(vectors: np.ndarray, frame: pd.DataFrame = FRAME) -> EmbeddingMap:
    return EmbeddingMap(frame, vectors=vectors, projection="pca")


@pytest.fixture(scope="module")
def moved() -> MapComparison:
    """Texts 3 and 20 have changed places."""
    vectors = VECTORS.copy()
    vectors[[3, 20]] = vectors[[20, 3]]
    return inb.compare_maps(made(VECTORS), made(vectors), k=5, names=("before", "after"))


def test_aligned_undoes_a_turn_a_mirror_a_scale_and_a_shift() -> None:
    points = rng.normal(size=(20, 2))
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])  # a mirror, too
    np.testing.assert_allclose(aligned(5 * points @ turn + 7, points), points, atol=1e-5)
    assert aligned(np.ones((4, 2)), points[:4]).tolist() == pytest.approx(np.tile(points[:4].mean(0), (4, 1)))


def test_aligned_turns_as_scipy_does() -> None:
    a, b = rng.normal(size=(2, 15, 2))
    b += a
    _, theirs, _ = procrustes(b, a)
    ours = aligned(a, b) - b.mean(axis=0)
    np.testing.assert_allclose(ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), atol=1e-6)
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(b - b.mean(axis=0)), rel=1e-6)


@pytest.mark.parametrize("at_once", [1, 90, 2**22])
def test_neighbours_are_compared_in_full_space(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(compare, "_PAIRS", at_once)
    other = VECTORS + rng.normal(size=VECTORS.shape).astype(np.float32)
    overlap, shift = neighbour_change(VECTORS, other, k=4)
    order = []
    for vectors in (VECTORS, other):
        sized = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = sized @ sized.T
        np.fill_diagonal(cosines, -2)
        order.append(np.argsort(-cosines, axis=1).tolist())
    for row, (a, b) in enumerate(zip(*order, strict=True)):
        assert overlap[row] == pytest.approx(len(set(a[:4]) & set(b[:4])) / 4)
        ranks = [b.index(one) + 1 for one in a[:4]] + [a.index(one) + 1 for one in b[:4]]
        assert shift[row] == pytest.approx(np.mean(ranks))


def test_nothing_moved_between_a_map_and_itself_turned() -> None:
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    same = inb.compare_maps(made(VECTORS), made(3 * VECTORS @ turn))
    assert same.k == 10
    np.testing.assert_array_equal(same.overlap, 1)
    np.testing.assert_allclose(same.shift, 5.5)
    first, second = same.points
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_who_moved_comes_first(moved: MapComparison) -> None:
    assert set(moved.moved.index[:2]) == {3, 20}
    frame = moved.to_frame()
    assert frame.columns.tolist() == ["overlap", "shift", "text", "group"]
    assert frame.index.tolist() == list(range(40))
    assert moved.moved["overlap"].is_monotonic_increasing
    assert moved.chance == pytest.approx(5 / 39)
    assert "before and after" in repr(moved)


def test_two_versions_of_a_text_are_both_listed() -> None:
    other = FRAME.assign(text=FRAME["text"].str.upper())
    frame = inb.compare_maps(made(VECTORS), made(VECTORS[::-1], other)).to_frame()
    assert frame.columns.tolist() == ["overlap", "shift", "text", "other_text", "group"]
    assert frame.loc[4, "other_text"] == "TEXT 4"


@pytest.mark.parametrize("color", [None, "overlap", "shift"])
def test_the_picture_joins_the_movers(moved: MapComparison, color: str | None) -> None:
    figure = moved.plot(color, movers=2)
    left, right = figure.axes[:2]
    assert [left.get_title(loc="left"), right.get_title(loc="left")] == ["before", "after"]
    assert len(figure.artists) == 2
    assert left.get_xlim() == right.get_xlim()
    words = [text.get_text() for text in left.texts]
    assert {"1", "2"} <= set(words)
    assert ({"a", "b"} <= set(words)) == (color is None)
    assert moved._repr_html_().count("<img") == 1
    with pytest.raises(InvalidData, match="no column 'text'") as caught:
        moved.plot("text")
    assert "group" in caught.value.hint


def test_what_it_refuses() -> None:
    map = made(VECTORS)
    with pytest.raises(InvalidData, match="40 rows and the other 39"):
        inb.compare_maps(map, made(VECTORS[:39], FRAME[:39]))
    with pytest.raises(InvalidData, match="is none"):
        inb.compare_maps(map, FRAME)
    for k in (0, 39, 2.5):
        with pytest.raises(InvalidData, match="k="):
            inb.compare_maps(map, map, k=k)
    with pytest.raises(InvalidData, match="2 rows"):
        inb.compare_maps(made(VECTORS[:2], FRAME[:2]), made(VECTORS[:2], FRAME[:2]))
    taken = FRAME.assign(shift=1)
    with pytest.raises(InvalidData, match="called 'shift'"):
        inb.compare_maps(made(VECTORS, taken), map)
