"""Vectors for more texts than memory holds, written to a .npy file as they are made; a stopped run is gone on with.

The file grows as `<path>.part`; `<path>.part.jsonl` says for each 512 texts how many there are and what they were, so
that the next run of the same texts and encoder knows what it may keep. It does not know how vectors are made.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_path, quoted
from influence_nb.embeddings.reading import count_texts, is_file_name, iter_texts
from influence_nb.embeddings.text_encoder import bar
from influence_nb.embeddings.texts import checked
from influence_nb.errors import InfluenceError, InvalidData, NotEnoughDisk, is_full

if TYPE_CHECKING:
    from influence_nb.embeddings.text_encoder import TextEncoder

TEXTS = 512
"""So many are taken at a time: enough to pack batches well, and what a kill loses at most."""
_HEADER = 128


def encode_to(
    encoder: TextEncoder,
    path: str | Path,
    texts: Any,
    text: str,
    dtype: str,
    batch_size: int | None,
    on_progress: Callable[[int, int | None], None] | None,
    cancel: threading.Event | None,
    prompt: str | None,
    show_progress: bool,
    overwrite: bool,
) -> NDArray[np.floating[Any]]:
    """See `TextEncoder.encode_to`."""
    expect_path(path=path)
    target = Path(path).expanduser()
    if target.suffix != ".npy":
        raise InvalidData(
            f"{str(path)!r} does not end in .npy.", "Vectors are written in NumPy's own format."
        )
    if not target.parent.is_dir():
        raise InvalidData(f"There is no folder {target.parent}.", "Make it, or choose another place.")
    if target.exists() and (target.is_dir() or not overwrite):
        raise InvalidData(
            f"{target} is there already.",
            "np.load(path, mmap_mode='r') reads it; overwrite=True encodes anew, and replaces it at the end.",
        )
    if dtype not in ("float32", "float16"):
        raise InvalidData(f"dtype={quoted(dtype)} cannot be.", "Give 'float32' or 'float16'.")
    source, total = _source(texts, text)
    before = encoder.prompt_text(prompt)
    identity = json.dumps([encoder.facts(), before, encoder.dimension, dtype], sort_keys=True)
    done, cut = 0, 0
    with (
        bar(total, on_progress, show_progress) as tell,
        _Partial(target, identity, encoder.dimension, dtype) as file,
    ):

        def more(count: int) -> None:
            tell(done + count)

        while some := checked(list(itertools.islice(source, TEXTS)), done):
            digest = hashlib.blake2b(json.dumps(some).encode(), digest_size=16).hexdigest()
            known = file.next(len(some), digest)
            if known is None:
                if cancel is not None and cancel.is_set():
                    raise _stopped(done, total)
                try:
                    found = encoder._encoded(
                        some,
                        before,
                        batch_size,
                        more,
                        cancel,
                        cache=False,
                    )
                except InfluenceError as error:
                    if cancel is not None and cancel.is_set():
                        raise _stopped(done, total) from error
                    raise
                known = len(found.cut)
                file.add(found.vectors, digest, known)
            else:
                tell(done + len(some))
            done, cut = done + len(some), cut + known
        file.finish()
    encoder.warn_of_cut(cut, done)
    mapped: NDArray[np.floating[Any]] = np.load(target, mmap_mode="r" if done else None)
    return mapped


def _stopped(done: int, total: int | None) -> InfluenceError:
    return InfluenceError(
        f"Encoding was stopped after {done:,}{'' if total is None else f' of {total:,}'} texts.",
        "The same call goes on from there.",
    )


def _source(texts: Any, text: str) -> tuple[Iterator[Any], int | None]:
    """The texts one by one, and how many there are where that is known."""
    if is_file_name(texts):
        return iter_texts(texts, text), count_texts(texts, text)
    columns = getattr(texts, "column_names", None) or getattr(texts, "columns", None)
    if columns is not None:  # a DataFrame, or a data set of `datasets`
        if text not in columns:
            raise InvalidData(f"There is no column {text!r}.", f"There are: {', '.join(map(str, columns))}.")
        if not hasattr(texts, "__len__"):  # one that is read as it goes
            return (row[text] for row in texts), None
        return iter(texts[text]), len(texts)
    if isinstance(texts, (str, bytes, Mapping)) or not isinstance(texts, Iterable):
        raise InvalidData(
            f"{quoted(texts)} is neither many texts nor a file of them.",
            "Give a list or a generator of texts, a DataFrame, or a path that ends in .csv, .jsonl or .parquet.",
        )
    return iter(texts), len(texts) if isinstance(texts, Sized) else None


class _Partial:
    """The file while it grows."""

    def __init__(self, target: Path, identity: str, dimension: int, dtype: str) -> None:
        from filelock import FileLock

        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._journal = target.with_name(f"{target.name}.part.jsonl")
        self._lock = FileLock(target.with_name(f"{target.name}.part.lock"), timeout=0)
        self._identity = identity
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._width = dimension * self._dtype.itemsize
        self._dimension = dimension
        self._rows = 0
        self._known: list[dict[str, Any]] = []

    def __enter__(self) -> _Partial:
        from filelock import Timeout

        try:
            self._lock.acquire()
            self._known = self._read()
            self._data = self._part.open("r+b" if self._known else "w+b")
            if not self._known:
                self._data.write(b"\0" * _HEADER)
                self._journal.write_text(json.dumps({"encoder": self._identity}) + "\n", encoding="utf-8")
        except Timeout as error:
            raise InvalidData(
                f"Something else is writing {self._target}.", "Wait for it, or choose another path."
            ) from error
        except OSError as error:
            self._lock.release()
            raise self._failed(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._data.close()
        self._lock.release()
        with suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def next(self, rows: int, digest: str) -> int | None:
        """Whether the next texts are those that are there: then how many of them were cut. Otherwise they come anew."""
        if self._known and self._known[0]["rows"] == rows and self._known[0]["digest"] == digest:
            self._rows += rows
            return int(self._known.pop(0)["cut"])
        if self._known:  # other texts from here on
            self._known = []
            kept = self._journal.read_text(encoding="utf-8").splitlines(keepends=True)
            total, lines = 0, kept[:1]
            for line in kept[1:]:
                if total == self._rows:
                    break
                lines.append(line)
                total += json.loads(line)["rows"]
            self._journal.write_text("".join(lines), encoding="utf-8")
        return None

    def add(self, vectors: NDArray[np.float32], digest: str, cut: int) -> None:
        """Write vectors, and note them.

        Raises:
            NotEnoughDisk, InvalidData: they cannot be written, or do not fit float16.
        """
        with np.errstate(over="ignore"):
            rows = vectors.astype(self._dtype)
        if not np.isfinite(rows).all() and np.isfinite(vectors).all():
            raise InvalidData("These vectors hold numbers too large for float16.", "Write them as float32.")
        end = _HEADER + self._rows * self._width
        try:
            self._data.seek(end)
            self._data.truncate()
            self._data.write(rows.tobytes())
            self._data.flush()
            os.fsync(self._data.fileno())
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps({"rows": len(rows), "digest": digest, "cut": cut}) + "\n")
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._part, end)
            raise self._failed(error) from error
        self._rows += len(rows)

    def finish(self) -> None:
        """Write the header and give the file its name."""
        words = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._rows, self._dimension)}
        text = f"{words!r}".ljust(_HEADER - 11) + "\n"
        try:
            self._data.truncate(_HEADER + self._rows * self._width)
            self._data.seek(0)
            self._data.write(b"\x93NUMPY\x01\x00" + (len(text)).to_bytes(2, "little") + text.encode())
            self._data.close()
            self._part.replace(self._target)
            self._journal.unlink()
        except OSError as error:
            raise self._failed(error) from error

    def _read(self) -> list[dict[str, Any]]:
        """What an earlier run noted, as far as the rows are there; nothing where it was for something else."""
        try:
            first, *lines = self._journal.read_text(encoding="utf-8").splitlines()
            room = (self._part.stat().st_size - _HEADER) // self._width
            if json.loads(first)["encoder"] != self._identity:
                return []
        except (OSError, ValueError, KeyError, TypeError):
            return []
        known: list[dict[str, Any]] = []
        for line in lines:
            try:
                one = json.loads(line)
                room -= one["rows"]
                if room < 0 or {*one} != {"rows", "digest", "cut"}:
                    break
            except (ValueError, KeyError, TypeError):  # a line that was cut off
                break
            known.append(one)
        if known:
            noted = [json.dumps({"encoder": self._identity}), *map(json.dumps, known)]
            self._journal.write_text("\n".join(noted) + "\n", encoding="utf-8")
        return known

    def _failed(self, error: OSError) -> InfluenceError:
        if is_full(error):
            return NotEnoughDisk(
                f"There is no room for {self._target}: {error.strerror}.",
                "Make room; the same call goes on from where it stopped. dtype='float16' takes half.",
            )
        return InvalidData(
            f"{self._target} cannot be written: {error.strerror or error}.", "Choose another place."
        )
