"""How alike two sets of vectors of the same texts are, whatever their dimensions: linear CKA.

It knows vectors; it does not know which layers or encoders they are of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool
from influence_nb.errors import InvalidData

FEWEST = 4
"""With fewer texts the debiased estimate is not defined."""
_NUMBERS = 2**24
"""Numbers of kernels that are held at once."""


def cka(
    a: NDArray[np.floating], b: NDArray[np.floating] | None = None, debiased: bool = True
) -> NDArray[np.float64]:
    """Linear centred kernel alignment between all layers of `a` and all of `b` (Kornblith et al. 2019, section 3).

    CKA(K, L) = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), where K = X X^T and L = Y Y^T hold the products of every two
    texts' vectors. It is 1 where one set is the other turned, mirrored or scaled, and 0 where they have nothing in
    common. The plain estimate of HSIC is too high where there are few texts and many dimensions: vectors by chance then
    look alike. The debiased one (Song et al. 2012, equation 5) is not; by chance it comes out near 0, a little below
    too.

    Args:
        a: (layers, n, d), or (n, d) for one.
        b: (layers', n, d'), of the same texts; None compares `a` with itself.
        debiased: which estimate of HSIC.

    Returns:
        (layers, layers'); NaN where the vectors of a layer are all the same.

    Raises:
        InvalidData: another number of texts, or fewer than four.
    """
    expect_bool(debiased=debiased)
    first = _stacked(a)
    other = first if b is None else _stacked(b)
    count = first.shape[1]
    if other.shape[1] != count:
        raise InvalidData(
            f"One side has {count:,} texts and the other {other.shape[1]:,}.",
            "Both must be of the same texts, in the same order.",
        )
    if count < FEWEST:
        raise InvalidData(
            f"Layers cannot be compared by {count} text{'s' * (count != 1)}.",
            f"Give {FEWEST} or more, better hundreds.",
        )
    sides = [_centred(first)] if b is None else [_centred(first), _centred(other)]
    layers = sum(map(len, sides))
    shared = np.zeros((layers, layers))
    size = max(1, _NUMBERS // (layers * count))
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        kernels = np.concatenate([_kernels(side, rows, debiased) for side in sides])
        flat = kernels.reshape(layers, -1)
        shared += flat @ flat.T
    lengths = np.sqrt(shared.diagonal())
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = shared / lengths[:, None] / lengths
    return found[: len(first), -len(other) :]


def _stacked(layers: NDArray[np.floating]) -> NDArray[np.floating]:
    found = np.asarray(layers)
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3:
        raise InvalidData(
            f"Vectors of the shape {found.shape} are no layers.", "Give an array (layers, n, d), or (n, d)."
        )
    return found


def _centred(layers: NDArray[np.floating]) -> list[NDArray[np.float64]]:
    """Each layer around its middle and of length 1 as a whole; of length 0 where all its texts have one vector."""
    made = []
    for layer in layers:
        whole = layer.astype(np.float64)
        around = whole - whole.mean(axis=0)
        spread = np.linalg.norm(around)
        flat = spread <= 1e-6 * np.linalg.norm(whole)
        made.append(np.zeros_like(around) if flat else around / spread)
    return made


def _kernels(layers: list[NDArray[np.float64]], rows: slice, debiased: bool) -> NDArray[np.float64]:
    """Some rows of each layer's centred kernel, (layers, rows, n): their products sum up to HSIC, but for a factor."""
    made = np.stack([layer[rows] @ layer.T for layer in layers])
    if not debiased:
        return made  # the vectors are centred, and so is their kernel
    count = made.shape[2]
    own = np.arange(rows.start, rows.stop)
    # Without its diagonal each row sums to minus the square of its vector's length.
    sums = -np.stack([(layer**2).sum(axis=1) for layer in layers])
    total = sums.sum(axis=1)[:, None, None] / ((count - 1) * (count - 2))
    made -= (sums[:, rows, None] + sums[:, None, :]) / (count - 2) - total
    made[:, own - rows.start, own] = 0
    return made
