"""Vectors that are brought: taken as they are, or refused by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import CapabilityMissing, InvalidData
from influence_nb.widgets import EmbeddingExplorer

TEXTS = [f"text {number}" for number in range(20)]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)


def test_they_come_as_an_array_a_file_a_frame_or_a_column(vectors: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", vectors.astype(np.float16))
    frame = pd.DataFrame({"text": TEXTS, "vector": list(vectors), "kind": ["a", "b"] * 10})
    ways = [
        (TEXTS, vectors),
        (TEXTS, vectors.astype(float).tolist()),
        (TEXTS, pd.DataFrame(vectors)),
        (TEXTS, tmp_path / "mine.npy"),
        (TEXTS, str(tmp_path / "mine.npy")),
        (frame, "vector"),
    ]
    for data, given in ways:
        made = EmbeddingMap(data, vectors=given, projection="pca")
        np.testing.assert_allclose(made.vectors, vectors, atol=2e-3)
        assert made.vectors.dtype == (np.float16 if str(given).endswith(".npy") else np.float32)
        assert "vector" not in made.columns
    assert made.columns == ["kind"]
    assert made.title() == "PCA of 20 texts, by vectors that were brought"


def test_without_an_encoder_typed_texts_are_refused_and_the_rest_works(vectors: np.ndarray) -> None:
    made = EmbeddingMap(TEXTS, vectors=vectors, projection="pca")
    assert made.neighbours(3, k=2)["rank"].tolist() == [1, 2]
    with pytest.raises(CapabilityMissing, match="brought") as caught:
        made.neighbours("a text")
    assert "encoder=" in caught.value.hint
    explorer = EmbeddingExplorer(made)
    with pytest.raises(CapabilityMissing):
        explorer.type("a text").result(60)
    assert "brought" in explorer.problem
    explorer.selected = [4]
    assert explorer.selection["text"].tolist() == ["text 4"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((3, 6)), "3 vectors for 20 rows"),
        (np.zeros(20), "no matrix"),
        (np.zeros((20, 0)), "no matrix"),
        ([[1.0, 2.0]] * 18 + [[1.0], [1.0, 2.0, 3.0]], "most have 2 numbers, rows 18, 19 other"),
        (
            [[1.0, float("nan")]] + [[1.0, 2.0]] * 18 + [[float("inf"), 0.0]],
            "Rows 0, 19 of the vectors hold NaN",
        ),
        ([[3e38, 1.0]] + [[1.0, 2.0]] * 19, "Row 0 of the vectors holds .* beyond 1e"),
        (np.full((20, 2), 1 + 1j), "complex"),
        ([["a", "b"]] * 20, "no matrix of numbers"),
        ([[1.0, 2.0]] * 19 + [None], "Row 19 of the vectors is none"),
        ("nowhere", "no column of the data, nor a file"),
        ("text", "no matrix of numbers"),
        (17, "no matrix"),
    ],
)
def test_what_is_refused(given: Any, words: str) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        EmbeddingMap(TEXTS, vectors=given)
    assert caught.value.hint


def test_zeros_are_said(vectors: np.ndarray) -> None:
    vectors[[3, 7]] = 0
    with pytest.warns(UserWarning, match="Rows 3, 7 of the vectors are all zeros"):
        EmbeddingMap(TEXTS, vectors=vectors, projection="pca")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': ")
    with pytest.raises(InvalidData, match="nor a file of vectors"):
        EmbeddingMap(TEXTS, vectors=tmp_path / "broken.npy")
