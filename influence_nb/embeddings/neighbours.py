"""Exact nearest neighbours by cosine similarity.

It does not know what the vectors stand for, and never looks at the two dimensions of a map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.errors import InvalidData


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1; a row of zeros stays zero. (n, d) to (n, d), float32."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


def nearest(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, skip: NDArray[np.intp] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The k rows of `vectors` most similar to each query, the most similar first.

    Similarity is the cosine of the angle, -1 to 1. Every pair is compared; of equal ones the earlier row
    comes first.

    Args:
        queries: (m, d).
        vectors: (n, d).
        k: how many; where there are fewer rows, all of them.
        skip: (m,), a row to leave out for each query, such as the query's own.

    Returns:
        Row numbers and similarities, both (m, min(k, rows that can be chosen)).

    Raises:
        InvalidData: k below 1 or not whole, or vectors of different lengths.
    """
    k = whole("k", k, 1)
    if queries.shape[1] != vectors.shape[1]:
        raise InvalidData(
            f"The query has {queries.shape[1]} dimensions and the vectors have {vectors.shape[1]}.",
            "Both must come from the same encoder.",
        )
    similarities = unit(queries) @ unit(vectors).T
    if skip is not None:
        similarities[np.arange(len(queries)), skip] = -np.inf
    k = min(k, len(vectors) - (skip is not None))
    if 0 < k < len(vectors):
        rows = np.sort(np.argpartition(-similarities, k - 1, axis=1)[:, :k], axis=1)
    else:
        rows = np.broadcast_to(np.arange(len(vectors)), similarities.shape)
    found = np.take_along_axis(similarities, rows, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(found, order, axis=1)


def shared(points: NDArray[np.float32], vectors: NDArray[np.float32], k: int = 10) -> NDArray[np.float32]:
    """Which share of each row's k nearest in full space are also among its k nearest on the map.

    In full space near means a high cosine, on the map a short straight line. 1 means that the map keeps
    them all; a map drawn by chance keeps k / (n - 1) of them.

    Args:
        points: (n, 2), places on the map.
        vectors: (n, d).
        k: how many neighbours to compare.

    Returns:
        (n,), each 0 to 1.

    Raises:
        InvalidData: fewer than k + 1 rows, or k below 1.
    """
    count = len(vectors)
    if not 1 <= (k := whole("k", k)) < count:
        raise InvalidData(
            f"{count} rows do not have {k} neighbours each.", f"Choose k from 1 to {count - 1}."
        )
    full, _ = nearest(vectors, vectors, k, skip=np.arange(count))
    away = ((points[:, None, :].astype(np.float64) - points[None, :, :]) ** 2).sum(2)
    np.fill_diagonal(away, np.inf)
    flat = np.argsort(away, axis=1, kind="stable")[:, :k]
    kept = (full[:, :, None] == flat[:, None, :]).any(2)
    return np.asarray(kept.mean(1), np.float32)
