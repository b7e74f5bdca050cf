"""Files of texts: what is in them comes out, and what is broken is named by line and costs no other."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import influence_nb as inb
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InvalidData, MissingExtra

FRAME = pd.DataFrame(
    {"body": ["null", 'a "quoted", text', "two\nlines", "Zwölf \U0001f642"], "stars": [1.0, 2.5, 3, 4]}
)


def write(path: Path, frame: pd.DataFrame = FRAME) -> Path:
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case ".json":
            frame.to_json(path, orient="records")
        case ".parquet":
            frame.to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_kind_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"reviews.{kind}")
    found = inb.read_texts(path, text="body")
    assert found["body"].tolist() == FRAME["body"].tolist()
    assert found["stars"].tolist() == FRAME["stars"].tolist()
    assert found.attrs["left_out"] == ()
    assert list(inb.iter_texts(str(path), "body")) == FRAME["body"].tolist()


def test_a_text_file_is_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone\n\n two \nthree", encoding="utf-8")
    assert inb.read_texts(tmp_path / "a.txt")["text"].tolist() == ["one", " two ", "three"]


def test_other_delimiters_and_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n;text\n1;größer, am größten\n", encoding="utf-16")
    assert inb.read_texts(path)["text"].tolist() == ["größer, am größten"]
    path.write_text("n;text\n1;größer\n", encoding="latin-1")
    assert inb.read_texts(path, encoding="latin-1")["text"].tolist() == ["größer"]
    with pytest.raises(InvalidData, match=r"1 broken line: 2\. The first: bytes that are no text"):
        inb.read_texts(path)
    with pytest.raises(InvalidData, match="no encoding 'latin-99'"):
        inb.read_texts(path, encoding="latin-99")


BROKEN = b"""id,body
1,"two
lines"
2,ok
3,bad,extra
4
5,"quoted" badly
6,"never closed
7,ok
8,\xff\xfe
9,
10,ok
"""


def test_broken_lines_are_named_and_cost_no_other(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(BROKEN)
    with pytest.raises(InvalidData) as caught:
        inb.read_texts(path, text="body")
    words = caught.value.message
    assert (
        words
        == "reviews.csv has 6 broken lines: 5, 6, 7, 8, 10 and 1 more. The first: 3 fields instead of 2."
    )
    assert "broken='skip'" in caught.value.hint
    with pytest.warns(UserWarning, match="6 broken lines: 5, 6, 7, 8, 10 and 1 more"):
        found = inb.read_texts(path, text="body", broken="skip")
    assert found["id"].tolist() == [1, 2, 7, 10]
    assert found["body"].tolist() == ["two\nlines", "ok", "ok", "ok"]
    assert found.attrs["left_out"] == (5, 6, 7, 8, 10, 11)
    with pytest.warns(UserWarning, match="6 broken lines"):
        assert list(inb.iter_texts(path, "body", broken="skip")) == found["body"].tolist()
    with pytest.raises(InvalidData, match="6 broken lines"):
        inb.EmbeddingMap(path, text="body")


def test_broken_lines_among_very_many(tmp_path: Path) -> None:
    path, odd = tmp_path / "long.csv", {7, 40_000, 59_999}
    with path.open("w") as file:
        file.write("text,label\n")
        for line in range(2, 60_002):
            file.write(f"text {line},a{',b' if line in odd else ''}\n")
    with pytest.raises(InvalidData, match="3 broken lines: 7, 40,000, 59,999"):
        inb.read_texts(path)
    with pytest.warns(UserWarning, match="3 broken lines"):
        assert len(inb.read_texts(path, broken="skip")) == 59_997


def test_broken_lines_of_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        '{"body": "one"}',
        "{oops",
        "",
        '{"other": 1}',
        '{"body": 5}',
        "[1]",
        '"two"',
        '{"body": "three"}',
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(InvalidData, match=r"4 broken lines: 2, 4, 5, 6\. The first: not JSON"):
        inb.read_texts(path, text="body")
    with pytest.warns(UserWarning, match="left out"):
        assert inb.read_texts(path, text="body", broken="skip")["body"].tolist() == ["one", "two", "three"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_rows_without_a_text(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"body": ["a", None, "c", None], "n": [1, 2, 3, 4]})
    path = write(tmp_path / f"a.{kind}", frame)
    places = "1, 3" if kind in ("json", "parquet") else "2, 4" if kind == "jsonl" else "3, 5"
    with pytest.raises(InvalidData, match=f"2 broken (rows|lines): {places}. The first: no 'body'"):
        inb.read_texts(path, text="body")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = inb.read_texts(path, text="body", broken="skip")
    assert found["n"].tolist() == [1, 3]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_a_column_that_is_not_there(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InvalidData, match=r"has no .*'text'") as caught:
        inb.read_texts(write(tmp_path / f"a.{kind}"))
    assert "text=" in caught.value.hint


def test_what_is_no_file_of_texts(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for name, words in {
        "a.parquet": "cannot be read as Parquet",
        "a.json": "holds no list",
        "a.csv": "no column 'text'",
        "folder.csv": "There is no file",
        "gone.csv": "There is no file",
        "a.xlsx": "no file of a kind",
    }.items():
        with pytest.raises(InvalidData, match=words) as caught:
            inb.read_texts(tmp_path / name)
        assert caught.value.hint
    with pytest.raises(InvalidData, match="broken='drop' cannot be"):
        inb.read_texts(write(tmp_path / "b.csv"), text="body", broken="drop")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pyarrow"):
        inb.read_texts(path, text="body")


def test_maps_of_files_and_of_what_becomes_a_frame(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = Encoder.open(tiny_bert)
    frame = pd.DataFrame({"body": ["the cat", "rain", "sun", "rain"], "kind": list("abab")})

    class Table:
        """As a data set of `datasets`, or a table of pyarrow's or polars'."""

        def to_pandas(self) -> pd.DataFrame:
            return frame

    expected = inb.EmbeddingMap(frame, text="body", encoder=encoder, projection="pca")
    given: list[Any] = [write(tmp_path / "a.csv", frame), str(write(tmp_path / "a.parquet", frame)), Table()]
    for data in given:
        made = inb.EmbeddingMap(data, text="body", encoder=encoder, projection="pca")
        np.testing.assert_array_equal(made.vectors, expected.vectors)
        assert made.columns == ["kind"]


def test_data_sets(tiny_bert: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"body": ["the cat", "rain"], "kind": ["a", "b"]})
    encoder = Encoder.open(tiny_bert)
    assert inb.EmbeddingMap(rows, text="body", encoder=encoder, projection="pca").columns == ["kind"]
    with pytest.raises(InvalidData, match="several parts: train, test") as caught:
        inb.EmbeddingMap(datasets.DatasetDict(train=rows, test=rows), text="body", encoder=encoder)
    assert "data['train']" in caught.value.hint
    streamed = inb.EmbeddingMap(rows.to_iterable_dataset(), text="body", encoder=encoder, projection="pca")
    assert len(streamed) == 2


def test_which_rows_hold_no_text(tiny_bert: Path) -> None:
    texts = ["a", None, "b", float("nan"), 5]
    with pytest.raises(InvalidData, match=r"Row 1 .* holds None, .* in 2 rows more \(1, 3, 4\)"):
        inb.EmbeddingMap(texts, encoder=Encoder.open(tiny_bert))


def test_a_map_knows_which_texts_were_cut(tiny_bert: Path) -> None:
    texts = ["rain", "the cat " * 20, "sun", "sun " * 13]
    with pytest.warns(UserWarning, match="2 of 4 texts are longer than the 12 tokens"):
        made = inb.EmbeddingMap(texts, encoder=Encoder.open(tiny_bert), projection="pca")
    assert made.cut == (1, 3)


def test_json_of_strings(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(["one", "two"]))
    assert inb.read_texts(tmp_path / "a.json")["text"].tolist() == ["one", "two"]
