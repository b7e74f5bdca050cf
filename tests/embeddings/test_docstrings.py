"""The docstrings of the running interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

from influence_nb.embeddings.corpus import docstrings
from influence_nb.errors import InvalidData


def test_thousands_of_real_texts() -> None:
    every = docstrings()
    assert every.columns.tolist() == ["text", "module", "category", "kind", "name"]
    assert len(every) > 2000
    assert every["text"].is_unique
    assert not every.isna().any().any()
    assert every["text"].str.len().min() >= 25
    assert set(every["kind"]) == {"module", "class", "function", "method"}
    assert (every["category"] == "other").mean() < 0.1
    assert every["category"].nunique() >= 12
    row = every[(every["module"] == "json.decoder") & (every["name"] == "JSONDecoder.decode")]
    assert row["category"].tolist() == ["formats"]
    assert row["kind"].tolist() == ["method"]
    assert row["text"].iloc[0].startswith("Return the Python representation")
    assert not every["module"].str.contains(r"(?:^|\.)(?:test|idlelib|antigravity)(?:\.|$)").any()


def test_some_are_taken_evenly() -> None:
    few = docstrings(50)
    assert len(few) == 50
    assert few["module"].nunique() > 20
    assert few.equals(docstrings(50))
    assert len(docstrings(10**9)) == len(docstrings())
    with pytest.raises(InvalidData, match="limit=0"):
        docstrings(0)


def test_nothing_is_imported() -> None:
    code = (
        "import sys; from influence_nb.embeddings.corpus import docstrings; import pandas; before = set(sys.modules);"
        "docstrings(); new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new & {'turtle', 'tkinter', 'antigravity', 'this', 'idlelib', 'lib2to3', 'pydoc_data'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
