"""One look at everything on this machine: which models are whole, which are not, and why.

Headers are read once: what they said is remembered, and counts as long as no file's name, size or time has changed. It
does not know what is done with the models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from influence_nb.errors import BrokenModel
from influence_nb.hub import starters
from influence_nb.hub.cache import CachedModel, cached_models
from influence_nb.hub.lacking import lacking
from influence_nb.hub.removal import INCOMPLETE
from influence_nb.store import records
from influence_nb.store.folder import inspect
from influence_nb.store.listing import Entry, listing, signature, total
from influence_nb.store.models import IncompleteModel, LocalModel
from influence_nb.store.remembered import Memory

FACTS = ("architecture", "format", "quantization", "parameters", "size", "dtype", "license")
_EDITION = 1
"""Of what `inspect` finds out; another number makes everything be looked at anew."""

Found = LocalModel | IncompleteModel


@dataclass(frozen=True)
class Shelf:
    """What one look found: starters first, then the Hub's cache by name, then folders."""

    found: tuple[Found, ...]

    @property
    def models(self) -> tuple[LocalModel, ...]:
        """Those that are whole."""
        return tuple(one for one in self.found if isinstance(one, LocalModel))

    @property
    def broken(self) -> tuple[IncompleteModel, ...]:
        """Those that are not."""
        return tuple(one for one in self.found if isinstance(one, IncompleteModel))


def look() -> Shelf:
    """Everything that is here now."""
    looking = _Looking(records.recall())
    found = [*looking.starters(), *looking.cached()]
    found += looking.folders({one.name for one in found})
    looking.remember()
    return Shelf(tuple(found))


class _Looking:
    """One look, with the memory it began with and what it found out anew."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.new: dict[str, tuple[str, dict[str, Any]]] = {}

    def remember(self) -> None:
        if self.new:
            records.remember_facts(self.new)

    def starters(self) -> Iterator[Found]:
        for name, starter in starters.STARTERS.items():
            folder, revision = starters.folder(name), f"{starter.package}-{starter.version}"
            if not folder.is_dir():
                continue
            if not starters.is_here(name):
                size = total(_listing(folder))
                reason = f"{name} is not whole: a file of it is missing or has another size."
                yield IncompleteModel(name, folder, revision, "starter", size, reason, _fetch(name))
                continue
            for path in (folder / "safetensors", folder):  # the converted weights where they are there
                found = self.named(self.model(name, path, "starter", revision), name)
                if isinstance(found, LocalModel):
                    checked = True if found.verified is None else found.verified  # before it counted as there
                    found = replace(found, verified=checked, license=starter.licence)
                elif path != folder:
                    continue
                yield found
                break

    def cached(self) -> Iterator[Found]:
        for _, group in groupby(cached_models(), key=lambda one: one.repo_id):
            revisions = list(group)
            found = [self.revision(one) for one in revisions]
            plain = _plain(revisions, found)
            for place, one in enumerate(found):
                name = one.name if place == plain else _short(one, found)
                if place != plain and isinstance(one, IncompleteModel):
                    one = replace(one, hint=_again(one.name, one.revision))
                yield self.named(one, name)

    def revision(self, cached: CachedModel) -> Found:
        if cached.commit is not None:
            return self.model(cached.repo_id, cached.path, "hub", cached.commit)
        size = total(_listing(cached.path / "blobs"))
        reason = "Its download was not finished."
        return IncompleteModel(cached.repo_id, cached.path, None, "hub", size, reason, _again(cached.repo_id))

    def folders(self, taken: set[str]) -> Iterator[Found]:
        """Output directories of downloads, and folders that the user pointed at; a name that is taken gives way."""
        downloads = {path: one for path, one in self.memory.downloads.items() if not one.in_cache}
        for path in dict.fromkeys([*downloads, *self.memory.folders]):
            if not os.path.isdir(path):
                continue  # on a disk that is not there now, perhaps
            download = downloads.get(path)
            name = download.repo_id if download else os.path.basename(path)
            if name in taken:
                name = path
            taken.add(name)
            found = self.model(name, Path(path), "folder", download.commit if download else None)
            yield self.named(found, name)

    def model(self, name: str, path: Path, source: str, revision: str | None) -> Found:
        """What lies in a folder, from memory where nothing has changed."""
        key, entries = str(path), _listing(path)
        sign = signature(entries)
        download, check = self.memory.downloads.get(key), self.memory.verifications.get(key)
        if check is not None and check.signature != sign:
            check = None
        try:
            facts = self.facts(path, entries, sign, download.checksum if download else "")
        except BrokenModel as error:
            reason, hint = error.message, error.hint
            if check is not None and check.damaged:
                what = ", ".join(check.damaged)
                reason = f"Damaged and set aside on {check.date:%Y-%m-%d}: {what}."
            if source == "hub":
                reason, hint = reason.replace(f"{path}/", "").replace(str(path), "It"), _again(name)
                if half := _unfinished(path):
                    reason = f"Its download was not finished ({half / 1e6:,.0f} MB are kept). {reason}"
            if download is not None and (lack := _lacking_from_the_start(path, entries)):
                reason, hint = (
                    f"It {lack}.",
                    "It is here as its repository has it: choose another model, or remove it.",
                )
            return IncompleteModel(name, path, revision, source, total(entries), reason, hint)
        if download is not None and download.license:
            facts = {**facts, "license": download.license}
        return LocalModel(
            name=name,
            path=path,
            revision=revision,
            source=source,
            verified=check.verified if check else None,
            verified_at=check.date if check else None,
            **facts,
        )

    def facts(self, path: Path, entries: tuple[Entry, ...], sign: str, checksum: str) -> dict[str, Any]:
        key = str(path)
        sign = f"{_EDITION}:{sign}:{checksum}"
        known = self.memory.facts.get(key)
        if known is not None and known[0] == sign and known[1].keys() == set(FACTS):
            return known[1]
        contents = inspect(path, total(entries))
        if checksum:
            _check_sizes(path, entries)
        facts = {name: getattr(contents, name) for name in FACTS}
        self.new[key] = (sign, facts)
        return facts

    def named(self, found: Found, name: str) -> Found:
        if isinstance(found, IncompleteModel):
            return replace(found, name=name)
        last_used = self.memory.last_used.get(name)
        if (name, last_used) == (found.name, found.last_used):
            return found
        return replace(found, name=name, last_used=last_used)


def _plain(revisions: list[CachedModel], found: list[Found]) -> int:
    """Which revision goes by the model's name alone: `main`, else the newest that is whole, else the newest."""
    for place, one in enumerate(revisions):
        if "main" in one.refs:
            return place
    return next((place for place, one in enumerate(found) if isinstance(one, LocalModel)), 0)


