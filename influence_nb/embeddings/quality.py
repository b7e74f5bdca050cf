"""How far a map can be trusted: which neighbours it keeps, which it invents, and where.

It knows points on a plane and the vectors they stand for; it does not know projections or pictures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.embeddings.neighbours import unit
from influence_nb.errors import InfluenceError, InvalidData

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

USUAL_K = 15
"""Neighbours that are looked at where nobody says how many, as many as UMAP looks at."""
_PAIRS = 2**23
"""Distances that are held at once."""
_GROUP = 16
_COUNTED = 64
"""Ranks of so few are counted one by one, which is faster than sorting all distances."""
_POOR = 0.85
"""A map whose trustworthiness is below this shows too many neighbours that are none."""


@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """What a map keeps of who is near whom, point by point. Made by `EmbeddingMap.quality`.

    Near is a high cosine in full space and a short straight line on the map. Trustworthiness and continuity are those
    of Venna and Kaski (2001, "Neighborhood preservation in nonlinear projection methods"); their means over the points
    are the measures of the whole map.

    Attributes:
        k: how many neighbours of each point were looked at.
        trustworthiness: (n,), 1 where the k nearest on the map are near in full space too; lower the farther away they
            really are. 0.5 or so by chance.
        continuity: (n,), 1 where the k nearest in full space are near on the map too; lower the farther they were torn.
        kept: (n,), the share of the k nearest in full space that are among the k nearest on the map, 0 to 1.
    """

    k: int
    trustworthiness: Floats
    continuity: Floats
    kept: Floats

    @property
    def chance(self) -> float:
        """The share of neighbours that a map drawn by chance keeps."""
        return self.k / (len(self.kept) - 1)

    @property
    def warning(self) -> str:
        """Why the picture should not be read, in a sentence; "" where it may, with care."""
        overall, strangers = float(self.trustworthiness.mean()), float((self.trustworthiness < 0.5).mean())
        if overall < _POOR:
            return (
                f"Do not read closeness from this picture: its trustworthiness is {overall:.2f}, where 1 is a faithful "
                "map and 0.5 one by chance."
            )
        if strangers >= 0.05:
            return (
                f"{strangers:.0%} of the points stand among strangers; shade by trustworthiness to see them."
            )
        return ""

    @property
    def words(self) -> str:
        """The measures of the whole map in two sentences."""
        return (
            f"Of each text's {self.k} true neighbours the picture keeps {self.kept.mean():.0%} "
            f"({self.chance:.0%} by chance). Trustworthiness {self.trustworthiness.mean():.2f}, "
            f"continuity {self.continuity.mean():.2f}; 1 is faithful, 0.5 chance."
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each point: trustworthiness, continuity, kept."""
        import pandas as pd

        names = ("trustworthiness", "continuity", "kept")
        return pd.DataFrame({name: getattr(self, name) for name in names}).rename_axis("row")

    def __repr__(self) -> str:
        return (
            f"Quality(trustworthiness {self.trustworthiness.mean():.3f}, continuity {self.continuity.mean():.3f}, "
            f"{self.kept.mean():.0%} of {self.k} neighbours kept, {self.chance:.1%} by chance)"
        )


def measure(
    points: Floats,
    vectors: Floats,
    k: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Quality:
    """How well points on a plane keep who is near whom among the vectors; every pair is compared.

    Args:
        points: (n, 2).
        vectors: (n, d).
        k: how many neighbours of each, from 1 to below half of n; None takes 15, or as many as there can be.
        on_progress: called with (points measured, points in all).
        cancel: set it from another thread to stop.

    Raises:
        InvalidData: fewer than three points, or no such k.
        InfluenceError: it was cancelled.
    """
    count = len(vectors)
    if count < 3:
        raise InvalidData(
            f"A map of {count} points has no neighbours to keep.",
            "Give three texts or more; better, hundreds.",
        )
    most = (count - 1) // 2
    k = min(USUAL_K, most) if k is None else whole("k", k, 1, most)
    directions = unit(vectors)
    middle = (points - points.mean(axis=0)).astype(np.float32)
    # The worst that the ranks of one point's neighbours can sum to, by which both measures are scaled.
    worst = k * (2 * count - 3 * k - 1) / 2
    trust, continuity, kept = (np.empty(count, np.float32) for _ in range(3))
    size = max(1, _PAIRS // count)
    for begin in range(0, count, size):
        if cancel is not None and cancel.is_set():
            raise InfluenceError(f"Measuring was stopped after {begin} of {count} points.", "Start again.")
        some = slice(begin, min(begin + size, count))
        own = np.arange(some.start, some.stop)
        full = -(directions[some] @ directions.T)
        flat = ((middle[some, None, 0] - middle[:, 0]) ** 2) + ((middle[some, None, 1] - middle[:, 1]) ** 2)
        for away in (full, flat):
            away[own - begin, own] = np.inf
        near, shown = _nearest(full, k), _nearest(flat, k)
        trust[some] = 1 - _beyond(full, shown, k) / worst
        continuity[some] = 1 - _beyond(flat, near, k) / worst
        kept[some] = (near[:, :, None] == shown[:, None, :]).any(axis=2).mean(axis=1)
        if on_progress is not None:
            on_progress(some.stop, count)
    return Quality(k, trust, continuity, kept)


def _nearest(away: Floats, k: int) -> Rows:
    """The k smallest of each row of (b, n), in no order: (b, k).

    Rows are first cut into groups. The k-th smallest of the groups' smallest is at least the k-th smallest of all, and
    hardly more than k reach it: what is left to look at is little.
    """
    groups = away.shape[1] // _GROUP
    if groups < k:
        return np.argpartition(away, k - 1, axis=1)[:, :k]
    lowest = away[:, : groups * _GROUP].reshape(len(away), _GROUP, groups).min(axis=1)
    rows, columns = np.nonzero(away <= np.partition(lowest, k - 1, axis=1)[:, k - 1 : k])
    counts = np.bincount(rows, minlength=len(away))
    places = np.arange(counts.max())
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    found = columns[np.minimum(begins[:, None] + places, len(columns) - 1)]
    values = np.where(places < counts[:, None], np.take_along_axis(away, found, axis=1), np.inf)
    return np.take_along_axis(found, np.argpartition(values, k - 1, axis=1)[:, :k], axis=1)


def _beyond(away: Floats, rows: Rows, k: int) -> Floats:
    """By how much the ranks of some rows exceed k, summed for each point: (b,); see `ranks`."""
    beyond: Floats = np.maximum(ranks(away, rows) - k, 0).sum(axis=1).astype(np.float32)
    return beyond


def ranks(away: Floats, rows: Rows) -> Rows:
    """The how manieth some rows are by distance, from 1: (b, k).

    Args:
        away: distances (b, n); a rank counts those that are nearer, so that equal ones share the better rank. Sorted
            in place where many are asked for.
        rows: (b, k).
    """
    asked = np.take_along_axis(away, rows, axis=1)
    if rows.shape[1] <= _COUNTED:
        nearer = [
            [np.count_nonzero(line < one) for one in some] for line, some in zip(away, asked, strict=True)
        ]
        return np.array(nearer, np.intp) + 1
    away.sort(axis=1)
    return np.stack([np.searchsorted(line, one) for line, one in zip(away, asked, strict=True)]) + 1
