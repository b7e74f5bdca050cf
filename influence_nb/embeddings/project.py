"""Projections: many dimensions to two, with a place for points that come later.

They know only vectors: no texts, no pictures. With the same vectors and seed the points are the same.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted, real, whole
from influence_nb.embeddings.neighbours import nearest
from influence_nb.errors import CapabilityMissing, InvalidData

Floats = NDArray[np.float32]

FEWEST_FOR_UMAP = 5
"""Below this, a graph of neighbours says nothing; `umap` and `tsne` then lay the points out as PCA does."""

_SAME = 0.9998
"""Vectors with a larger cosine are of one text: in bfloat16 its vector depends a little on the texts beside it."""
_ROWS = 2**14
"""Rows that are taken into float64 at once."""

_numba = threading.Lock()  # not every threading layer of numba stands two callers at once


class Projection(Protocol):
    """Points on a map, and the way to put further points there.

    Attributes:
        title: how it is called in a picture, such as "UMAP".
        points: (n, 2), float32.
        axes: what the two axes are, as a label.
    """

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def points(self) -> Floats: ...  # noqa: D102
    @property
    def axes(self) -> tuple[str, str]: ...  # noqa: D102

    def place(self, vectors: Floats) -> Floats:
        """Where further vectors (m, d) go: (m, 2). The points that are there do not move.

        Raises:
            CapabilityMissing: the projection has no place for further points.
        """


@dataclass(frozen=True)
class Parameter:
    """What a projection can be told beside its vectors and seed.

    Attributes:
        name: how it is written.
        title: how a control calls it.
        default: what it is where nobody says.
        low, high: its range.
        whole: whether it is a whole number.
    """

    name: str
    title: str
    default: float
    low: float
    high: float
    whole: bool = False

    def checked(self, value: Any) -> float:
        """A value in its range.

        Raises:
            InvalidData: it is out of it, or no number.
        """
        if self.whole:
            return whole(self.name, value, int(self.low), int(self.high))
        return real(self.name, value, self.low, self.high)


@dataclass(frozen=True)
class Pca:
    """The two directions along which the vectors spread the most: a flat shadow, nothing bent.

    Attributes:
        points: (n, 2), float32.
        explained: the share of the whole variance along each axis, 0 to 1.
    """

    points: Floats
    explained: tuple[float, float]
    _mean: NDArray[np.float64]
    _directions: NDArray[np.float64]
    title: str = "PCA"

    @property
    def axes(self) -> tuple[str, str]:
        """Axis labels with the share of variance."""
        first, second = (f"PC {i} ({share:.1%} of the variance)" for i, share in enumerate(self.explained, 1))
        return first, second

    def place(self, vectors: Floats) -> Floats:
        """Project (m, d) onto the same two directions: (m, 2)."""
        return ((vectors - self._mean) @ self._directions).astype(np.float32)


@dataclass(frozen=True)
class Umap:
    """Neighbours in full space drawn as neighbours on the plane (McInnes, Healy, Melville 2018).

    Who is near whom means something; distances between far groups, sizes and densities do not.

    Attributes:
        points: (n, 2), float32.
        neighbours: how many neighbours of each point were looked at.
    """

    points: Floats
    neighbours: int
    _reducer: Any
    title: str = "UMAP"
    axes: tuple[str, str] = ("UMAP 1 (arbitrary units)", "UMAP 2 (arbitrary units)")

    def place(self, vectors: Floats) -> Floats:
        """Place (m, d) among the points that are there, by the neighbours each has: (m, 2).

        One that the map has already comes to its own point. Other places are approximate: UMAP draws while it looks for
        them, and those that are asked for together push each other.
        """
        if not len(vectors):
            return np.zeros((0, 2), np.float32)
        with _compiling():
            placed = np.asarray(self._reducer.transform(vectors), np.float32)
        rows, alike = nearest(vectors, self._reducer._raw_data, 1)
        known = alike[:, 0] >= _SAME
        placed[known] = self.points[rows[known, 0]]
        return placed


@dataclass(frozen=True)
class Tsne:
    """Neighbours in full space drawn as neighbours on the plane, each group by itself (van der Maaten, Hinton 2008).

    Who is near whom means something; distances between groups, sizes and densities do not. It knows no place for points
    that come later.

    Attributes:
        points: (n, 2), float32.
        perplexity: of how many neighbours each point minds.
    """

    points: Floats
    perplexity: float
    title: str = "t-SNE"
    axes: tuple[str, str] = ("t-SNE 1 (arbitrary units)", "t-SNE 2 (arbitrary units)")

    def place(self, vectors: Floats) -> Floats:
        """Nowhere: every point has its place by all others.

        Raises:
            CapabilityMissing: always.
        """
        raise CapabilityMissing(
            "t-SNE has no place for texts that come later: each point's place hangs on all the others.",
            "Choose PCA or UMAP, which place them without moving what is there.",
        )


def pca(vectors: Floats, seed: int = 0) -> Pca:
    """Principal components: exact, in float64, and without a copy of vectors that lie on the disk.

    They come from a singular value decomposition; of more rows than dimensions from the covariance, whose d² numbers
    are summed a block of rows at a time.

    Args:
        vectors: (n, d), n at least 1. Signs are fixed so that each direction's largest part is positive.
        seed: not used: nothing is drawn. All projections are called alike.
    """
    del seed
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread, found = _spread(vectors, mean)
    directions = np.zeros((vectors.shape[1], 2))
    directions[:, : len(spread)] = found[:, :2]
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.where(directions[largest, [0, 1]] < 0, -1, 1)
    total = float(spread.sum())
    shares = [float(one) / total if total else 0.0 for one in spread[:2]] + [0.0, 0.0]
    points = np.concatenate([((rows - mean) @ directions).astype(np.float32) for rows in _blocks(vectors)])
    return Pca(points, (shares[0], shares[1]), mean, directions)


def _spread(vectors: Floats, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums of squares along the principal directions, the largest first, and the directions as columns."""
    count, width = vectors.shape
    if count <= width:
        _, spread, rows = np.linalg.svd(vectors - mean, full_matrices=False)
        return spread**2, rows.T
    products = np.zeros((width, width))
    for some in _blocks(vectors):
        centred = some - mean
        products += centred.T @ centred
    values, columns = np.linalg.eigh(products)
    return np.maximum(values[::-1], 0), columns[:, ::-1]


