"""`influence score` and `influence embed`: their figures are the API's, in every format, and what they refuse."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import influence_nb as inb
from tests.commands import Influence, in_terminal

TEXT = "The quick brown fox\njumps."


def test_score(influence: Influence, folder: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT + "\n")
    done = influence("score", "--file", "text.txt", "-m", folder, "--device", "cpu")
    assert done.exit_code == 0, done.output
    said = json.loads(influence("score", "-m", folder, "--device", "cpu", "--json", input=TEXT).stdout)
    model = inb.load(folder, device="cpu")
    scores = model.score(TEXT)
    model.unload()
    assert math.isclose(said["perplexity"], scores.perplexity, rel_tol=1e-5)
    assert [one["id"] for one in said["tokens"]] == list(scores.ids)
    assert said["tokens"][0]["logprob"] is None
    assert said["tokens"][1]["rank"] == scores.ranks[1]
    assert (said["scored"], said["cancelled"]) == (scores.scored, False)
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["token", "id", "logprob", "rank", "entropy"]
    assert rows[-4] == f"perplexity: {scores.perplexity:.4f}"
    assert len(rows) == len(scores.ids) + 4
    assert any(row.startswith("'\\n'") for row in rows)
    done = influence(
        "score", TEXT, "-m", folder, "--device", "cpu", "--summary", "--window", "8", "--stride", "4"
    )
    assert len(done.stdout.splitlines()) == 4
    assert inb.loaded() == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["a"], 1, "single token"),
        ([TEXT, "--window", "1"], 1, "window=1 cannot be."),
        ([TEXT, "--file", "x"], 2, "leave one out"),
    ],
)
def test_what_cannot_be_scored(
    influence: Influence, folder: str, args: list[str], code: int, words: str
) -> None:
    done = influence("score", *args, "-m", folder, "--device", "cpu")
    assert done.exit_code == code
    assert words in " ".join(done.stderr.replace("│", " ").split())


TEXTS = ["A cat sat.", "Zwölf Boxkämpfer", "A third one"]


@pytest.mark.starter
def test_embed_in_every_format(influence: Influence, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS) + "\n", encoding="utf-8")
    done = influence("embed", *TEXTS, "--device", "cpu")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["model"], said["dimension"], said["texts"]) == ("starter/embedding", 384, TEXTS)
    encoder = inb.load_encoder(device="cpu")
    expected = encoder.encode(TEXTS)
    encoder.unload()
    assert np.array_equal(np.array(said["embeddings"], np.float32), expected)
    for name in ("out.npy", "out.parquet", "out.json"):
        done = influence("embed", "--file", "texts.txt", "--device", "cpu", "-o", name)
        assert done.exit_code == 0, done.output
        assert done.stdout == ""
        assert f"Saved 3 vectors of 384 numbers to {name}" in done.stderr
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["text"] == TEXTS
    assert np.array_equal(np.array(table["embedding"], np.float32), expected)
    assert json.loads((tmp_path / "out.json").read_text()) == said
    done = influence("embed", "--format", "npy", "--device", "cpu", input="\n".join(TEXTS))
    assert np.array_equal(np.load(io.BytesIO(done.stdout_bytes)), expected)


@pytest.mark.starter
def test_embed_tables(influence: Influence, tmp_path: Path) -> None:
    lines = ["n,body", *(f"{number},{text}" for number, text in enumerate(TEXTS))]
    (tmp_path / "texts.csv").write_text("\n".join(lines), encoding="utf-8")
    done = influence("embed", "-f", "texts.csv", "--text", "body", "--device", "cpu", "-o", "out.npy")
    assert done.exit_code == 0, done.output
    assert "Saved 3 vectors of 384 numbers to out.npy" in done.stderr
    said = json.loads(influence("embed", "-f", "texts.csv", "--text", "body", "--device", "cpu").stdout)
    assert said["texts"] == TEXTS
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), said["embeddings"], atol=1e-6)
    done = influence("embed", *TEXTS, "--prompt", "query: ", "--device", "cpu")
    plain = json.loads(influence("embed", *[f"query: {text}" for text in TEXTS], "--device", "cpu").stdout)
    np.testing.assert_allclose(json.loads(done.stdout)["embeddings"], plain["embeddings"], atol=1e-6)
    (tmp_path / "texts.csv").write_text("n,body\n1,a,b\n2,c\n")
    done = influence("embed", "-f", "texts.csv", "--text", "body", "-o", "out.npy", "--device", "cpu")
    assert done.exit_code == 1
    assert "1 broken line: 2" in done.stderr


@pytest.mark.starter
def test_embed_on_a_server(influence: Influence) -> None:
    with inb.serve(port=0) as running:
        done = influence("embed", *TEXTS, "-m", "starter/embedding", "--endpoint", running.url)
        assert done.exit_code == 0, done.output
        said = json.loads(done.stdout)
        assert (said["model"], said["dimension"]) == ("starter/embedding", 384)
        done = influence("embed", "a", "--endpoint", running.url, "--layer", "1")
        assert done.exit_code == 2


@pytest.mark.starter
def test_parquet_without_pyarrow(influence: Influence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = influence("embed", "x", "--device", "cpu", "-o", "x.parquet")
    assert done.exit_code == 1
    assert "pip install pyarrow" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["x", "-o", "x.csv"], 2, "does not end in .json, .npy or .parquet"),
        (["x", "-o", "no/such/x.npy"], 2, "There is no folder"),
        (["x", "--json", "--format", "npy"], 2, "leave one out"),
        (["x", "--format", "csv"], 2, "csv"),
        (["x", "-m", "no-such-model"], 1, "There is no model called 'no-such-model'"),
        (["x", "y", "--file", "x"], 2, "leave one out"),
    ],
)
def test_what_cannot_be_embedded(influence: Influence, args: list[str], code: int, words: str) -> None:
    done = influence("embed", *args)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_an_array_is_not_for_a_terminal(tmp_path: Path) -> None:
    child = in_terminal("embed", "x", "--format", "npy", cwd=tmp_path)
    text = child.read()
    child.wait()
    assert child.exitstatus == 2
    assert "is not for a terminal" in text
