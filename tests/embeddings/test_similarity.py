"""A small set of texts, each with each."""

from __future__ import annotations

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InvalidData

pytestmark = pytest.mark.starter
TEXTS = ["A cat sleeps.", "Stocks fell today.", "A kitten naps.", "The market lost value.", "It is raining."]


def test_the_matrix_is_the_cosines(starter: Encoder) -> None:
    found = inb.similarity(TEXTS, starter)
    vectors = starter.encode(TEXTS)
    np.testing.assert_allclose(found.matrix, vectors @ vectors.T, atol=1e-5)
    frame = found.to_frame()
    assert frame.index.tolist() == frame.columns.tolist() == TEXTS
    near = found.nearest(1)
    assert near.loc[near["text"] == "A cat sleeps.", "nearest"].tolist() == ["A kitten naps."]
    assert near.loc[near["text"] == "Stocks fell today.", "nearest"].tolist() == ["The market lost value."]
    assert near["similarity"].iloc[0] == pytest.approx(float(found.matrix[0, 2]))


def test_alike_texts_stand_together(starter: Encoder) -> None:
    found = inb.similarity(TEXTS, starter)
    order = found.order[0].tolist()
    assert sorted(order) == list(range(5))
    assert abs(order.index(0) - order.index(2)) == 1
    assert abs(order.index(1) - order.index(3)) == 1
    drawn = [tick.get_text() for tick in found.plot().axes[0].get_yticklabels()]
    assert drawn == [TEXTS[row] for row in order]
    given = [tick.get_text() for tick in found.plot(ordered=False).axes[0].get_yticklabels()]
    assert given == TEXTS


def test_two_sets_of_texts(starter: Encoder) -> None:
    found = inb.similarity(TEXTS[:2], starter, ["A dog sleeps.", "Prices sank.", "$x$ <b>"])
    assert found.matrix.shape == (2, 3)
    assert found.nearest(1)["nearest"].tolist() == ["A dog sleeps.", "Prices sank."]
    assert found._repr_html_().count("<img") == 1
    assert [len(side) for side in found.order] == [2, 3]
    assert len(found.nearest(3)) == 6


def test_what_it_refuses(starter: Encoder) -> None:
    for empty in ([], None):
        with pytest.raises(InvalidData):
            inb.similarity(empty, starter)
    with pytest.raises(InvalidData, match="no texts"):
        inb.similarity(TEXTS, starter, [])
    found = inb.similarity(TEXTS, starter)
    with pytest.raises(InvalidData, match="k=5"):
        found.nearest(5)
    alone = inb.similarity("only one", starter)
    with pytest.raises(InvalidData, match="no nearest"):
        alone.nearest(1)
    assert alone.plot() is not None
    many = inb.similarity([f"text {i}" for i in range(61)], starter)
    with pytest.raises(InvalidData, match="cannot be read"):
        many.plot()
    assert "61 texts" in many._repr_html_()