def _blocks(vectors: Floats) -> Iterator[Floats]:
    return (vectors[begin : begin + _ROWS] for begin in range(0, len(vectors), _ROWS))


def umap(vectors: Floats, seed: int = 0, neighbours: int = 15, min_dist: float = 0.1) -> Umap | Pca:
    """UMAP with cosine distance, on one thread, so that a seed gives the same picture twice.

    Args:
        vectors: (n, d). Fewer than 5 rows are laid out by PCA instead, and the answer says so.
        seed: for the layout's random steps.
        neighbours: at least 2; fewer are taken where there are fewer rows. More show the broad shape, fewer the detail.
        min_dist: how near points may be drawn to each other, 0 to 1.

    Raises:
        InvalidData: a parameter out of its range.
    """
    told = checked("umap", {"neighbours": neighbours, "min_dist": min_dist})
    neighbours, min_dist = int(told["neighbours"]), told["min_dist"]
    if len(vectors) < FEWEST_FOR_UMAP:
        return pca(vectors)
    neighbours = min(neighbours, len(vectors) - 1)
    points, reducer = _reduced(vectors, 2, seed, neighbours, min_dist)
    return Umap(points, neighbours, reducer)


def reduced(vectors: Floats, dimensions: int, seed: int = 0) -> Floats:
    """Vectors (n, d) in fewer dimensions by UMAP, packed as closely as can be: for finding groups, not for a picture.

    Args:
        vectors: 5 or more.
        dimensions: how many, fewer than there are vectors less one.
        seed: for the random steps.
    """
    return _reduced(vectors, min(dimensions, len(vectors) - 2), seed, min(15, len(vectors) - 1), 0.0)[0]


