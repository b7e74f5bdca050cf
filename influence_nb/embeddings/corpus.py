"""Texts to map: 360 short ones in twelve topics, written for this project, and Python's own docstrings.

It knows no models. Some texts sit between two topics on purpose, and some words (bank, pitch, cell, python,
bridge, bar, key, scale) mean one thing here and another there.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from influence_nb.embeddings.docstrings import docstrings

if TYPE_CHECKING:
    import pandas

__all__ = ["corpus", "docstrings"]


def corpus() -> pandas.DataFrame:
    """The corpus, 30 texts a topic.

    Returns:
        360 rows with the columns `text` (one or two sentences), `topic` (one of twelve) and `kind`
        ("statement", "question" or "instruction").
    """
    import pandas as pd

    with (files("influence_nb.embeddings") / "data" / "topics.jsonl").open(encoding="utf-8") as lines:
        return pd.read_json(lines, lines=True)
