"""Ordinary DataFrames, with all that is odd in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.columns import GREY, MISSING, categories, colours
from influence_nb.embeddings.encode import Encoder
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData

TEXTS = [f"the cat sat on mat {i}" for i in range(20)]


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> Encoder:
    return Encoder.open(tiny_bert)


def mapped(encoder: Encoder, **columns: object) -> EmbeddingMap:
    frame = pd.DataFrame({"text": TEXTS, **columns})
    return EmbeddingMap(frame, encoder=encoder, projection="pca")


@pytest.mark.parametrize("values", [["b", None, "a", float("nan")] * 5, pd.array([1, None] * 10, "Int64")])
def test_missing_labels_are_a_grey_category(encoder: Encoder, values: object) -> None:
    map = mapped(encoder, label=values)
    assert map.colour_column == "label"
    words = [text.get_text() for text in map.plot(label="legend").axes[0].get_legend().get_texts()]
    assert words[-1] == MISSING
    assert words.count(MISSING) == 1
    assert colours(categories(map.frame["label"])[1])[MISSING] == GREY


@pytest.mark.parametrize(
    "values", [[np.nan, *range(18), np.inf], pd.array([None, None, *range(18)], "Int64")]
)
def test_missing_numbers_are_grey_dots(encoder: Encoder, values: object) -> None:
    dots = mapped(encoder, n=values).plot(color="n").axes[0].collections
    grey = next(one for one in dots if one.get_label() == MISSING)
    assert len(grey.get_offsets()) == 2
    assert sum(len(one.get_offsets()) for one in dots) == 20


def test_lists_and_dicts_are_not_for_colour(encoder: Encoder) -> None:
    map = mapped(encoder, tags=[["a"], []] * 10, more=[{"a": 1}, {}] * 10)
    assert map.colour_column is None
    assert map.plot().axes[0].get_title(loc="left")
    assert map.neighbours(0, k=2)["tags"].map(type).eq(list).all()


def test_names_of_columns_become_strings(encoder: Encoder) -> None:
    frame = pd.DataFrame({0: TEXTS, 1: ["a", "b"] * 10})
    map = EmbeddingMap(frame, text=0, encoder=encoder, projection="pca")
    assert (map.text, map.columns, map.colour_column) == ("0", ["1"], "1")
    assert frame.columns.tolist() == [0, 1]
    assert map.plot(color=1).axes


@pytest.mark.parametrize(
    ("data", "text", "message"),
    [
        (pd.DataFrame([["a", 1, 2]], columns=["text", "n", "n"]), "text", "'n' is there more than once"),
        (pd.DataFrame([["a", 1, 2]], columns=["text", 1, "1"]), "text", "'1' is there more than once"),
        (pd.DataFrame([["a"]], columns=pd.MultiIndex.from_tuples([("text", "a")])), "text", "2 levels"),
        (pd.DataFrame({"text": ["a"], "rank": [1]}), "text", "'rank'"),
        (pd.DataFrame({"text": ["a"], "similarity": [1]}), "text", "'similarity'"),
        (pd.DataFrame({"x": ["a"]}), "x", "'x'"),
        (["a"], "y", "'y'"),
        ([("a", "b")], "label", "'label' is there more than once"),
        ([{"text": "a"}, "b"], "text", "Row 1 is not a dict"),
    ],
)
def test_frames_that_cannot_be_told_from_the_maps(
    encoder: Encoder, data: object, text: str, message: str
) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        EmbeddingMap(data, text=text, encoder=encoder)
    assert caught.value.hint


@pytest.mark.parametrize("seed", [-1, 2**40, 1.5, "x", None])
def test_seeds(encoder: Encoder, seed: object) -> None:
    with pytest.raises(InvalidData, match="seed="):
        EmbeddingMap(TEXTS, encoder=encoder, seed=seed)


def test_odd_encoders_and_counts(encoder: Encoder) -> None:
    with pytest.raises(InvalidData, match="5 is neither"):
        EmbeddingMap(TEXTS, encoder=5)
    with pytest.raises(InvalidData, match=r"k=1\.5"):
        mapped(encoder).neighbours(0, k=1.5)


def test_numba_is_left_as_it_was_after_an_error() -> None:
    import numba

    from influence_nb.embeddings.project import umap

    njit = numba.njit
    with pytest.raises(ValueError, match="NaN"):
        umap(np.full((20, 4), np.nan, np.float32))
    assert numba.njit is njit
