"""Bulk encoding gives what the encoder gives, a file for a file, and makes no file twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import influence_nb as inb
from influence_nb.embeddings import bulk
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InvalidData, MissingExtra

TEXTS = [f"the cat sat on mat {'rain ' * (number % 5)}" for number in range(40)]


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra) as caught:
        inb.encode_bulk(tmp_path, tmp_path / "out")
    assert "influence_nb[ray]" in caught.value.hint


@pytest.fixture(scope="module")
def ray() -> Iterator[object]:
    import ray as found

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    found.init(num_cpus=3, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield found
    found.shutdown()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for place in range(4):
        frame = pd.DataFrame({"text": TEXTS[place * 10 : place * 10 + 10], "n": range(10)})
        frame.to_parquet(folder / f"part{place}.parquet", index=False)
    return folder


def read(files: list[Path]) -> np.ndarray:
    return np.stack([vector for file in files for vector in pd.read_parquet(file)["embedding"]])


@pytest.mark.extras("ray")
def test_a_file_for_a_file_and_none_twice(ray: object, data: Path, tiny_bert: Path, tmp_path: Path) -> None:
    expected = Encoder.open(tiny_bert, dtype="float32").encode(TEXTS)
    seen: list[tuple[int, int]] = []
    how = {"model": tiny_bert, "dtype": "float32", "device": "cpu"}
    files = inb.encode_bulk(data, tmp_path / "out", on_progress=lambda *step: seen.append(step), **how)
    np.testing.assert_allclose(read(files), expected, atol=1e-5)
    assert pd.read_parquet(files[0]).columns.tolist() == ["text", "n", "embedding"]
    assert seen[-1] == (4, 4)
    times = [file.stat().st_mtime_ns for file in files]
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:200])
    again: list[tuple[int, int]] = []
    assert (
        inb.encode_bulk(data, tmp_path / "out", on_progress=lambda *step: again.append(step), **how) == files
    )
    assert again == [(2, 4), (3, 4), (4, 4)]
    np.testing.assert_allclose(read(files), expected, atol=1e-5)
    now = [file.stat().st_mtime_ns for file in files]
    assert [old == new for old, new in zip(times, now, strict=True)] == [True, False, False, True]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*(file.name for file in files), "how.json"]
    )
    with pytest.raises(InvalidData, match="made another way"):
        inb.encode_bulk(data, tmp_path / "out", pooling="cls", **how)


@pytest.mark.extras("ray")
def test_other_data_is_cut_into_files(
    ray: object, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ROWS", 15)
    pd.DataFrame({"body": TEXTS}).to_csv(tmp_path / "a.csv", index=False)
    files = inb.encode_bulk(
        tmp_path / "a.csv", tmp_path / "out", "body", tiny_bert, dtype="float32", device="cpu", workers=2
    )
    assert len(files) == 3
    expected = Encoder.open(tiny_bert, dtype="float32").encode(TEXTS)
    np.testing.assert_allclose(read(files), expected, atol=1e-5)


@pytest.mark.extras("ray")
def test_what_a_worker_refuses(ray: object, data: Path, tiny_bert: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", None], "n": [1, 2]})
    frame.to_parquet(data / "part2.parquet", index=False)
    how = {"model": tiny_bert, "dtype": "float32", "device": "cpu"}
    with pytest.raises(InvalidData, match=r"part2\.parquet has rows whose 'text' is no text"):
        inb.encode_bulk(data, tmp_path / "out", **how)
    frame.dropna().to_parquet(data / "part2.parquet", index=False)
    assert len(read(inb.encode_bulk(data, tmp_path / "out", **how))) == 31
    with pytest.raises(InvalidData, match="no column 'body'"):
        inb.encode_bulk(data, tmp_path / "other", "body", **how)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="no Parquet files"):
        inb.encode_bulk(tmp_path / "empty", tmp_path / "other", **how)
