"""Whether bytes are those that a hub promised: SHA-256 for large files, git's SHA-1 for the small ones.

It knows no hub and no place; it is told a size and what the sum should be.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from hashlib import _Hash

CHUNK = 1 << 20
_SHA1 = re.compile(r"[0-9a-f]{40}")


class Sum:
    """A checksum in the making.

    Args:
        size: bytes that the file will have; git's sum needs it from the start.
        sha256: what is promised, for a large file.
        blob_id: the git object's name, for a small one; anything else than 40 hexadecimal digits is no promise.
    """

    def __init__(self, size: int | None, sha256: str | None, blob_id: str | None) -> None:
        self.size = size
        self.promised: str | None = None
        self._digest: _Hash | None = None
        if sha256 is not None:
            self.promised, self._digest = sha256, hashlib.sha256()
        elif blob_id is not None and _SHA1.fullmatch(blob_id) and size is not None:
            self.promised = blob_id
            self._digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        self.update: Callable[[bytes], object] = self._digest.update if self._digest else lambda _: None
        """Takes the next bytes."""

    @property
    def found(self) -> str | None:
        """The sum so far, in hex; None where nothing is promised."""
        return self._digest.hexdigest() if self._digest is not None else None

    @property
    def right(self) -> bool:
        """Whether the bytes so far are what was promised; where nothing was, they are taken as they come."""
        return self.found == self.promised

    def read(self, source: BinaryIO, check: Callable[[int], object]) -> int:
        """Take all bytes of a file; `check` is called with their number after each piece. Returns the number."""
        done = 0
        while chunk := source.read(CHUNK):
            self.update(chunk)
            done += len(chunk)
            check(done)
        return done


def is_right(
    path: Path, size: int | None, sha256: str | None, blob_id: str | None, check: Callable[[int], object]
) -> bool:
    """Whether a file on disk is what was promised.

    Raises:
        OSError: it cannot be read; and whatever `check` raises.
    """
    if size is None:
        size = path.stat().st_size
    total = Sum(size, sha256, blob_id)
    with path.open("rb", buffering=0) as source:
        return total.read(source, check) == size and total.right