def _reduced(
    vectors: Floats, dimensions: int, seed: int, neighbours: int, min_dist: float
) -> tuple[Floats, Any]:
    with _compiling():
        import umap as umap_learn

        reducer = umap_learn.UMAP(
            n_components=dimensions,
            n_neighbors=neighbours,
            min_dist=min_dist,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
            # the spectral start needs many more rows than dimensions
            init="spectral" if len(vectors) > 50 else "random",
        )
        return np.asarray(reducer.fit_transform(vectors), np.float32), reducer


def tsne(vectors: Floats, seed: int = 0, perplexity: float = 30) -> Tsne | Pca:
    """t-SNE with cosine distance by scikit-learn (Barnes-Hut), begun at the principal components.

    Args:
        vectors: (n, d). Fewer than 5 rows are laid out by PCA instead, and the answer says so.
        seed: for what scikit-learn draws.
        perplexity: how many neighbours each point minds, 2 to 200; fewer where there are fewer rows. More show the
            broad shape, fewer the detail.

    Raises:
        InvalidData: the perplexity is out of its range.
    """
    perplexity = checked("tsne", {"perplexity": perplexity})["perplexity"]
    count = len(vectors)
    start = pca(vectors)
    if count < FEWEST_FOR_UMAP:
        return start
    from sklearn.manifold import TSNE

    perplexity = min(perplexity, (count - 1) / 3)
    spread = float(start.points[:, 0].std()) or 1.0
    method = TSNE(
        2, perplexity=perplexity, metric="cosine", init=start.points / spread * 1e-4, random_state=seed
    )  # as scikit-learn scales its own start
    return Tsne(np.asarray(method.fit_transform(vectors), np.float32), perplexity)


@contextmanager
def _compiling() -> Iterator[None]:
    """Let numba keep what it compiles for umap-learn on the disk, and keep its warnings to itself.

    umap-learn asks for that for some of its functions only; compiling the others takes 20 s in every new
    kernel, loading them 2 s.
    """
    import numba

    with _numba, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        njit = numba.njit
        numba.njit = lambda *args, **options: njit(*args, **{"cache": True, **options})
        try:
            yield
        finally:
            numba.njit = njit


PROJECTIONS: dict[str, Callable[..., Projection]] = {"umap": umap, "tsne": tsne, "pca": pca}
"""What `EmbeddingMap(projection=...)` knows, by name."""
TITLES = {"umap": Umap.title, "tsne": Tsne.title, "pca": Pca.title}
PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    "umap": (
        Parameter("neighbours", "Neighbours", 15, 2, 200, whole=True),
        Parameter("min_dist", "Least distance", 0.1, 0, 1),
    ),
    "tsne": (Parameter("perplexity", "Perplexity", 30, 2, 200),),
    "pca": (),
}
"""What each can be told."""


def checked(name: str, told: Mapping[str, Any]) -> dict[str, float]:
    """What a projection is told, each value in its range, and what it is where nothing is said.

    Raises:
        InvalidData: no such projection or parameter, or a value out of its range.
    """
    find_projection(name)
    known = {one.name: one for one in PARAMETERS[name]}
    if unknown := [one for one in told if one not in known]:
        raise InvalidData(
            f"{TITLES[name]} has no parameter {quoted(unknown[0])}.",
            f"It has: {', '.join(known) or 'none'}.",
        )
    return {one: known[one].checked(told.get(one, known[one].default)) for one in known}


def find_projection(name: str) -> Callable[..., Projection]:
    """The function for a name.

    Raises:
        InvalidData: no such projection.
    """
    try:
        return PROJECTIONS[name]
    except (KeyError, TypeError):
        raise InvalidData(
            f"There is no projection {name!r}.", f"Choose one of {', '.join(PROJECTIONS)}."
        ) from None
