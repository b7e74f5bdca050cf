"""What hubs said of commits, and which files were checked: small JSON files under INFLUENCE_HOME.

They spare questions and checksums and are no source of truth: losing them, or not being able to write them, costs
time only. A file counts as checked while its size and time of change are those of the moment it was.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path

from influence_nb.errors import IntegrityError
from influence_nb.hub.listing import COMMIT, Listing
from influence_nb.settings import settings


def listing(repo_id: str, commit: str, endpoint: str) -> Listing | None:
    """What that hub said of that commit, if it was asked before."""
    try:
        found = Listing.from_json(_folder(repo_id).joinpath(f"{commit}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IntegrityError):
        return None
    return found if (found.repo_id, found.commit, found.endpoint) == (repo_id, commit, endpoint) else None


def newest(repo_id: str, revision: str | None, endpoint: str) -> str | None:
    """The commit that the Hub's cache last saw at a branch or tag, if that hub was asked about it."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    storage = Path(constants.HF_HUB_CACHE).expanduser() / repo_folder_name(repo_id=repo_id, repo_type="model")
    try:
        commit = (
            storage.joinpath("refs", *(revision or "main").split("/")).read_text(encoding="utf-8").strip()
        )
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) and listing(repo_id, commit, endpoint) is not None else None


def remember(found: Listing) -> None:
    """Keep what a hub said, for `listing`."""
    _write(_folder(found.repo_id) / f"{found.commit}.json", found.to_json())


class Checked:
    """The files of one repository whose checksums were found right."""

    def __init__(self, repo_id: str) -> None:
        self._path = _folder(repo_id) / "checked.json"
        self._lock = threading.Lock()
        self._marks = self._read()
        self._new: dict[str, list[int | str]] = {}

    def knows(self, path: Path, key: str) -> bool:
        """Whether the file was found to be what `key` stands for, and has not changed since."""
        mark = self._marks.get(os.path.abspath(path))
        return mark is not None and mark == _mark(path, key)

    def add(self, path: Path, key: str) -> None:
        """The file is what `key` stands for."""
        mark = _mark(path, key)
        if mark is not None:
            with self._lock:
                self._marks[os.path.abspath(path)] = self._new[os.path.abspath(path)] = mark

    def save(self) -> None:
        """Keep what was added, beside what others have added meanwhile."""
        with self._lock:
            if self._new:
                there = {path: mark for path, mark in self._read().items() if os.path.exists(path)}
                _write(self._path, json.dumps(there | self._new))
                self._new = {}

    def _read(self) -> dict[str, list[int | str]]:
        try:
            marks = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return marks if isinstance(marks, dict) else {}


def _folder(repo_id: str) -> Path:
    return settings().home / "plans" / repo_id.replace("/", "--")


def _mark(path: Path, key: str) -> list[int | str] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return [key, stat.st_size, stat.st_mtime_ns]


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
