"""Vectors that were computed before, on disk: found again by the text and the encoder they belong to.

An encoder's vectors lie in a folder of their own below INFLUENCE_HOME, in pairs of files that only grow: `.keys` (for
each row a hash of its text, whether that was cut, and a checksum) and `.vectors` (float32, a row each). A row counts
where both files hold it whole and its checksum is right, so a process that was killed, a full disk or a damaged byte
cost the rows they touch and nothing else. It knows hashes of texts, never texts, and not how vectors are made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.settings import settings

Floats = NDArray[np.float32]

_KEY = np.dtype([("first", "<u8"), ("second", "<u8"), ("sum", "<u4"), ("cut", "u1")])
"""What a row of `.keys` holds: 128 bits of the text's hash, the vector's CRC-32, whether the text was cut."""
SEGMENT_BYTES = 2**26
"""How large a pair of files grows before the next one is begun: what is evicted at once."""
_PATIENCE = 5.0
"""Seconds to wait for another process that is writing; what cannot be written then is computed again some day."""
_NAME = "encoder.json"


def cache_folder() -> Path:
    """Where the vectors lie: a folder for each encoder, with an `encoder.json` that says which it is."""
    return settings().home / "vectors"


def clear_vector_cache() -> int:
    """Delete all vectors that were kept, and say how many bytes that freed.

    Vectors are computed again when they are next needed. What other processes hold open stays until they end.
    """
    freed = sum(segment.size for segment in _segments(cache_folder(), "*"))
    shutil.rmtree(cache_folder(), ignore_errors=True)
    return freed


class VectorCache:
    """The vectors of one encoder.

    Args:
        facts: what its vectors depend on beside the text, as JSON can hold it.
        dimension: the length of a vector.
    """

    def __init__(self, facts: Mapping[str, Any], dimension: int) -> None:
        self._facts = json.dumps({**facts, "dimension": dimension}, sort_keys=True, ensure_ascii=False)
        self._folder = cache_folder() / hashlib.sha256(self._facts.encode()).hexdigest()[:32]
        self._dimension = dimension
        self._works = settings().vector_cache > 0

    def find(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
        """What is known of texts: whether each is here, whether it was cut, and the vectors, 0 where it is not here."""
        here, cut = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        segments = list(_segments(self._folder.parent, self._folder.name)) if self._works else []
        if not texts or not segments:
            return here, cut, vectors
        wanted = _hashes(texts)
        for segment in segments:
            with suppress(OSError, ValueError):  # evicted meanwhile, or no file that can be mapped
                keys = segment.keys(self._dimension)
                places, rows = _matches(wanted, keys, np.flatnonzero(~here))
                if not len(places):
                    continue
                stored = np.memmap(
                    segment.vectors, "<f4", "r", shape=(len(keys), self._dimension)
                )  # never read whole
                for begin in range(0, len(places), 4096):
                    some, at = places[begin : begin + 4096], rows[begin : begin + 4096]
                    found = np.asarray(stored[at], np.float32)
                    sound = _sums(found) == keys["sum"][at]
                    vectors[some[sound]], cut[some[sound]] = found[sound], keys["cut"][at[sound]] > 0
                    here[some[sound]] = True
        return here, cut, vectors

    def keep(self, texts: Sequence[str], vectors: Floats, cut: NDArray[np.bool_]) -> None:
        """Add vectors. Where that cannot be done a warning says so, once, and no more is tried."""
        if not self._works or not texts:
            return
        from filelock import FileLock, Timeout

        keys = np.zeros(len(texts), _KEY)
        for name, values in zip(("first", "second"), _hashes(texts).T, strict=True):
            keys[name] = values
        vectors = np.ascontiguousarray(vectors, "<f4")
        keys["sum"], keys["cut"] = _sums(vectors), cut
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "lock", timeout=_PATIENCE):
                which = self._folder / _NAME
                if not which.exists():
                    which.write_text(self._facts, encoding="utf-8")
                self._last().append(keys.tobytes(), vectors.tobytes(), self._dimension)
            _evict(settings().vector_cache)
        except Timeout:
            return
        except OSError as error:
            self._works = False
            warnings.warn(
                f"Computed vectors are not being kept in {self._folder.parent}: {error.strerror or error}. "
                "They are used all the same, and computed again next time.",
                stacklevel=2,
            )

    def _last(self) -> _Segment:
        """The segment to add to."""
        there = sorted(_segments(self._folder.parent, self._folder.name), key=lambda one: one.number)
        if there and there[-1].size < SEGMENT_BYTES:
            return there[-1]
        return _Segment(self._folder, there[-1].number + 1 if there else 0)


class _Segment:
    """A pair of files."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.vectors = folder / f"{number:06}.vectors"
        self._keys = folder / f"{number:06}.keys"

    @property
    def size(self) -> int:
        """Bytes of both; 0 where they are gone."""
        return sum(_size(path) for path in (self.vectors, self._keys))

    @property
    def age(self) -> int:
        """When it last grew: what is evicted first has the lowest."""
        try:
            return self._keys.stat().st_mtime_ns
        except OSError:
            return 0

    def keys(self, dimension: int) -> NDArray[np.void]:
        """The keys of the rows that are whole in both files."""
        whole = self._whole(dimension)
        with self._keys.open("rb") as file:
            data = file.read(whole * _KEY.itemsize)
        return np.frombuffer(data, _KEY)

    def append(self, keys: bytes, vectors: bytes, dimension: int) -> None:
        """Add rows after the last that is whole; on an error nothing is added. Only under the folder's lock."""
        whole = self._whole(dimension)
        try:
            for path, data, width in (
                (self.vectors, vectors, 4 * dimension),
                (self._keys, keys, _KEY.itemsize),
            ):
                with path.open("r+b" if path.exists() else "w+b") as file:
                    file.truncate(whole * width)
                    file.seek(whole * width)
                    file.write(data)
        except OSError:
            with suppress(OSError):
                os.truncate(self._keys, whole * _KEY.itemsize)
            with suppress(OSError):
                os.truncate(self.vectors, whole * 4 * dimension)
            raise

    def remove(self) -> None:
        """Delete it; of one that is in use elsewhere, what can be deleted."""
        for path in (self._keys, self.vectors):
            with suppress(OSError):
                path.unlink()

    def _whole(self, dimension: int) -> int:
        return min(_size(self._keys) // _KEY.itemsize, _size(self.vectors) // (4 * dimension))


def _segments(folder: Path, encoder: str) -> list[_Segment]:
    """The segments of an encoder, or of all by "*"."""
    found = {(path.parent, path.stem) for path in folder.glob(f"{encoder}/*.[kv]e*") if path.stem.isdigit()}
    return [_Segment(parent, int(stem)) for parent, stem in sorted(found)]


def _evict(most: int) -> None:
    """Delete the segments that grew last the longest ago until all together take no more than `most` bytes."""
    segments = sorted(_segments(cache_folder(), "*"), key=lambda one: one.age)
    total = sum(one.size for one in segments)
    for segment in segments:
        if total <= most:
            return
        total -= segment.size
        segment.remove()


def _matches(
    wanted: NDArray[np.uint64], keys: NDArray[np.void], places: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of `places` in `wanted` (n, 2) those that are among the keys, and the rows where they are."""
    if not len(keys) or not len(places):
        return places[:0], places[:0]
    order = np.argsort(keys["first"], kind="stable")
    asked = wanted[places]
    at = (
        np.searchsorted(keys["first"], asked[:, 0], sorter=order, side="right") - 1
    )  # of equal ones the newest
    rows = order[np.maximum(at, 0)]
    same = (keys["first"][rows] == asked[:, 0]) & (keys["second"][rows] == asked[:, 1])
    return places[same], rows[same]


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """128 bits for each text, (n, 2)."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(digests, "<u8").reshape(-1, 2)


def _sums(vectors: Floats) -> NDArray[np.uint32]:
    return np.fromiter((zlib.crc32(row) for row in np.ascontiguousarray(vectors)), np.uint32, len(vectors))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
