"""One request as the hub saw it: what was asked, with which headers, and how much was sent in answer.

It knows nothing of repositories; the log is a list of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Host = Literal["hub", "cdn"]


@dataclass
class Request:
    """Header names are in lower case. `status` and `sent` are filled in while the answer goes out.

    `sent` counts the body's bytes that went out; how many of them arrived is known only to the other side.
    """

    method: str
    target: str
    host: Host
    headers: dict[str, str]
    body: bytes = b""
    status: int = 0
    sent: int = 0
    query: dict[str, list[str]] = field(init=False)
    path: str = field(init=False)
    """The decoded path, without the query."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.path = unquote(parts.path)

    @property
    def segments(self) -> list[str]:
        """The parts of the path, each decoded on its own: a revision may hold an escaped slash."""
        return [unquote(part) for part in urlsplit(self.target).path.split("/")[1:]]

    @property
    def token(self) -> str | None:
        """What the Authorization header held, or None where none came."""
        value = self.headers.get("authorization")
        return value.removeprefix("Bearer ") if value is not None else None

    @property
    def range(self) -> tuple[int | None, int | None] | None:
        """First and last byte of a Range header: (5, None) is from 5 on, (None, 8) the last eight."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if not found or found.groups() == ("", ""):
            return None
        first, last = found.groups()
        return (int(first) if first else None, int(last) if last else None)

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    def matches(self, glob: str, host: Host | None = None, method: str | None = None) -> bool:
        """Whether the decoded path fits the glob, in which * crosses slashes."""
        return fnmatchcase(self.path, glob) and host in (None, self.host) and method in (None, self.method)

    def span(self, size: int) -> tuple[int, int] | None:
        """What the Range header means for a body of that size, as [first, end), or None: nothing of it."""
        assert self.range is not None
        first, last = self.range
        if first is None:
            return (max(0, size - (last or 0)), size) if last else None
        end = size if last is None else min(last + 1, size)
        return (first, end) if first < end else None
