"""The explorer's rooms: filters, threshold, looks, finds and saving, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from waiting import WAIT

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets import EmbeddingExplorer
from influence_nb.widgets.explorer_filter import LISTED
from influence_nb.widgets.outbox import Outbox

WORDS = ["boat sail wind", "bread oven flour", "goal keeper pitch"]


@pytest.fixture(scope="module")
def made() -> EmbeddingMap:
    """Ninety texts around three centres."""
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    vectors = (rng.normal(size=(3, 12))[group] * 4 + rng.normal(size=(90, 12))).astype(np.float32)
    vectors[50] = vectors[20]
    frame = pd.DataFrame({"text": [f"the {WORDS[one]} number {i}" for i, one in enumerate(group)]})
    frame["group"] = np.array(["sea", "kitchen", "field"])[group]
    frame["n"] = np.arange(90) / 2
    frame["id"] = [f"id{i:03}" for i in range(90)]
    frame["when"] = pd.date_range("2025-01-01", periods=90)
    frame["gone"] = np.nan
    frame["tags"] = [["a"]] * 90
    return EmbeddingMap(frame, vectors=vectors, projection="pca")


def test_what_a_filter_hides_is_neither_shown_nor_chosen_nor_listed(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    explorer.selected = [0, 1, 2]
    explorer.filters = {"group": ["sea"], "n": (10, None)}
    rows = [row for row in range(90) if row % 3 == 0 and row >= 20]
    assert explorer.shown.index.tolist() == explorer.scatter.filter.tolist() == rows
    assert explorer.selected == []
    explorer.selected = [21, 22]
    assert explorer.selection.index.tolist() == [21]
    assert "23 of 90 shown: group is sea" in explorer._shows.count.value
    assert set(explorer.outliers(50).result(WAIT).index) == set(rows)
    assert explorer.duplicates(0.999).result(WAIT).empty
    explorer.filters = {}
    assert explorer.scatter.filter is None
    assert len(explorer.shown) == 90
    with pytest.raises(InvalidData, match="no column 'shape'"):
        explorer.filters = {"shape": "x"}
    assert explorer.filters == {}


def test_the_form_makes_filters_of_every_kind_of_column(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    form = explorer._filter
    form.words.value = "BREAD"
    assert explorer.filters == {"text": "BREAD"}
    form.column.value = "group"
    box = next(one for one in form.values.children if one.description.startswith("kitchen"))
    assert box.description == "kitchen (30)"
    box.value = True
    assert explorer.filters == {"text": "BREAD", "group": ["kitchen"]}
    form.column.value = "n"
    form.low.value = "few"
    assert "no number" in form._note.value
    form.low.value = "30"
    form.column.value = "when"
    form.high.value = "2025-03-15"
    assert explorer.shown.index.tolist() == [61, 64, 67, 70, 73]
    form.high.value = "soon"
    assert "no date" in form._note.value
    explorer.filters = {}
    assert (form.high.value, form.words.value) == ("", "")
    form.column.value = "id"
    assert len(form.values.children) == LISTED
    form.find.value = "089"
    assert [one.description for one in form.values.children] == ["id089 (1)"]
    form.values.children[0].value = True
    assert explorer.shown.index.tolist() == [89]
    for name in ("gone", "tags"):
        form.column.value = name


def test_a_threshold_lists_all_that_reach_it(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    explorer._asked.answer(made.similarities(4), "row 4", 4)
    explorer._list()
    assert explorer.neighbours.index.tolist() == made.neighbours(4).index.tolist()
    explorer._asked.slider.value = 0.5
    assert explorer.threshold == 0.5
    similar = made.similarities(4)
    reached = {row for row in range(90) if similar[row] >= 0.5} - {4}
    assert set(explorer.neighbours.index) == reached
    assert f"{len(reached)} of 89 texts are at 0.50 or above" in explorer._asked._count.value
    codes = np.asarray(explorer.scatter.points)[:, 3].astype(int)
    opacity = np.asarray(explorer.scatter.opacity)[codes]
    assert set(np.flatnonzero(opacity > 0.5)) == reached | {4}
    explorer.filters = {"group": ["sea"]}
    assert set(explorer.neighbours.index) == {row for row in reached if row % 3 == 0}
    explorer.threshold = None
    assert len(explorer.neighbours) == 10
    assert explorer.scatter.opacity_by is None


def test_size_and_opacity_share_a_number(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    explorer.size, explorer.shade = "n", "n"
    plot = explorer.scatter
    assert plot.size_by == plot.opacity_by == "valueB"
    codes = np.asarray(plot.points)[:, 3].astype(int)
    for look in (plot.size, plot.opacity):
        values = np.asarray(look)[codes]
        assert (np.diff(values) >= 0).all()
        assert values[-1] > 4 * values[0]
    explorer.size = "gone"
    explorer.size = None
    assert plot.size_by is None
    with pytest.raises(InvalidData, match="no column 'group' to size by"):
        explorer.size = "group"


def test_clusters_colour_and_name_the_map_and_one_is_chosen_by_a_click(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    with pytest.raises(InvalidData, match="No clusters"):
        explorer.color = "(clusters)"
    found = explorer.clusters(8).result(WAIT)
    assert explorer.color == "(clusters)"
    assert sorted(explorer.scatter.labels["label"]) == sorted(found.names)
    explorer._clusters._list._heard(None, {"type": "pick", "row": 1}, None)
    assert explorer.selected == np.flatnonzero(found.labels == 1).tolist()
    assert found.names[0] in explorer._shows.legend.value
    explorer.color = "group"
    assert explorer.scatter.labels["label"].tolist() == [""]
    with pytest.raises(InvalidData, match="too few"):
        explorer.clusters(80).result(WAIT)
    assert "too few" in explorer._clusters._line.value


def test_a_click_on_a_duplicate_chooses_both(made: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(made)
    assert explorer.duplicates(0.9999).result(WAIT)["of"].to_dict() == {50: 20}
    explorer._duplicates._list._heard(None, {"type": "pick", "row": 0}, None)
    assert explorer.selected == [20, 50]


def test_saving(made: EmbeddingMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    explorer = EmbeddingExplorer(made)
    explorer.selected = [4, 7]
    form = explorer._save
    form.kind.value, form.rows.value = ".npy", "chosen"
    assert form.name.value == "map.npy"
    path = form.save().result(WAIT)
    np.testing.assert_array_equal(np.load(path), made.vectors[[4, 7]])
    with pytest.raises(InvalidData, match="there already"):
        form.save().result(WAIT)
    assert "there already" in form._line.value
    form.replace.value = True
    form.rows.value = "all"
    assert len(np.load(form.save().result(WAIT))) == 90
    explorer.filters = {"group": ["sea"]}
    assert len(np.load(explorer.save(tmp_path / "shown.npy", rows="shown"))) == 30
    with pytest.raises(InvalidData, match="rows='some'"):
        explorer.save("x.npy", rows="some")


@pytest.mark.parametrize("vectors", [np.ones((1, 3)), np.ones((2, 3)), np.zeros((2, 3))])
def test_one_point_and_two_the_same(vectors: np.ndarray) -> None:
    map = EmbeddingMap(["a", "b"][: len(vectors)], vectors=vectors.astype(np.float32), projection="pca")
    explorer = EmbeddingExplorer(map)
    assert np.isfinite(explorer.scatter.points).all()
    explorer.threshold = 0.5
    explorer.selected = [0]
    assert explorer.duplicates().result(WAIT) is not None
    explorer.filters = {"text": "nothing has this"}
    assert explorer.shown.empty
    assert "0 of" in explorer.static_html()


def test_a_busy_page_gets_the_last_that_was_sent() -> None:
    now, sent, there = ["first"], [], [True]

    def send() -> float:
        sent.append(now[0])
        return 3600

    box = Outbox(send, lambda: there[0])
    box.post()
    for now[0] in ("second", "third"):
        box.post()
    assert sent == ["first"]
    box._later()  # what its timer does
    assert sent == ["first", "third"]
    there[0], now[0] = False, "fourth"
    box.post()
    assert sent[-1] == "fourth"


def test_a_search_through_the_map_can_be_stopped(made: EmbeddingMap, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = EmbeddingExplorer(made)
    finds = explorer._outliers
    begun, stopped = threading.Event(), threading.Event()

    def looking(
        *args: object, on_progress: Callable[[int, int], None], cancel: threading.Event, **_: object
    ) -> None:
        on_progress(40, 90)
        begun.set()
        cancel.wait(WAIT)
        stopped.set()
        raise InfluenceError("Stopped after 40 of 90 texts.", "Start again.")

    monkeypatch.setattr(made, "outliers", looking)
    looked = explorer.outliers(3)
    assert begun.wait(WAIT)
    assert "40 of 90 texts compared" in finds._line.value
    assert finds._stop.layout.display == ""
    finds._stop.click()
    assert stopped.wait(WAIT)
    with pytest.raises(InfluenceError, match="Stopped after 40"):
        looked.result(WAIT)
    assert "Stopped" in finds._line.value
    assert "problem" not in finds._line.value
    assert finds._stop.layout.display == "none"
    monkeypatch.undo()
    assert len(explorer.outliers(3).result(WAIT)) == 3
    assert finds._stop.layout.display == "none"
