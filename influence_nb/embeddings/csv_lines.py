"""CSV a record at a time, with the line each begins on; lines that are broken are told, and cost no others.

It does not know what the columns mean.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

_LONGEST_FIELD = 2**24
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Fault(NamedTuple):
    """A place that cannot be used: its number, lines of files from 1 and rows from 0, and what is wrong there."""

    place: int
    why: str


class _Lines:
    """The lines of a file, counted; those of a record that failed can be read again, but for its first."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self.first = 1
        """The line that the record at hand begins on."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self._record.append(line)
        return line

    def begin(self) -> None:
        """What comes next is a new record."""
        self.first += len(self._record)
        self._record = []

    def back(self) -> None:
        """Read again from the second line of the record on: an open quote took in what follows."""
        self._again.extendleft(reversed(self._record[1:]))
        del self._record[1:]


def read_csv(
    path: Path, encoding: str, faults: list[Fault]
) -> Iterator[tuple[list[str], list[tuple[int, list[str]]]]]:
    """The columns' names and some records at a time, each with its line; broken ones go to `faults`.

    A record is broken when it has more or fewer fields than there are columns, a quote that does not close or is
    followed by something else than a delimiter, or bytes that are no text in that encoding.

    Raises:
        OSError: the file cannot be read.
        LookupError: there is no such encoding.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    with path.open("rb") as raw:
        encoding = _BOMS.get(raw.read(2), "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        head = file.readline()
        file.seek(0)
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=_delimiter(path, head), strict=True)
        columns: list[str] = []
        some: list[tuple[int, list[str]]] = []
        while True:
            lines.begin()
            try:
                record = next(reader, None)
            except csv.Error as error:
                faults.append(Fault(lines.first, str(error)))
                lines.back()
                continue
            if record is None:
                break
            if not record:  # an empty line
                continue
            why = _wrong(record, columns)
            if why:
                faults.append(Fault(lines.first, why))
                lines.back()
            elif not columns:
                columns = record
            else:
                some.append((lines.first, record))
                if len(some) == 8192:
                    yield columns, some
                    some = []
        yield columns, some


def _wrong(record: list[str], columns: list[str]) -> str:
    if columns and len(record) != len(columns):
        return f"{len(record)} fields instead of {len(columns)}"
    if any("\udc80" <= letter <= "\udcff" for field in record if not field.isascii() for letter in field):
        return "bytes that are no text in this encoding"
    return ""


def _delimiter(path: Path, head: str) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
