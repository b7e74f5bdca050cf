"""The hub's list of models: which ones a query means, in which order, page by page.

It does not know how a model is described.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from tests.loopback.repo import Commit, Repo

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_ORDERS: dict[str, Callable[[Repo, Commit], Any]] = {
    "downloads": lambda repo, commit: repo.downloads,
    "likes": lambda repo, commit: repo.likes,
    "trendingScore": lambda repo, commit: repo.trending,
    "createdAt": lambda repo, commit: repo.created,
    "lastModified": lambda repo, commit: repo.updated or commit.date,
}


def answer(
    repos: Iterable[Repo], query: dict[str, list[str]], page_size: int
) -> tuple[list[tuple[Repo, list[str]]], str | None]:
    """The models of one page, each with the properties asked for, and the query of the next page if there is one."""
    seen = [(repo, repo.at("main")) for repo in list(repos)]
    public = [(repo, commit) for repo, commit in seen if commit and not repo.private and not repo.moved_to]
    found = [(repo, commit) for repo, commit in public if _fits(repo, commit, query)]
    order = _ORDERS[query.get("sort", ["trendingScore"])[0]]
    found.sort(key=lambda pair: order(*pair), reverse=True)
    limit = min(int(query.get("limit", [page_size])[0]), page_size)
    start = int(query.get("cursor", ["0"])[0])
    following = None
    if start + limit < len(found):
        following = urlencode({**query, "cursor": [str(start + limit)]}, doseq=True)
    wanted = query.get("expand", [])
    return [(repo, wanted) for repo, _ in found[start : start + limit]], following


def _fits(repo: Repo, commit: Commit, query: dict[str, list[str]]) -> bool:
    tags = repo.all_tags(commit)
    text = query.get("search", [""])[0].lower()
    author = query.get("author", [""])[0].lower()
    gated = query.get("gated", [""])[0]
    return (
        all(word in repo.id.lower() for word in text.split())
        and (not author or repo.author.lower() == author)
        and all(_tagged(tags, wanted) for wanted in query.get("filter", []))
        and query.get("pipeline_tag", [repo.task])[0] == repo.task
        and (not gated or (gated == "true") == bool(repo.gated))
        and _within(repo, commit, query.get("num_parameters", [""])[0])
    )


def _tagged(tags: list[str], wanted: str) -> bool:
    return wanted in tags or f"language:{wanted}" in tags


def _within(repo: Repo, commit: Commit, span: str) -> bool:
    """Whether the number of parameters lies in a span such as "min:6B,max:128B"; unknown numbers never do."""
    if not span:
        return True
    dtypes = repo.dtypes(commit)
    total = sum(dtypes.values()) if dtypes else (repo.gguf or {}).get("total")
    if total is None:
        return False
    for side, number, unit in re.findall(r"(min|max):([\d.]+)([KMBT]?)", span):
        bound = float(number) * _UNITS[unit]
        if (side == "min" and total < bound) or (side == "max" and total > bound):
            return False
    return True
