"""The map: what it takes, what it says, what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.columns import is_continuous
from influence_nb.embeddings.corpus import corpus
from influence_nb.embeddings.encode import Encoder
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData

pytestmark = pytest.mark.starter


@pytest.fixture(scope="module")
def whole(starter: Encoder) -> EmbeddingMap:
    """The corpus by UMAP."""
    return EmbeddingMap(corpus(), encoder=starter)


def test_the_corpus_is_whole() -> None:
    texts = corpus()
    assert list(texts.columns) == ["text", "topic", "kind"]
    assert texts["topic"].value_counts().to_dict() == dict.fromkeys(texts["topic"].unique(), 30)
    assert len(texts) == texts["text"].nunique() == 360
    assert set(texts["kind"]) == {"statement", "question", "instruction"}
    assert texts["text"].str.split().str.len().between(8, 35).all()


def test_neighbours_are_those_of_the_full_space(whole: EmbeddingMap) -> None:
    for row in (0, 100, 359):
        cosines = whole.vectors @ whole.vectors[row]
        cosines[row] = -1
        near = whole.neighbours(row, k=7)
        assert near.index.tolist() == np.argsort(-cosines)[:7].tolist()
        np.testing.assert_allclose(near["similarity"], np.sort(cosines)[::-1][:7], atol=1e-5)
    assert near.columns.tolist() == ["rank", "similarity", "text", "topic", "kind"]
    assert near["rank"].tolist() == list(range(1, 8))


def test_words_with_two_senses_go_with_their_company(whole: EmbeddingMap) -> None:
    assert whole.neighbours("My bank wants a higher rate for the loan", k=3)["topic"].eq("finance").all()
    river = whole.neighbours("Roots hold the bank together when the river floods", k=3)
    assert not river["topic"].eq("finance").any()
    copied = whole.neighbours(whole.frame["text"][42], k=1)
    assert copied.index[0] == 42
    assert copied["similarity"].iloc[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["umap", "pca"])
def test_placing_moves_nothing_and_puts_a_copy_near(starter: Encoder, whole: EmbeddingMap, name: str) -> None:
    map = EmbeddingMap(corpus(), encoder=starter, projection=name)
    before = map.frame[["x", "y"]].to_numpy()
    placed = map.place(map.frame["text"][:30].tolist())
    np.testing.assert_array_equal(map.frame[["x", "y"]].to_numpy(), before)
    away = np.linalg.norm(placed - before[:30], axis=1)
    assert np.median(away) < 0.1 * np.linalg.norm(np.ptp(before, axis=0))


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (["rain falls", "sun shines"], ["text", "x", "y"]),
        ([("rain falls", "wet"), ("sun shines", "dry")], ["text", "label", "x", "y"]),
        ([{"n": 1, "text": "rain falls"}, {"n": 2, "text": "sun shines"}], ["text", "n", "x", "y"]),
        (pd.DataFrame({"text": ["a b", "c"], "x": [5, 6]}, index=[7, 9]), ["text", "x", "y"]),
        ((text for text in ["only one"]), ["text", "x", "y"]),
    ],
)
def test_what_it_takes(starter: Encoder, data: object, columns: list[str]) -> None:
    map = EmbeddingMap(data, encoder=starter)
    assert map.frame.columns.tolist() == columns
    assert map.frame.index.tolist() == list(range(len(map)))
    assert map.vectors.shape == (len(map), 384)
    assert map._repr_html_().count("<img") == 1


@pytest.mark.parametrize(
    ("data", "options", "message", "hint"),
    [
        ([], {}, "no rows", "one text"),
        (pd.DataFrame({"body": ["a"], "n": [1]}), {}, "no column 'text'", "body, n"),
        (["a", None, "b"], {}, "Row 1", "dropna"),
        (pd.DataFrame({"text": ["a", float("nan"), 3]}), {}, "Row 1.*1 rows more", "strings"),
        ([("a", 1), ("b",)], {}, "Row 1 is not a pair", "DataFrame"),
        ("one long text", {}, "one str", "list of texts"),
        (["a"], {"projection": "flat"}, "no projection 'flat'", "umap, tsne, pca"),
    ],
)
def test_what_it_refuses(
    starter: Encoder, data: object, options: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        EmbeddingMap(data, encoder=starter, **options)
    assert hint in caught.value.hint


def test_bad_requests_leave_it_usable(whole: EmbeddingMap) -> None:
    for bad in (360, -1, 2.5, None):
        with pytest.raises(InvalidData):
            whole.neighbours(bad)
    with pytest.raises(InvalidData, match="no column 'colour'") as caught:
        whole.plot(color="colour")
    assert "topic" in caught.value.hint
    with pytest.raises(InvalidData, match="label='under'"):
        whole.plot(label="under")
    assert len(whole.neighbours(0)) == 10


def test_the_picture_says_what_it_is(whole: EmbeddingMap) -> None:
    figure = whole.plot(highlight=[3, "A python swallowed the exception."])
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "UMAP of 360 texts, embedded by starter/embedding, seed 0"
    assert axes.get_xlabel() == "UMAP 1 (arbitrary units)"
    words = [text.get_text() for text in axes.texts]
    assert set(corpus()["topic"]) <= set(words)
    assert "A python swallowed the exception." in words
    assert figure.patch.get_alpha() == 0
    assert figure._repr_png_().startswith(b"\x89PNG")
    legend = whole.plot(color="kind", label="legend").axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["instruction", "question", "statement"]
    assert "variance" in whole.plot(projection="pca").axes[0].get_xlabel()


def test_numbers_are_coloured_on_a_scale(starter: Encoder) -> None:
    map = EmbeddingMap([{"text": f"text number {i}", "n": i / 2} for i in range(20)], encoder=starter)
    assert map.plot(color="n").axes[1].get_ylabel() == "n"
    assert not is_continuous(map.frame["text"])
