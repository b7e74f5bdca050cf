"""Two linked maps without a browser: what the page would set is set here."""

from __future__ import annotations

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.embeddings.compare import MapComparison, aligned
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData
from influence_nb.widgets import CompareExplorer

PATIENCE = 60  # seconds
rng = np.random.default_rng(0)
FRAME = [{"text": f"text {i} <b>", "group": "ab"[i % 2]} for i in range(40)]
VECTORS = rng.normal(size=(2, 40, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def comparison() -> MapComparison:
    """Two maps by chance."""
    a, b = (EmbeddingMap(FRAME, vectors=one, projection="pca") for one in VECTORS)
    return inb.compare_maps(a, b, names=("one", "two"))


def page_selects(plot: object, rows: list[int]) -> None:
    """What a lasso on the page does."""
    plot.selection = np.asarray(rows, dtype="uint32")


def test_what_is_chosen_on_one_map_is_chosen_on_the_other(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison)
    for mine, other in ((0, 1), (1, 0)):
        page_selects(explorer.scatters[mine], [5, 2, 30 + mine])
        assert explorer.selected == [5, 2, 30 + mine]
        assert explorer.scatters[other].selection.tolist() == [5, 2, 30 + mine]


def test_pointing_at_a_text_marks_it_on_the_other_map(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison)
    explorer.scatters[0].hovering = 7
    assert len(explorer.scatters[1].annotations) == 2  # a cross
    assert not explorer.scatters[0].annotations
    explorer.scatters[0].hovering = None
    assert not explorer.scatters[1].annotations


def test_one_text_has_its_neighbours_on_both(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison)
    explorer.choose(11).result(PATIENCE)
    assert explorer.neighbours is not None
    for near, map in zip(explorer.neighbours, (comparison.a, comparison.b), strict=True):
        assert near.equals(map.neighbours(11))
    page = explorer.static_html()
    assert "Nearest by one" in page
    assert "Nearest by two" in page
    assert "text 11 &lt;b&gt;" in page
    assert "<b>" not in page
    with pytest.raises(InvalidData, match="no row 40"):
        explorer.selected = [40]
    assert explorer.selected == [11]


def test_the_list_chooses_those_who_moved_most(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison)
    rows = [row for _, row in explorer._list.options]
    assert rows == [-1, *comparison.moved.index]
    explorer._list.value = rows[3]  # what a click, or an arrow key, does
    assert explorer.selected == [rows[3]]
    explorer._step(1)
    assert explorer.selected == [rows[4]]
    explorer._step(-1)
    explorer._step(-1)
    assert explorer.selected == [rows[2]]
    explorer.selected = [1, 2]
    assert explorer._list.value == -1
    assert explorer.selected == [1, 2]


def test_colours_and_the_second_map_turned_onto_the_first(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison)
    assert explorer.color == "group"
    for color in ("overlap", "shift", None):
        explorer.color = color
    with pytest.raises(InvalidData, match="no column 'text'") as caught:
        explorer.color = "text"
    assert caught.value.hint == "There are: overlap, shift, group."
    first, second = comparison.points
    np.testing.assert_array_equal(first, comparison.a.project().points)
    np.testing.assert_array_equal(second, aligned(comparison.b.project().points, first))


def test_it_takes_two_maps_and_nothing_else(comparison: MapComparison) -> None:
    explorer = CompareExplorer(comparison.a, comparison.b)
    np.testing.assert_array_equal(explorer.comparison.overlap, comparison.overlap)
    for given in ((comparison.a,), (comparison, comparison.b)):
        with pytest.raises(InvalidData, match="Two maps"):
            CompareExplorer(*given)
    with pytest.raises(TypeError, match="colour"):
        CompareExplorer(comparison, colour="group")
