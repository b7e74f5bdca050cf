"""What the records hold, as values: downloads with their checksums, verifications, and everything a listing asks for.

It does not know how they are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from influence_nb.hub.places import Planned

_SHA1 = re.compile(r"[0-9a-f]{40}")


class PlanLike(Protocol):
    """A plan of a download, as far as it is remembered: nothing of it is secret."""

    @property
    def repo_id(self) -> str: ...  # noqa: D102
    @property
    def commit(self) -> str: ...  # noqa: D102
    @property
    def revision(self) -> str | None: ...  # noqa: D102
    @property
    def files(self) -> Sequence[Planned]: ...  # noqa: D102
    @property
    def license(self) -> str | None: ...  # noqa: D102
    @property
    def tags(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def card(self) -> Any: ...  # noqa: D102
    @property
    def output_dir(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class FileSum:
    """What the Hub said of a file: bytes, the SHA-256 of a large one, the git object's SHA-1 of a small one."""

    size: int | None
    sha256: str | None
    blob_id: str | None

    @property
    def is_known(self) -> bool:
        """Whether it tells right bytes from wrong ones: an ETag of a mirror may not."""
        return bool(self.sha256 or (self.blob_id and _SHA1.fullmatch(self.blob_id)))


@dataclass(frozen=True)
class Download:
    """A download that was done here; `checksum` changes when its list of files does."""

    path: str
    repo_id: str
    commit: str
    revision: str | None
    license: str | None
    in_cache: bool
    checksum: str
    files: Mapping[str, FileSum] = field(default_factory=dict)


@dataclass(frozen=True)
class Verified:
    """How a verification ended, and the listing's signature that it holds for."""

    signature: str
    verified: bool
    date: datetime
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Everything a listing asks for, read at once.

    Attributes:
        last_used: by model name.
        facts: (signature, facts) by folder.
        verifications: by folder.
        downloads: by folder, without their lists of files.
        folders: folders that the user pointed at.
    """

    last_used: Mapping[str, datetime] = field(default_factory=dict)
    facts: Mapping[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    verifications: Mapping[str, Verified] = field(default_factory=dict)
    downloads: Mapping[str, Download] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
