"""What lies in a folder: each file's name, size and time, and one short text that changes when any of them does.

It reads directories, never files, and does not know what a model is.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One file.

    Attributes:
        name: below the folder, with "/" between folders.
        size: in bytes; None for a link to something that is gone.
        mtime_ns: when its bytes last changed, in nanoseconds.
    """

    name: str
    size: int | None
    mtime_ns: int


def listing(folder: str | Path) -> tuple[Entry, ...]:
    """Every file below a folder, sorted by name; links to files count as what they point to.

    Names that begin with a dot, and what lies in such folders, are left out: other tools keep their own state there.

    Raises:
        OSError: the folder cannot be read.
    """
    return tuple(sorted(_entries(str(folder), "")))


def signature(entries: tuple[Entry, ...]) -> str:
    """Equal for equal names, sizes and times."""
    return hashlib.blake2b(repr(entries).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def total(entries: tuple[Entry, ...]) -> int:
    """Bytes of all files together."""
    return sum(entry.size or 0 for entry in entries)


def _entries(folder: str, prefix: str) -> list[Entry]:
    found = []
    with os.scandir(folder) as inside:
        for one in inside:
            if one.name.startswith("."):
                continue
            if one.is_dir(follow_symlinks=False):
                found += _entries(one.path, f"{prefix}{one.name}/")
                continue
            try:
                status = one.stat()
            except OSError:
                found.append(Entry(prefix + one.name, None, 0))
                continue
            if stat.S_ISREG(status.st_mode):
                found.append(Entry(prefix + one.name, status.st_size, status.st_mtime_ns))
    return found
