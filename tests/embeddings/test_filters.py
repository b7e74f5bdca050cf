"""Filters of a table: words, categories, ranges, and columns of any kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence_nb.embeddings.columns import MISSING, categories
from influence_nb.embeddings.filters import in_words, matching
from influence_nb.errors import InvalidData


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": ["Rain falls", "a RAINY day", "sun", "snow"],
            "topic": ["wet", None, "dry", "wet"],
            "n": [1.0, np.nan, np.inf, 3.0],
            "when": pd.to_datetime(["2025-01-01", "2025-02-01", None, "2025-03-01"]),
            "there": [True, False, True, None],
            "tags": [["a"], [], None, ["b", "a"]],
            "empty": [None] * 4,
        }
    )


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"text": " rain "}, [0, 1]),
        ({"text": ".*"}, []),
        ({"topic": ["wet"]}, [0, 3]),
        ({"topic": [MISSING, "dry"]}, [1, 2]),
        ({"topic": []}, []),
        ({"n": (2, None)}, [3]),
        ({"n": (None, 1)}, [0]),
        ({"n": (None, None)}, [0, 1, 2, 3]),
        ({"when": ("2025-01-15", "2025-03-01")}, [1, 3]),
        ({"there": ["True"]}, [0, 2]),
        ({"tags": "a"}, [0, 3]),
        ({"tags": ["[]"]}, [1]),
        ({"empty": [MISSING]}, [0, 1, 2, 3]),
        ({"text": "rain", "topic": ["wet"]}, [0]),
    ],
)
def test_rows_that_fit(frame: pd.DataFrame, filters: dict[str, object], rows: list[int]) -> None:
    assert np.flatnonzero(matching(frame, filters)).tolist() == rows


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"shape": "a"}, "no column 'shape'"),
        ({"n": 3}, "cannot be 3"),
        ({"topic": (1, 2)}, "neither numbers nor dates"),
        ({"n": ("a", None)}, "no end of a range"),
        ({"n": (float("nan"), None)}, "no end of a range"),
        ({"when": ("soon", None)}, "no date"),
        (["text"], "are none"),
    ],
)
def test_filters_that_cannot_be(frame: pd.DataFrame, filters: object, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        matching(frame, filters)


def test_filters_in_words() -> None:
    filters = {"text": "rain", "topic": list("abcdef"), "n": (1.0, None), "m": (None, 2.5)}
    assert in_words(filters) == (
        "text contains “rain”; topic is a or b or c or d or 2 more; n is 1 or more; m is 2.5 or less"
    )


def test_values_that_are_one_to_a_hash_are_told_apart() -> None:
    codes, names = categories(pd.Series([1, True, 1.0, None], dtype=object))
    assert names == ["1", "1.0", "True", MISSING]
    assert codes.tolist() == [0, 2, 1, 3]
