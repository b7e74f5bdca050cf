"""How varied texts are: distinct n-grams, repetition, similarity of their vectors; and all of it for a grid.

    frame = inb.diversity(grid)
    inb.heat_map(frame, "distinct_2")

The measures are pure functions of words and vectors; they do not know models.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_call, expect_event, quoted
from influence_nb.embeddings.encode import open_encoder
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.engine.grid import Grid
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.store.models import LocalModel

_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and punctuation marks, in lower case. Where a language writes no spaces, a run of letters is one word."""
    return _WORD.findall(text.lower())


def ngrams(tokens: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    """All runs of `n` tokens, n >= 1, in their order; none where there are fewer tokens."""
    return [tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)]


def distinct(texts: Iterable[Sequence[Hashable]], n: int) -> float:
    """Distinct-n of one text or of several together: different n-grams over all n-grams, in (0, 1]; NaN for none.

    Li et al. 2016 (arXiv:1510.03055), whose denominator counts tokens; here n-grams, so that 1 is reached. It falls
    with length: compare texts that are about as long.
    """
    found = [one for tokens in texts for one in ngrams(tokens, n)]
    return len(set(found)) / len(found) if found else float("nan")


def repetition(tokens: Sequence[Hashable], n: int = 4) -> float:
    """The share of a text's n-grams that have come before in it, in [0, 1); NaN where it is shorter than `n`.

    1 - |different n-grams| / |n-grams|: seq-rep-n of Welleck et al. 2020 (arXiv:1908.04319).
    """
    return 1.0 - distinct([tokens], n)


def cosines(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """The cosine of every two of n vectors (n, d): (n, n), in [-1, 1]; NaN beside a vector of zeros."""
    exact = np.asarray(vectors, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    between: NDArray[np.float64] = np.clip(unit @ unit.T, -1.0, 1.0)
    return between


def self_similarity(vectors: NDArray[Any]) -> float:
    """The mean cosine of all pairs of n vectors (n, d), in [-1, 1]; NaN for fewer than two.

    1 minus it is the diversity by sentence vectors of Tevet and Berant 2021 (arXiv:2004.02990).
    """
    count = len(vectors)
    if count < 2:
        return float("nan")
    return float(cosines(vectors)[np.triu_indices(count, 1)].mean())


def similarity_to_others(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Of n vectors (n, d) the mean cosine of each to all others: (n,); their mean is `self_similarity`."""
    count = len(vectors)
    if count < 2:
        return np.full(count, np.nan)
    between = cosines(vectors)
    others: NDArray[np.float64] = (between.sum(axis=1) - np.diagonal(between)) / (count - 1)
    return others


def diversity(
    grid: Grid,
    encoder: TextEncoder | str | Path | LocalModel | Literal[False] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """The frame of a grid with what its texts are like, a column each.

    Beside the columns of `Grid.to_frame`: `words` (how many, punctuation included); `distinct_1` and `distinct_2`
    (different words, and pairs of words, over all, of the text alone); `repetition_4` (the share of runs of four words
    that have come before in it); `self_similarity` (the mean cosine between the text's vector and those of the other
    cells that differ from it in the seed only; of all other cells where seed is no axis, or an axis of one). NaN where
    a text is too short, or has nothing beside it.

    Args:
        grid: from `model.grid`.
        encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`; False leaves
            `self_similarity` out. What is opened here computes in float32, so that machines agree.
        on_progress: called with (texts embedded, texts in all).
        cancel: set it from another thread to stop while texts are embedded.

    Raises:
        InvalidData: `grid` is none.
        InfluenceError: it was cancelled; and what opening the encoder raises.
    """
    if not isinstance(grid, Grid):
        raise InvalidData(f"grid={quoted(grid)} is no grid.", "Give what model.grid or Grid.load gave.")
    expect_call(on_progress=on_progress)
    expect_event(cancel)
    frame = grid.to_frame()
    tokens = [words(text) for text in frame["text"]]
    frame["words"] = [len(one) for one in tokens]
    for n in (1, 2):
        frame[f"distinct_{n}"] = [distinct([one], n) for one in tokens]
    frame["repetition_4"] = [repetition(one, 4) for one in tokens]
    if encoder is not False:
        found = encoder if isinstance(encoder, TextEncoder) else open_encoder(encoder, dtype="float32")
        vectors = found.encode(list(frame["text"]), on_progress=on_progress, cancel=cancel)
        frame["self_similarity"] = _beside(grid, vectors)
    return frame


def _beside(grid: Grid, vectors: NDArray[Any]) -> NDArray[np.float64]:
    """For each cell how near it is to the others that differ in the seed only, or to all others."""
    several = len(grid.axes.get("seed", ())) > 1
    groups: dict[str, list[int]] = {}
    for row, cell in enumerate(grid):
        rest = {name: value for name, value in cell.values.items() if name != "seed"}
        groups.setdefault(repr(rest) if several else "", []).append(row)
    near = np.full(len(grid), np.nan)
    for rows in groups.values():
        near[rows] = similarity_to_others(vectors[rows])
    return near
