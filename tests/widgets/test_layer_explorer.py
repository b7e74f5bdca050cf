"""The layers of the starter without a browser: what the page would set is set here."""

from __future__ import annotations

import numpy as np
import pytest

from influence_nb.embeddings.corpus import corpus
from influence_nb.embeddings.encode import Encoder, open_encoder
from influence_nb.embeddings.layer_maps import LayerMaps
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets import LayerExplorer

pytestmark = pytest.mark.starter
PATIENCE = 120  # seconds
TEXTS = corpus().iloc[::6].reset_index(drop=True)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_encoder(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> np.ndarray:
    return encoder.encode_layers(list(TEXTS["text"]))


@pytest.fixture
def explorer(encoder: Encoder) -> LayerExplorer:
    made = LayerExplorer(encoder, TEXTS)
    made.show().result(PATIENCE)
    return made


def test_the_slider_moves_through_the_layers(explorer: LayerExplorer, vectors: np.ndarray) -> None:
    assert explorer._slider.max == 6
    explorer.selected = [7]
    explorer.show().result(PATIENCE)
    maps, seen = LayerMaps(vectors), []
    for layer in (0, 3, 6):
        explorer._slider.value = layer  # what the page does
        explorer.show().result(PATIENCE)
        assert explorer.layer == layer
        near = explorer.neighbours
        assert near is not None
        assert near.index.tolist() == maps.neighbours(layer, 7, 8)[0].tolist()
        assert near.columns.tolist()[:3] == ["rank", "similarity", "text"]
        page = explorer.static_html()
        assert f"Nearest in layer {layer} to:" in page
        assert f"Layer {layer} of 6 of starter/embedding: PCA of 60 texts" in page
        assert page.count("data:image/png;base64,") == 2
        seen.append(page)
    assert len(set(seen)) == 3


def test_typed_text_is_followed_through_the_layers(explorer: LayerExplorer, encoder: Encoder) -> None:
    text = str(TEXTS["text"][5])
    explorer.type(text).result(PATIENCE)
    assert explorer.neighbours is not None
    assert explorer.neighbours.index[0] == 5
    explorer.show(4).result(PATIENCE)
    assert explorer.neighbours.index[0] == 5
    assert explorer.neighbours["similarity"].iloc[0] == pytest.approx(1, abs=1e-4)
    explorer.type(" ").result(PATIENCE)
    assert explorer.neighbours is None


def test_the_heat_map_and_other_projections(explorer: LayerExplorer) -> None:
    assert explorer.similarity is not None
    assert explorer.similarity.cka.shape == (7, 7)
    explorer.show(1, "umap").result(PATIENCE)
    assert "UMAP of 60 texts" in explorer.static_html()
    explorer.color = "kind"
    explorer.color = None
    with pytest.raises(InvalidData, match="no layer 7"):
        explorer.show(7)
    with pytest.raises(InvalidData, match="no projection"):
        explorer.projection = "flat"
    with pytest.raises(InvalidData, match="no column"):
        explorer.color = "text"
    with pytest.raises(InvalidData, match="no row"):
        explorer.selected = [60]
    assert explorer.layer == 1


def test_a_failure_is_shown_and_the_explorer_goes_on(
    explorer: LayerExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: Encoder, *_: object, **__: object) -> None:
        raise InfluenceError("The encoder <b>went</b> away.", "Open it again.")

    with monkeypatch.context() as patched:
        patched.setattr(Encoder, "encode_layers", lost)
        with pytest.raises(InfluenceError, match="went"):
            explorer.type("rain").result(PATIENCE)
    assert explorer.problem == "The encoder <b>went</b> away."
    explorer.type("rain falls").result(PATIENCE)
    assert explorer.problem == ""
    assert explorer.neighbours is not None


def test_few_texts_and_unknown_keywords(encoder: Encoder) -> None:
    few = LayerExplorer(encoder, ["rain", "sun"])
    few.show(2).result(PATIENCE)
    assert few.similarity is None
    assert few.static_html().count("<img") == 1
    with pytest.raises(InvalidData, match="no rows"):
        LayerExplorer(encoder, [])
    with pytest.raises(TypeError, match="colour"):
        LayerExplorer(encoder, ["rain"], colour="kind")
