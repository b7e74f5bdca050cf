"""Exact nearest neighbours by cosine similarity, block by block: vectors may lie in a file that memory does not hold.

It does not know what the vectors stand for, and never looks at the two dimensions of a map.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.errors import InfluenceError, InvalidData

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
OnCompared = Callable[[int, int], object]
"""Called with how many rows were compared with all, and how many there are."""

_ROWS = 2**16
"""Vectors that are compared at once."""
_QUERIES = 2**8
"""Queries that are compared at once."""


def unit(vectors: Floats) -> Floats:
    """Scale rows to length 1; a row of zeros stays zero. (n, d) to (n, d), float32."""
    return (vectors / _safe(np.linalg.norm(vectors, axis=1))[:, None]).astype(np.float32, copy=False)


def lengths(vectors: NDArray[np.floating]) -> Floats:
    """The length of each row, (n,), without a copy of the vectors."""
    found = [np.linalg.norm(block, axis=1) for _, block in _blocks(vectors)]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def nearest(
    queries: NDArray[np.floating],
    vectors: NDArray[np.floating],
    k: int,
    skip: Rows | None = None,
    known_lengths: Floats | None = None,
    on_progress: OnCompared | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Rows, Floats]:
    """The k rows of `vectors` most similar to each query, the most similar first.

    Similarity is the cosine of the angle, -1 to 1. Every pair is compared, computed in float32; of equal ones the
    earlier row comes first. Beside the answer it takes memory for some thousand vectors, not for a copy of all.

    Args:
        queries: (m, d).
        vectors: (n, d), in memory or mapped from a file.
        k: how many; where there are fewer rows, all of them.
        skip: (m,), a row to leave out for each query, such as the query's own.
        known_lengths: (n,), as `lengths` gives them, where many searches follow each other.
        on_progress: called with the queries answered and in all.
        cancel: set it from another thread to stop.

    Returns:
        Row numbers and similarities, both (m, min(k, rows that can be chosen)).

    Raises:
        InvalidData: k below 1 or not whole, vectors of different lengths, or a query that holds NaN.
        InfluenceError: it was cancelled.
    """
    k = whole("k", k, 1)
    _comparable(queries, vectors)
    k = max(0, min(k, len(vectors) - (skip is not None)))
    size = _safe(lengths(vectors) if known_lengths is None else known_lengths)
    rows, found = np.empty((len(queries), k), np.intp), np.empty((len(queries), k), np.float32)
    for begin in _some(len(queries) if k else 0, on_progress, cancel):
        some = slice(begin, begin + _QUERIES)
        best = _Best(len(queries[some]), k)
        asked = unit(np.asarray(queries[some], np.float32))
        for start, similarities in _similarities(asked, vectors, size):
            if skip is not None:
                here = skip[some] - start
                inside = np.flatnonzero((here >= 0) & (here < similarities.shape[1]))
                similarities[inside, here[inside]] = -np.inf
            best.add(similarities, start)
        rows[some], found[some] = best.sorted()
    return rows, found


def similarities(vector: Floats, vectors: NDArray[np.floating], known_lengths: Floats) -> Floats:
    """The cosine of one vector (d,) with each of the vectors (n, d): (n,).

    Raises:
        InvalidData: vectors of different lengths, or one that holds NaN.
    """
    _comparable(vector[None], vectors)
    found = np.empty(len(vectors), np.float32)
    for start, some in _similarities(unit(vector[None]), vectors, _safe(known_lengths)):
        found[start : start + some.shape[1]] = some[0]
    return found


def first_near(
    vectors: NDArray[np.floating],
    least: float,
    on_progress: OnCompared | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Rows, Floats]:
    """For each row the earliest other row before it that is at least so similar.

    Args:
        vectors: (n, d).
        least: the cosine that counts as near, -1 to 1.
        on_progress: called with the rows compared and in all.
        cancel: set it from another thread to stop.

    Returns:
        Row numbers (n,), -1 where there is none, and the similarities (n,), 0 where there is none.

    Raises:
        InfluenceError: it was cancelled.
    """
    size = _safe(lengths(vectors))
    rows, found = np.full(len(vectors), -1, np.intp), np.zeros(len(vectors), np.float32)
    for begin in _some(len(vectors), on_progress, cancel):
        asked = unit(np.asarray(vectors[begin : begin + _QUERIES], np.float32))
        own = np.arange(begin, begin + len(asked))
        for start, similarities in _similarities(asked, vectors[: begin + len(asked)], size):
            before = np.arange(start, start + similarities.shape[1]) < own[:, None]
            near = (similarities >= least) & before
            new = np.flatnonzero(near.any(axis=1) & (rows[own] < 0))
            first = near[new].argmax(axis=1)
            rows[own[new]], found[own[new]] = first + start, similarities[new, first]
    return rows, found


class _Best:
    """The k largest of what came, for each query; of equal ones the earlier."""

    def __init__(self, count: int, k: int) -> None:
        self._k = k
        self._rows = [np.empty(0, np.intp)] * count
        self._values = [np.empty(0, np.float32)] * count
        self._least = np.full((count, 1), -np.inf, np.float32)
        """What a value has to be above to belong to the k largest."""

    def add(self, values: Floats, start: int) -> None:
        """Take in values (queries, b) of the rows from `start` on."""
        above = values > self._least
        for query in np.flatnonzero(above.any(axis=1)):
            new = np.flatnonzero(above[query])
            both = np.concatenate([self._values[query], values[query, new]])
            rows = np.concatenate([self._rows[query], new + start])
            if len(both) >= self._k:
                edge = np.partition(both, -self._k)[-self._k]
                more = np.flatnonzero(both > edge)
                kept = np.sort(np.append(more, np.flatnonzero(both == edge)[: self._k - len(more)]))
                both, rows, self._least[query] = both[kept], rows[kept], edge
            self._values[query], self._rows[query] = both, rows

    def sorted(self) -> tuple[Rows, Floats]:
        """Rows and values, both (queries, k), the largest first."""
        order = [np.argsort(-values, kind="stable") for values in self._values]
        return (
            np.stack([rows[one] for rows, one in zip(self._rows, order, strict=True)]),
            np.stack([values[one] for values, one in zip(self._values, order, strict=True)]),
        )


def _some(count: int, on_progress: OnCompared | None, cancel: threading.Event | None) -> Iterator[int]:
    """The first of each so many rows that are compared at once."""
    for begin in range(0, count, _QUERIES):
        if cancel is not None and cancel.is_set():
            raise InfluenceError(f"Stopped after {begin:,} of {count:,} texts.", "Start again.")
        yield begin
        if on_progress is not None:
            on_progress(min(begin + _QUERIES, count), count)


def _similarities(asked: Floats, vectors: NDArray[np.floating], size: Floats) -> Iterator[tuple[int, Floats]]:
    """The cosines of queries of length 1 (m, d) with some vectors at a time, (m, b), and the number of the first."""
    for start, block in _blocks(vectors):
        similarities = asked @ block.T
        similarities /= size[start : start + len(block)]
        yield start, similarities


def _comparable(queries: NDArray[np.floating], vectors: NDArray[np.floating]) -> None:
    if np.isnan(queries).any():
        raise InvalidData(
            "A query holds NaN, which is near nothing.", "Compute its vector again, in float32."
        )
    if queries.shape[1] != vectors.shape[1]:
        raise InvalidData(
            f"The query has {queries.shape[1]} dimensions and the vectors have {vectors.shape[1]}.",
            "Both must come from the same encoder.",
        )


def _blocks(vectors: NDArray[np.floating]) -> Iterator[tuple[int, Floats]]:
    """The vectors some at a time, as float32, with the number of the first."""
    for start in range(0, len(vectors), _ROWS):
        yield start, np.asarray(vectors[start : start + _ROWS], np.float32)


def _safe(sizes: Floats) -> Floats:
    return np.where(sizes > 0, sizes, np.float32(1))
