"""The layers' layouts do not spin, and their neighbours are those of the layer."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from influence_nb.embeddings.layer_maps import LayerMaps
from influence_nb.errors import InfluenceError, InvalidData

rng = np.random.default_rng(0)


def test_a_layer_that_only_turned_stands_still() -> None:
    first = rng.normal(size=(30, 5)) * [9, 3, 1, 1, 1]
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    maps = LayerMaps(np.stack([first, 4 * first @ turn]).astype(np.float32))
    seen: list[tuple[int, int]] = []
    after, axes = maps.points(1, on_progress=lambda *done: seen.append(done))
    assert seen == [(0, 2), (1, 2)]
    np.testing.assert_allclose(after, maps.points(0)[0], atol=1e-4)
    assert maps.points(1)[0] is after
    assert "PCA" in axes[0]


def test_neighbours_of_a_row_and_of_a_vector() -> None:
    vectors = rng.normal(size=(2, 20, 4)).astype(np.float32)
    maps = LayerMaps(vectors)
    cosines = vectors[1] @ vectors[1, 3] / np.linalg.norm(vectors[1], axis=1)
    order = np.argsort(-cosines)
    assert order[0] == 3
    assert maps.neighbours(1, 3, 5)[0].tolist() == order[1:6].tolist()
    assert maps.neighbours(1, vectors[1, 3], 5)[0].tolist() == order[:5].tolist()


def test_what_it_refuses_and_a_stop() -> None:
    maps = LayerMaps(rng.normal(size=(2, 20, 4)).astype(np.float32))
    with pytest.raises(InvalidData, match="layer=2"):
        maps.points(2)
    with pytest.raises(InvalidData, match="no projection"):
        maps.points(0, "flat")
    with pytest.raises(InvalidData, match="row=20"):
        maps.neighbours(0, 20, 3)
    stop = threading.Event()
    stop.set()
    with pytest.raises(InfluenceError, match="0 of 2 layers"):
        maps.points(1, cancel=stop)
    assert maps.points(1)[0].shape == (20, 2)
