"""The loopback Hub: what a test puts into it, asks of it, and breaks in it.

It serves on two ports of 127.0.0.1, the hub's own and the CDN's. How bytes go out is the server's part.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.loopback.faults import ALWAYS, STANDING, Fault, Faults, Hold, Kind
from tests.loopback.repo import WEIGHTS, Commit, File, Repo
from tests.loopback.requests import Host, Request
from tests.loopback.server import Server

Predicate = Callable[[str], bool]


class LoopbackHub:
    """Serves while it is entered.

    `plain` makes it a mirror without an API, which gives files by their resolve addresses and tells nothing of
    commits and hashes. `resolve_cache` answers small files with a redirect to another path, `compress` sends
    them gzipped without a length to who accepts that: the real hub does both. `page_size` is the length of the
    API's pages.
    """

    def __init__(
        self,
        *,
        plain: bool = False,
        resolve_cache: bool = False,
        compress: bool = False,
        page_size: int = 1000,
    ) -> None:
        self.plain, self.resolve_cache, self.compress, self.page_size = (
            plain,
            resolve_cache,
            compress,
            page_size,
        )
        self.repos: dict[str, Repo] = {}
        self.tokens = {"good", "other"}
        self.log: list[Request] = []
        self.faults = Faults()
        self._links: dict[str, File] = {}
        self._signatures = itertools.count(1)
        self._lock = threading.Lock()
        self._days = itertools.count()
        self._hub, self._cdn = Server(self, "hub"), Server(self, "cdn")
        self.endpoint, self.cdn = self._hub.address, self._cdn.address

    def __enter__(self) -> LoopbackHub:
        self._hub.start()
        self._cdn.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving: every connection ends, and new ones are refused."""
        self.faults.closing.set()
        self.faults.clear()
        self._hub.close()
        self._cdn.close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes the client in another process ask this hub, with no one's token and by no proxy."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }

    # What it holds

    def add(
        self,
        repo_id: str,
        files: dict[str, bytes],
        *,
        branch: str = "main",
        lfs: Predicate | Collection[str] | None = None,
        claims: dict[str, int] | None = None,
        **about: Any,
    ) -> str:
        """Commit exactly these files to a branch, making the repository if need be; return the commit's id.

        Args:
            repo_id: "name" or "author/name".
            files: Content by name. A name may be one that a sane hub would never give.
            branch: The branch that moves on.
            lfs: Which files are kept in LFS and so come from the CDN: names, or a predicate. None: weights.
            claims: Sizes that the hub says of files, where they are not the true ones.
            **about: Any field of `Repo`: gated, private, card, tags, downloads, parameters, ...
        """
        is_lfs = _predicate(lfs)
        sizes = claims or {}
        made = [File(name, data, is_lfs(name), sizes.get(name)) for name, data in files.items()]
        with self._lock:
            repo = self.repos.get(repo_id) or Repo(repo_id)
            for name, value in about.items():
                if not hasattr(repo, name):
                    raise TypeError(f"a repository has no {name!r}")
                setattr(repo, name, value)
            date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=next(self._days))
            commit = repo.commit(made, branch, date)
            self.repos[repo_id] = repo
        return commit.id

    def tag(self, repo_id: str, name: str, revision: str = "main") -> None:
        """Give a commit a tag."""
        repo = self.repos[repo_id]
        commit = repo.at(revision)
        assert commit is not None, f"{repo_id} has no {revision}"
        repo.tagged[name] = commit.id

    def rename(self, old: str, new: str) -> None:
        """Move a repository; its old name redirects."""
        repo = self.repos[old]
        self.repos[old] = Repo(old, moved_to=new)
        repo.id = new
        self.repos[new] = repo

    def remove(self, repo_id: str) -> None:
        """Take a repository away."""
        del self.repos[repo_id]

    @property
    def known_tokens(self) -> set[str]:
        """The tokens that belong to someone; any other is refused whatever it asks for."""
        return self.tokens.union(*(repo.allowed_tokens for repo in self.repos.values()))

    # What goes wrong

    def fault(
        self,
        glob: str,
        kind: Kind,
        times: int | None = None,
        *,
        host: Host | None = None,
        method: str | None = None,
        ranged: bool | None = None,
        after: int = 0,
        **options: Any,
    ) -> Fault:
        """Make requests go wrong.

        Args:
            glob: Which paths, without the query; * crosses slashes. A file's path ends in its name on both hosts.
            kind: What happens; `faults.Kind` lists the kinds and their options.
            times: How often. None: once, and for "html" and "no_api" always.
            host: "hub" or "cdn". None: both.
            method: "GET", "HEAD" or "POST". None: each. Faults of the body wait for a body anyway.
            ranged: True for requests with a Range header only (so a resumed download), False for those without.
            after: How many such requests pass first.
            **options: What the kind needs to know.
        """
        number = (ALWAYS if kind in STANDING else 1) if times is None else times
        return self.faults.add(Fault(glob, kind, number, host, method, ranged, after, options))

    def hold(self, glob: str, at_byte: int = 0, host: Host | None = None) -> Hold:
        """Hold the next such body back at a byte, until the test lets go."""
        return self.faults.hold(glob, at_byte, host)

    # What was asked

    def requests(
        self,
        glob: str = "*",
        *,
        host: Host | None = None,
        method: str | None = None,
        status: int | None = None,
    ) -> list[Request]:
        """The requests so far whose path fits, oldest first."""
        return [
            request
            for request in list(self.log)
            if request.matches(glob, host, method) and status in (None, request.status)
        ]

    def forget(self) -> None:
        """Empty the log."""
        self.log.clear()

    # Links to the CDN

    def link(self, repo: Repo, commit: Commit, file: File) -> str:
        """A fresh signed address of a file."""
        signature = f"s{next(self._signatures)}"
        with self._lock:
            self._links[signature] = file
        return f"{self.cdn}/{quote(repo.id)}/{file.sha256[:12]}/{quote(file.name)}?signature={signature}"

    def linked(self, signature: str) -> File | None:
        """The file behind a signature that is still good."""
        return self._links.get(signature)

    def expire(self, signature: str) -> None:
        """The link with that signature is good no more."""
        with self._lock:
            self._links.pop(signature, None)


def _predicate(lfs: Predicate | Collection[str] | None) -> Predicate:
    if lfs is None:
        return lambda name: name.endswith(WEIGHTS)
    return lfs if callable(lfs) else lambda name: name in lfs
