"""Measures of texts on cases that can be worked out by hand, and a grid's frame and heat map."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.engine.grid import Cell, Grid
from influence_nb.errors import InvalidData
from influence_nb.evaluation.diversity import (
    distinct,
    repetition,
    self_similarity,
    similarity_to_others,
    words,
)
from tests import tiny


def test_words_and_ngrams_are_counted() -> None:
    assert words("The cat, the Überkatze!") == ["the", "cat", ",", "the", "überkatze", "!"]
    assert distinct([list("aab")], 1) == 2 / 3
    assert distinct([list("abab")], 2) == 2 / 3
    assert distinct([list("ab"), list("ab"), list("bc")], 2) == 2 / 3
    assert repetition(list("abcdabcd"), 4) == pytest.approx(1 / 5)
    assert repetition(list("abcdefgh"), 4) == 0
    assert math.isnan(distinct([[]], 1))
    assert math.isnan(repetition(list("abc"), 4))


def test_similarity_is_the_mean_cosine_of_pairs() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    half = math.sqrt(0.5)
    assert self_similarity(vectors) == pytest.approx((0 + half + half) / 3)
    assert similarity_to_others(vectors) == pytest.approx([half / 2, half / 2, half])
    assert similarity_to_others(vectors).mean() == pytest.approx(self_similarity(vectors))
    assert math.isnan(self_similarity(vectors[:1]))
    assert np.isnan(similarity_to_others(vectors[:1])).all()


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Any:
    model = inb.load(tiny.build(tmp_path_factory.mktemp("tiny") / "llama"), device="cpu", dtype="float32")
    yield model.grid(
        "The quick", temperature=[0, 1.5], top_k=[None, 3], seed=[1, 2, 3], max_new_tokens=12, top_p=None
    )
    model.unload()


@pytest.mark.starter
def test_a_grid_gets_a_column_for_each_measure(grid: Grid) -> None:
    encoder = inb.load_encoder(device="cpu")
    told: list[tuple[int, int]] = []
    frame = inb.diversity(grid, encoder, on_progress=lambda *done: told.append(done))
    assert list(frame.columns[-5:]) == [
        "words",
        "distinct_1",
        "distinct_2",
        "repetition_4",
        "self_similarity",
    ]
    assert told[-1] == (12, 12)
    vectors = encoder.encode([cell.text for cell in grid])
    for row, cell in enumerate(grid):
        assert frame["words"][row] == len(words(cell.text))
        beside = [
            other
            for other, one in enumerate(grid)
            if other != row
            and all(one.values[name] == cell.values[name] for name in ("temperature", "top_k"))
        ]
        assert len(beside) == 2
        expected = np.mean([vectors[row] @ vectors[other] for other in beside])
        assert frame["self_similarity"][row] == pytest.approx(expected, abs=1e-5)
    assert frame["self_similarity"][0] == pytest.approx(1.0)  # greedy: three times the same text
    assert "self_similarity" not in inb.diversity(grid, encoder=False)


def test_a_heat_map_shows_the_mean_over_all_other_axes(grid: Grid) -> None:
    frame = inb.diversity(grid, encoder=False)
    figure = inb.heat_map(frame, "distinct_1", columns="temperature", rows="top_k")
    (ax,) = figure.axes
    expected = [
        [frame["distinct_1"][[place + seed for seed in range(3)]].mean() for place in places]
        for places in ((0, 6), (3, 9))
    ]
    assert np.allclose(ax.images[0].get_array(), expected)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["off", "3"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1.5"]
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert inb.heat_map(grid, "tokens", rows="seed").axes[0].get_xlabel() == "temperature"


def test_a_heat_map_of_one_axis_and_of_missing_cells() -> None:
    def cell(place: int, temperature: float) -> Cell:
        event = SimpleNamespace(logprob_raw=-1.0, is_token=True)
        done: Any = SimpleNamespace(
            text="a", tokens=[event], finish_reason="length", usage=SimpleNamespace(completion_tokens=1)
        )
        return Cell(place, {"temperature": temperature}, done)

    grid = Grid({"temperature": (0.5, 1.0, 1.5)}, "a", (cell(0, 0.5), cell(2, 1.5)))
    (ax,) = inb.heat_map(grid).axes
    assert np.ma.getmaskarray(ax.images[0].get_array()).tolist() == [[False], [True], [False]]
    assert float(ax.images[0].get_array()[0, 0]) == pytest.approx(math.e)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": "text"}, "no numbers called 'text'"),
        ({"value": "temperature"}, "no numbers called 'temperature'"),
        ({"rows": "top_q"}, "no axis 'top_q'"),
        ({"rows": "seed", "columns": "seed"}, "both seed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(grid: Grid, options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidData, match=words) as refused:
        inb.heat_map(grid, **options)
    assert refused.value.hint


def test_what_is_no_grid_is_refused(tmp_path: Path) -> None:
    import pandas as pd

    with pytest.raises(InvalidData, match="is no grid"):
        inb.diversity(["a"])
    with pytest.raises(InvalidData, match="is no grid, and no frame"):
        inb.heat_map(pd.DataFrame({"perplexity": [1.0]}))
