"""The explorer without a browser: what the page would set is set here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.corpus import corpus
from influence_nb.embeddings.encode import Encoder, open_encoder
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets import EmbeddingExplorer

pytestmark = pytest.mark.starter
PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def map() -> EmbeddingMap:
    """The corpus by PCA."""
    return EmbeddingMap(corpus(), encoder=open_encoder(device="cpu", dtype="float32"), projection="pca")


def page_selects(explorer: EmbeddingExplorer, rows: list[int]) -> None:
    """What a lasso on the page does."""
    explorer.scatter.selection = np.asarray(rows, dtype="uint32")


def test_what_the_page_selects_arrives_as_a_frame(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    seen: list[list[int]] = []
    explorer.observe(lambda change: seen.append(change["new"]), "selected")
    page_selects(explorer, [5, 2, 300])
    assert seen == [[5, 2, 300]]
    assert explorer.selection.index.tolist() == [5, 2, 300]
    assert explorer.selection["text"].tolist() == [map.frame["text"][row] for row in (5, 2, 300)]
    np.testing.assert_array_equal(explorer.selection[["x", "y"]], map.project("pca").points[[5, 2, 300]])
    page_selects(explorer, [])
    assert explorer.selection.empty


def test_python_selects_on_the_page(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    explorer.selected = [7, 8]
    assert explorer.scatter.selection.tolist() == [7, 8]
    with pytest.raises(InvalidData, match="no row 360"):
        explorer.selected = [360]
    assert explorer.selected == [7, 8]


def test_typed_text_is_answered(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    near = explorer.type("the central bank cut interest rates").result(PATIENCE)
    assert near is not None
    assert near.index.tolist() == map.neighbours("the central bank cut interest rates").index.tolist()
    assert explorer.neighbours is near
    assert len(explorer.scatter.annotations) == 2  # a cross
    assert explorer.type("").result(PATIENCE) is None
    assert not explorer.scatter.annotations
    assert explorer.neighbours is None


def test_the_last_of_many_texts_is_the_one_that_stays(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    futures = [explorer.type(text) for text in ("r", "ra", "rai", "rain on the pitch")]
    last = futures[-1].result(PATIENCE)
    for future in futures:
        future.result(PATIENCE)
    assert explorer.neighbours is last
    assert last is not None
    assert last["topic"].iloc[0] == "football"


def test_a_failure_is_shown_and_the_explorer_goes_on(
    map: EmbeddingMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = EmbeddingExplorer(map)

    def no_encoder(self: Encoder, *_: object, **__: object) -> None:
        raise InfluenceError("The encoder <b>went</b> away.", "Fetch it again.")

    with monkeypatch.context() as patched:
        patched.setattr(Encoder, "encode", no_encoder)
        with pytest.raises(InfluenceError, match="went"):
            explorer.type("rain").result(PATIENCE)
    assert explorer.problem == "The encoder <b>went</b> away."
    shown = explorer.message
    assert "The encoder &lt;b&gt;went&lt;/b&gt; away." in shown
    assert "Fetch it again." in shown
    assert explorer.type("rain falls").result(PATIENCE) is not None
    assert explorer.problem == ""


def test_switching_the_projection_moves_the_points_and_keeps_the_selection(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    explorer.selected = [4]
    before = explorer.scatter.points[:, :2].copy()
    explorer.show("umap").result(PATIENCE)
    assert explorer.projection == "umap"
    assert explorer.selected == [4]
    assert not np.allclose(explorer.scatter.points[:, :2], before)
    np.testing.assert_array_equal(explorer.selection[["x", "y"]], map.project("umap").points[[4]])
    with pytest.raises(InvalidData, match="no projection 'round'"):
        explorer.projection = "round"


def test_colours(map: EmbeddingMap) -> None:
    explorer = EmbeddingExplorer(map)
    assert explorer.color == "topic"
    assert len(explorer.scatter.color) >= 12
    explorer.color = "kind"
    assert len(explorer.scatter.color) == 3
    explorer.color = None
    assert explorer.color is None
    with pytest.raises(InvalidData, match="no column 'shape'"):
        explorer.color = "shape"
    with pytest.raises(InvalidData, match="topic, kind"):
        EmbeddingExplorer(map, color="shape")


def test_numbers_are_coloured_on_a_scale_after_categories() -> None:
    encoder = open_encoder(device="cpu", dtype="float32")
    rows = [{"text": f"text {i}", "group": "ab"[i % 2], "n": i / 2} for i in range(20)]
    explorer = EmbeddingExplorer(EmbeddingMap(rows, encoder=encoder, projection="pca"))
    assert explorer.color == "group"
    explorer.color = "n"
    assert len(explorer.scatter.color) == 256
    explorer.color = "group"
    assert len(explorer.scatter.color) == 2


def test_the_static_rendering_has_picture_and_tables_and_no_markup_from_texts() -> None:
    encoder = open_encoder(device="cpu", dtype="float32")
    texts = ["<script>alert(1)</script>", "rain", "sun", "snow", "hail", "fog"]
    explorer = EmbeddingExplorer(EmbeddingMap(texts, encoder=encoder, projection="pca"))
    explorer.selected = [0, 1]
    html = explorer.static_html()
    assert "data:image/png;base64," in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "2 chosen texts" in html


def test_unknown_keywords_raise(map: EmbeddingMap) -> None:
    with pytest.raises(TypeError, match="colour"):
        EmbeddingExplorer(map, colour="topic")


def test_odd_columns_are_shown(map: EmbeddingMap) -> None:
    rows = 20
    frame = pd.DataFrame(
        {
            "text": [f"text number {i}" for i in range(rows)],
            0: ["a", None, "b", float("nan")] * 5,
            "n": pd.array([None, *range(rows - 1)], "Int64"),
            "f": [float("nan"), *(i / 2 for i in range(rows - 1))],
            "tags": [["x"], []] * 10,
            "map tip": ["yes", "no"] * 10,
            "tip": [{"a": 1}] * rows,
        }
    )
    explorer = EmbeddingExplorer(EmbeddingMap(frame, encoder=map.encoder, projection="pca"))
    assert explorer.color == "0"
    for color in ("0", "n", "f", "map tip"):
        explorer.color = color
        assert np.isfinite(explorer.scatter.points).all()
    with pytest.raises(InvalidData, match="no column 'tags'"):
        explorer.color = "tags"
    page_selects(explorer, [0, 1])
    assert explorer.selection["tags"].tolist() == [["x"], []]


@pytest.mark.parametrize("map", [5, None, "text"])
def test_what_is_no_map(map: object) -> None:
    with pytest.raises(InvalidData, match="EmbeddingMap"):
        EmbeddingExplorer(map)
