"""What the explorer says of a map's faithfulness, and shades and draws by it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from waiting import WAIT, until

from influence_nb.embeddings import map as maps
from influence_nb.embeddings import project as projecting
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.quality import measure
from influence_nb.embeddings.text_encoder import Encoded
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets import EmbeddingExplorer
from influence_nb.widgets import trust as trusting
from influence_nb.widgets.scatter_look import FAINT


class Angles:
    """Stands in for an encoder: a text is a number, its vector points that way, and two dimensions more wobble."""

    name = "angles"

    def encode(self, texts: object, **_: object) -> np.ndarray:
        turns = np.array([float(text) for text in ([texts] if isinstance(texts, str) else texts)])
        parts = [np.cos(turns), np.sin(turns), np.cos(7 * turns), np.sin(5 * turns)]
        return np.stack(parts, 1).astype(np.float32)

    def encoded(self, texts: object, **_: object) -> Encoded:
        return Encoded(self.encode(texts), (), 0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> EmbeddingMap:
    monkeypatch.setattr(maps, "open_encoder", lambda _: Angles())
    frame = pd.DataFrame({"text": [str(one) for one in np.linspace(0, 6, 60)]})
    return EmbeddingMap(frame, projection="pca")


def faded(explorer: EmbeddingExplorer) -> np.ndarray:
    """By what the points on the page fade: 0 is faint."""
    column = {"valueA": 2, "valueB": 3}[explorer.scatter.opacity_by]
    codes = np.asarray(explorer.scatter.points)[:, column].astype(int)
    return (np.asarray(explorer.scatter.opacity)[codes] - FAINT) / (1 - FAINT)


def test_the_measure_is_said_and_left_to_a_reader(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    found = explorer.measure().result(WAIT)
    own = measure(made.project("pca").points, made.vectors)
    np.testing.assert_array_equal(found.trustworthiness, own.trustworthiness)
    assert found is made.quality()
    said = f"keeps {own.kept.mean():.0%} ({15 / 59:.0%} by chance)"
    assert said in explorer._trust.line.value
    assert said in explorer.static_html()


def test_points_fade_by_what_is_chosen(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    found = explorer.measure().result(WAIT)
    for name in ("kept", "continuity"):
        explorer.shade = name
        np.testing.assert_allclose(faded(explorer), getattr(found, name) ** 2, atol=0.01)
        assert "Faint points" in explorer.static_html()
    explorer.shade = ""
    assert explorer.scatter.opacity_by is None
    with pytest.raises(InvalidData, match="'beauty'"):
        explorer.shade = "beauty"
    assert explorer.shade == ""


def test_another_projection_is_measured_anew(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    explorer.measure().result(WAIT)
    explorer.shade = "trustworthiness"
    explorer.show("umap").result(WAIT)
    found = explorer.measure().result(WAIT)
    assert found is made.quality(projection="umap")
    np.testing.assert_allclose(faded(explorer), found.trustworthiness**2, atol=0.01)


def test_a_map_is_laid_out_anew_by_what_is_typed_into_its_fields(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    assert explorer._layout.children == ()  # PCA has nothing to tell
    explorer.show("umap").result(WAIT)
    before = made.project("umap").points
    picture = explorer.static_html().partition("base64,")[2].partition('"')[0]
    neighbours, least = explorer._layout.children
    assert (neighbours.value, least.value) == (15, 0.1)
    neighbours.value = 40
    explorer.show("umap").result(WAIT)
    assert made.parameters("umap") == {"neighbours": 40, "min_dist": 0.1}
    assert not np.allclose(made.project("umap").points, before)
    assert picture not in explorer.static_html()
    assert explorer.measure().result(WAIT) is made.quality(projection="umap")
    explorer.show("pca").result(WAIT)
    explorer.show("umap").result(WAIT)
    assert explorer._layout.children[0].value == 40
    with pytest.raises(InvalidData, match="min_dist=3"):
        explorer.show("umap", min_dist=3)
    with pytest.raises(InvalidData, match="no parameter 'perplexity'"):
        explorer.show("umap", perplexity=5)
    assert explorer.show("tsne", perplexity=5).result(WAIT) is None
    assert made.parameters("tsne") == {"perplexity": 5}
    assert "t-SNE of 60 texts" in explorer.static_html()


def test_the_last_that_is_asked_for_is_what_stays(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made, projection="umap")
    assert [field.value for field in explorer._layout.children] == [15, 0.1]
    first = made.project("umap").points
    explorer.show("umap", neighbours=5)
    explorer.show("umap", min_dist=0.5)  # told beside what was asked for before, not instead of it
    explorer.show("umap").result(WAIT)
    assert made.parameters("umap") == {"neighbours": 5, "min_dist": 0.5}
    for count in (3, 4, 6, 15):
        last = explorer.show("umap", neighbours=count, min_dist=0.1)
    last.result(WAIT)
    assert made.parameters("umap") == {"neighbours": 15, "min_dist": 0.1}
    np.testing.assert_array_equal(explorer.selection[["x", "y"]], first[explorer.selected])
    np.testing.assert_array_equal(explorer._scatter._points, first)


def test_a_layout_that_failed_can_be_asked_for_again(
    made: EmbeddingMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = EmbeddingExplorer(made)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setitem(projecting.PROJECTIONS, "umap", fail)
        with pytest.raises(InfluenceError):
            explorer.show("umap", neighbours=5).result(WAIT)
    assert explorer.problem
    explorer.show("umap", neighbours=5).result(WAIT)
    assert made.parameters("umap") == {"neighbours": 5, "min_dist": 0.1}
    assert explorer.problem == ""


def test_a_typed_text_has_neighbours_where_it_has_no_place(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made, projection="tsne")
    assert explorer.type("1.5").result(WAIT) is explorer.neighbours is not None
    assert not explorer.scatter.annotations
    assert "no place" in explorer.message
    explorer.show("pca").result(WAIT)
    assert len(explorer.scatter.annotations) == 2
    assert explorer.message == ""


def test_a_large_map_is_measured_when_somebody_asks(
    made: EmbeddingMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusting, "AT_ONCE", 10)
    explorer = EmbeddingExplorer(made)
    assert "measured when it is shaded" in explorer._trust.line.value
    assert explorer._trust.quality is None
    explorer.shade = "kept"
    assert explorer._trust.measured.result(WAIT) is made.quality()


def test_lines_lead_from_the_point_under_the_pointer_to_its_true_neighbours(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    plot = explorer.scatter
    plot.hovering = 30
    until(plot, lambda: len(plot.annotations or []) == 10, "annotations")
    drawn = {tuple(map(tuple, line.vertices)) for line in explorer._scatter._rays}
    near = made.neighbours(30, k=10).index
    plotted = np.asarray(plot.points)[:, :2]
    np.testing.assert_allclose(
        sorted(drawn), sorted((tuple(plotted[30]), tuple(plotted[row])) for row in near), atol=1e-5
    )
    plot.hovering = None
    until(plot, lambda: not plot.annotations, "annotations")
    explorer.type("1.5").result(WAIT)
    plot.hovering = 3
    until(plot, lambda: len(plot.annotations) == 12, "annotations")  # beside the cross of the typed text
    explorer._rays.control.value = False
    plot.hovering = 4
    until(plot, lambda: len(plot.annotations) == 2, "annotations")
    assert explorer._scatter._rays == []


def test_two_texts_have_nothing_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "open_encoder", lambda _: Angles())
    explorer = EmbeddingExplorer(EmbeddingMap(["0.1", "0.7"], projection="pca"))
    explorer.shade = "kept"
    assert explorer._trust.line.value == ""
    with pytest.raises(InvalidData, match="2 points"):
        explorer.measure().result(WAIT)
    assert 'role="alert"' in explorer._trust.line.value
