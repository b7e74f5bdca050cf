"""Vectors written as they are made: the same as in memory, and gone on with after whatever stopped it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import influence_nb as inb
from influence_nb.embeddings import streaming
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InfluenceError, InvalidData, NotEnoughDisk
from tests.embeddings.test_cache import no_more_than, rows_run

TEXTS = [f"the cat sat on mat {'rain ' * (number % 5)}{'dog ' * (number // 5 % 4)}" for number in range(50)]


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "TEXTS", 8)


@pytest.fixture
def encoder(tiny_bert: Path) -> Encoder:
    return Encoder.open(tiny_bert, dtype="float32")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_file_holds_what_encode_gives(encoder: Encoder, tmp_path: Path, dtype: str) -> None:
    expected, seen = encoder.encode(TEXTS), []
    found = encoder.encode_to(
        tmp_path / "out.npy", iter(TEXTS), dtype=dtype, on_progress=lambda *step: seen.append(step)
    )
    assert isinstance(found, np.memmap)
    assert (found.shape, found.dtype, seen[-1]) == ((50, 16), np.dtype(dtype), (50, None))
    np.testing.assert_allclose(found, expected, atol=1e-5 if dtype == "float32" else 2e-3)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), found)
    assert [path.name for path in tmp_path.iterdir()] == ["out.npy"]


def test_a_map_takes_the_file_as_it_lies(encoder: Encoder, tmp_path: Path) -> None:
    for dtype in ("float32", "float16"):
        path = tmp_path / f"{dtype}.npy"
        encoder.encode_to(path, TEXTS, dtype=dtype)
        made = inb.EmbeddingMap(TEXTS, vectors=path, encoder=encoder, projection="pca")
        assert not made.vectors.flags.owndata
        assert made.vectors.dtype == dtype
        assert made.neighbours(0, k=3)["rank"].tolist() == [1, 2, 3]
        assert made.neighbours("the cat", k=2)["rank"].tolist() == [1, 2]
        assert len(made.quality(k=3).trustworthiness) == 50


def test_all_that_holds_texts(encoder: Encoder, tmp_path: Path) -> None:
    frame = pd.DataFrame({"body": TEXTS, "n": range(50)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    expected, seen = encoder.encode(TEXTS), []
    for data in (frame, tmp_path / "a.csv", str(tmp_path / "a.parquet")):
        found = encoder.encode_to(
            tmp_path / "out.npy", data, "body", on_progress=lambda *step: seen.append(step), overwrite=True
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert seen[-1] == (50, 50)
    with pytest.raises(InvalidData, match="no column 'text'"):
        encoder.encode_to(tmp_path / "other.npy", frame)


def test_cancelled_it_goes_on(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, cancel = rows_run(encoder, monkeypatch), threading.Event()
    with pytest.raises(InfluenceError, match="after 16 of 50 texts") as caught:
        encoder.encode_to(
            tmp_path / "out.npy",
            TEXTS,
            cancel=cancel,
            on_progress=lambda done, _: cancel.set() if done == 16 else None,
        )
    assert "goes on" in caught.value.hint
    assert not (tmp_path / "out.npy").exists()
    before = sum(passes)
    found = encoder.encode_to(tmp_path / "out.npy", TEXTS)
    assert sum(passes) == before + 34
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("harm", ["texts", "encoder", "prompt", "rows", "journal", "line", "dtype"])
def test_what_does_not_belong_is_not_gone_on_with(
    encoder: Encoder, tiny_bert: Path, tmp_path: Path, harm: str
) -> None:
    cancel, path = threading.Event(), tmp_path / "out.npy"
    with pytest.raises(InfluenceError):
        encoder.encode_to(
            path, TEXTS, cancel=cancel, on_progress=lambda done, _: cancel.set() if done >= 32 else None
        )
    texts, more = list(TEXTS), {}
    part, journal = tmp_path / "out.npy.part", tmp_path / "out.npy.part.jsonl"
    match harm:
        case "texts":
            texts[17] = "another"
        case "encoder":
            encoder = Encoder.open(tiny_bert, dtype="float32", layer=1)
        case "prompt":
            more = {"prompt": "a dog "}
        case "dtype":
            more = {"dtype": "float16"}
        case "rows":
            part.write_bytes(part.read_bytes()[: 128 + 64 * 19 + 7])
        case "journal":
            journal.write_text("[]\n")
        case "line":
            journal.write_text(journal.read_text()[:-9])
    found = encoder.encode_to(path, texts, **more)
    expected = encoder.encode(texts, prompt=more.get("prompt"))
    np.testing.assert_allclose(found, expected, atol=2e-3 if harm == "dtype" else 1e-5)


def test_killed_it_goes_on(tiny_bert: Path, encoder: Encoder, tmp_path: Path, monkeypatch: Any) -> None:
    code = f"""
        from pathlib import Path
        from influence_nb.embeddings import streaming
        from influence_nb.embeddings.encode import Encoder
        streaming.TEXTS = 8
        encoder = Encoder.open(Path({str(tiny_bert)!r}), dtype="float32")
        def tell(done, total):
            print(done, flush=True)
            if done > 20:
                input()
        encoder.encode_to({str(tmp_path / "out.npy")!r}, {TEXTS!r}, on_progress=tell)
    """
    one = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert one.stdout is not None
    while one.stdout.readline() != "24\n":
        assert one.poll() is None
    with pytest.raises(InvalidData, match="Something else is writing"):
        encoder.encode_to(tmp_path / "out.npy", TEXTS)
    one.kill()
    one.communicate()
    passes = rows_run(encoder, monkeypatch)
    found = encoder.encode_to(tmp_path / "out.npy", TEXTS)
    assert sum(passes) == 34
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-5)


def test_a_full_disk_midway(encoder: Encoder, tmp_path: Path) -> None:
    with no_more_than(128 + 20 * 64), pytest.raises(NotEnoughDisk) as caught:
        encoder.encode_to(tmp_path / "out.npy", TEXTS)
    assert "goes on" in caught.value.hint
    assert (tmp_path / "out.npy.part").stat().st_size == 128 + 16 * 64
    found = encoder.encode_to(tmp_path / "out.npy", TEXTS)
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-5)


def test_a_file_that_is_there_is_replaced_only_when_told(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.write_text("mine")
    with pytest.raises(InvalidData, match="there already"):
        encoder.encode_to(path, TEXTS)
    assert path.read_text() == "mine"
    assert len(encoder.encode_to(path, TEXTS, overwrite=True)) == len(TEXTS)
    with pytest.raises(InvalidData, match="there already"):
        encoder.encode_to(path, ["rain"])
    assert len(np.load(path)) == len(TEXTS)


def test_memory_does_not_grow_with_the_texts(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "TEXTS", 512)

    def texts(count: int) -> Iterator[str]:
        return (f"{'rain ' * 5}{number} {'x' * 5000}" for number in range(count))

    encoder.encode_to(tmp_path / "out.npy", texts(64))
    tracemalloc.start()
    encoder.encode_to(tmp_path / "out.npy", texts(512), overwrite=True)
    small = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    encoder.encode_to(tmp_path / "out.npy", texts(3072), overwrite=True)
    large = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert large < 2 * small


def test_no_texts_and_odd_arguments(encoder: Encoder, tmp_path: Path) -> None:
    assert encoder.encode_to(tmp_path / "none.npy", []).shape == (0, 16)
    odd: list[tuple[dict[str, Any], str]] = [
        ({"path": tmp_path / "out.bin"}, "does not end in .npy"),
        ({"path": tmp_path / "no" / "out.npy"}, "There is no folder"),
        ({"dtype": "int8"}, "dtype='int8' cannot be"),
        ({"texts": "one text"}, "neither many texts nor a file"),
        ({"texts": ["a", None]}, "index 1 is not a string"),
        ({"texts": [*TEXTS[:9], 5]}, "index 9 is not a string"),
        ({"texts": tmp_path / "gone.csv"}, "There is no file"),
        ({"batch_size": 0}, "batch_size=0"),
    ]
    for one, words in odd:
        with pytest.raises(InvalidData, match=words) as caught:
            encoder.encode_to(**{"path": tmp_path / "out.npy", "texts": TEXTS, **one})
        assert caught.value.hint
