"""Vectors that somebody brings: an array, a file of NumPy's, or a column of the data.

It does not know what made them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float32]

_ROWS = 2**16
_LARGEST = np.float32(1e18)
"""The squares of larger numbers are infinite in float32, and so are lengths of vectors that hold them."""
_NAMED = 5
"""So many rows are named where many are at fault."""


def brought(vectors: Any, frame: pandas.DataFrame) -> Floats:
    """Vectors as a matrix, one row for each row of the data, float32 (n, d); a file of float16 stays as it lies.

    Args:
        vectors: (n, d) numbers, as an array, a DataFrame or rows of equal length; a path of a file that `numpy.save`
            wrote; or the name of a column of the data that holds a list of numbers in each row.
        frame: the data.

    Raises:
        InvalidData: no such file or column, rows of different lengths, something that is no finite number, or not as
            many vectors as rows of data.
    """
    if isinstance(vectors, str) and vectors in frame.columns:
        vectors = list(frame[vectors])
    elif isinstance(vectors, (str, Path)):
        vectors = _read(Path(vectors), frame)
    matrix = _matrix(vectors)
    if len(matrix) != len(frame):
        raise InvalidData(
            f"There are {len(matrix):,} vectors for {len(frame):,} rows of data.",
            "Give one vector for each row.",
        )
    check_finite(matrix)
    zeros = _where(matrix, lambda block: ~block.any(axis=1))
    if len(zeros):
        are = (
            "is all zeros: it has no direction"
            if len(zeros) == 1
            else "are all zeros: they have no direction"
        )
        warnings.warn(
            f"{_rows(zeros)} of the vectors {are}, and a similarity of 0 to all others.", stacklevel=3
        )
    return matrix


def check_finite(matrix: Floats) -> None:
    """Refuse vectors that hold something else than numbers.

    Raises:
        InvalidData: NaN, an infinite number or one beyond 1e18 among them; says in which rows.
    """
    wrong = _where(matrix, lambda block: ~(np.abs(block) <= _LARGEST).all(axis=1))
    if len(wrong):
        raise InvalidData(
            f"{_rows(wrong)} of the vectors {'holds' if len(wrong) == 1 else 'hold'} NaN or infinite numbers, or ones "
            f"beyond {_LARGEST:g}.",
            "Leave such rows out, or compute their vectors again: in float32 where half precision overflowed.",
        )


def _where(matrix: Floats, odd: Callable[[Floats], Any]) -> NDArray[np.intp]:
    """The numbers of the rows that are odd, some rows at a time."""
    found = [
        start + np.flatnonzero(odd(matrix[start : start + _ROWS])) for start in range(0, len(matrix), _ROWS)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.intp)


def _read(path: Path, frame: pandas.DataFrame) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidData(
            f"{str(path)!r} is no column of the data, nor a file of vectors: {error}.",
            f"The columns are: {', '.join(map(str, frame.columns))}. A file is one that numpy.save wrote (.npy).",
        ) from error


def _matrix(vectors: Any) -> Floats:
    if isinstance(vectors, Sequence):
        _check_lengths(vectors)
    if np.iscomplexobj(vectors):
        raise InvalidData("The vectors hold complex numbers.", "Give real ones, such as vectors.real.")
    kept = isinstance(vectors, np.memmap) and vectors.dtype in (np.float16, np.float32)
    try:
        matrix = vectors if kept else np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidData(
            f"{quoted(vectors)} is no matrix of numbers.", "Give an array of shape (n, d)."
        ) from error
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise InvalidData(
            f"Vectors of the shape {matrix.shape} are no matrix.", "Give an array of shape (n, d)."
        )
    return matrix


def _check_lengths(rows: Sequence[Any]) -> None:
    """Say which rows are no vectors, or of another length than most; where none is a vector, that is said elsewhere."""
    none = [at for at, row in enumerate(rows) if not isinstance(row, Sized) or isinstance(row, str)]
    if len(none) == len(rows):
        return
    if none:
        raise InvalidData(
            f"{_rows(np.array(none))} of the vectors {'is' if len(none) == 1 else 'are'} none.",
            "Leave such rows out.",
        )
    lengths = np.array([len(row) for row in rows])
    usual = int(np.bincount(lengths).argmax())
    odd = np.flatnonzero(lengths != usual)
    if len(odd):
        raise InvalidData(
            f"The vectors have different lengths: most have {usual} numbers, {_rows(odd).lower()} other ones.",
            "Vectors of one map come from one encoder.",
        )


def _rows(rows: NDArray[np.intp]) -> str:
    named = ", ".join(map(str, rows[:_NAMED]))
    more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
    return f"Row{'s' if len(rows) > 1 else ''} {named}{more}"
