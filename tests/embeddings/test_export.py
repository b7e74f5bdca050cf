"""Maps as files: what is in them, that texts do nothing in a page, and that no file is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.errors import InvalidData, NotEnoughDisk
from tests.embeddings.test_cache import no_more_than

EVIL = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def map() -> EmbeddingMap:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"text": [EVIL, *(f"text {i}" for i in range(39))], "group": ["a", None] * 20})
    frame["n"] = [np.nan, *range(39)]
    frame["when"] = pd.date_range("2025-01-01", periods=40)
    return EmbeddingMap(frame, vectors=rng.normal(size=(40, 6)).astype(np.float32), projection="pca")


def test_vectors_and_data_come_back(map: EmbeddingMap, tmp_path: Path) -> None:
    np.testing.assert_array_equal(np.load(map.save(tmp_path / "v.npy")), map.vectors)
    np.testing.assert_array_equal(np.load(map.save(tmp_path / "w.npy", rows=[3, 1])), map.vectors[[3, 1]])
    back = pd.read_parquet(map.save(tmp_path / "m.parquet", rows=[5, 2]))
    np.testing.assert_array_equal(np.stack(back["vector"]), map.vectors[[5, 2]])
    assert back["text"].tolist() == map.frame["text"].iloc[[5, 2]].tolist()
    np.testing.assert_array_equal(back[["x", "y"]], map.project().points[[5, 2]])
    again = EmbeddingMap(back, vectors="vector", projection="pca")
    np.testing.assert_array_equal(again.vectors, map.vectors[[5, 2]])


def test_pictures(map: EmbeddingMap, tmp_path: Path) -> None:
    assert map.save(tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    svg = map.save(str(tmp_path / "m.SVG"), color="n").read_text()
    assert "<svg" in svg


def test_a_page_holds_its_data_and_texts_are_no_markup(map: EmbeddingMap, tmp_path: Path) -> None:
    clusters = pd.Series(["x", "y"] * 20, name="cluster")
    page = map.save(tmp_path / "m.html", color=clusters).read_text(encoding="utf-8")
    assert EVIL not in page
    assert not re.search(r"""(src|href)=["']?http""", page)
    written = re.search(r'<script type="application/json" id="map">(.*?)</script>', page, re.DOTALL)
    assert written is not None
    data = json.loads(written[1])
    assert data["texts"][0] == EVIL
    assert data["color"] == "cluster"
    assert [column["kind"] for column in data["columns"]] == ["categories", "numbers", "words", "categories"]
    assert map.quality().words == data["trust"]["words"]
    assert map.quality().warning == data["trust"]["warning"] != ""


def test_a_file_that_is_there_stays(map: EmbeddingMap, tmp_path: Path) -> None:
    path = tmp_path / "m.npy"
    path.write_text("mine")
    with pytest.raises(InvalidData, match="there already"):
        map.save(path)
    assert path.read_text() == "mine"

    with no_more_than(200), pytest.raises(NotEnoughDisk, match="no room"):
        map.save(path, overwrite=True)
    assert path.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["m.npy"]
    map.save(path, overwrite=True)
    assert len(np.load(path)) == 40


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("m.txt", {}, "'.txt'"),
        ("m", {}, "not saved as"),
        ("m.npy", {"rows": []}, "no rows"),
        ("m.npy", {"rows": [40]}, "no row 40"),
        ("m.npy", {"rows": [0.5]}, "no row numbers"),
        ("m.png", {"color": "shape"}, "no column 'shape'"),
        ("m.png", {"projection": "round"}, "no projection"),
        ("no/such/folder/m.npy", {}, "no folder"),
    ],
)
def test_what_cannot_be_saved(
    map: EmbeddingMap, tmp_path: Path, name: str, told: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        map.save(tmp_path / name, **told)
    assert not list(tmp_path.iterdir())