def _short(one: Found, others: list[Found]) -> str:
    """The name with as much of the commit as tells it from the other revisions."""
    commits, commit = [other.revision or "" for other in others], one.revision or ""
    length = 7
    while length < len(commit) and sum(other.startswith(commit[:length]) for other in commits) > 1:
        length += 1
    return f"{one.name}@{commit[:length]}"


def _check_sizes(path: Path, entries: tuple[Entry, ...]) -> None:
    """Large files have the size that the Hub said; the small ones a person may have changed."""
    known = records.download_of(path)
    for entry in entries:
        sums = known.files.get(entry.name) if known else None
        if sums is not None and sums.sha256 and sums.size is not None and sums.size != entry.size:
            raise BrokenModel(
                f"{path / entry.name} has {entry.size} bytes; the Hub's has {sums.size}.",
                "Fetch the model again: only that file is fetched.",
            )


def _lacking_from_the_start(path: Path, entries: tuple[Entry, ...]) -> str | None:
    """What a download that is here as it came lacks to be a model; None if it is not, or its files do not tell."""
    known = records.download_of(path)
    if known is None:
        return None
    sizes = {entry.name: entry.size for entry in entries}
    for name, sums in known.files.items():
        if sizes.get(name) is None or sums.size not in (None, sizes[name]):
            return None
    return lacking(known.files)


def _unfinished(snapshot: Path) -> int:
    """Bytes of half-done files beside a snapshot."""
    blobs = _listing(snapshot.parents[1] / "blobs")
    return sum(entry.size or 0 for entry in blobs if entry.name.endswith(INCOMPLETE))


def _listing(path: Path) -> tuple[Entry, ...]:
    try:
        return listing(path)
    except OSError:
        return ()


def _again(name: str, revision: str | None = None) -> str:
    more = f", revision={revision!r}" if revision else ""
    return f"Download it again, inb.download({name!r}{more}): what is whole is kept. Or remove it."


def _fetch(name: str) -> str:
    return f"Fetch it again: inb.download({name!r}), or `influence starters`."
