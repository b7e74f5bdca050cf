"""What the hub answers: the API's routes, the files, and the refusals, each as a value.

It does not know sockets, and nothing in it fails on purpose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from tests.loopback import search
from tests.loopback.repo import Commit, File, Repo
from tests.loopback.requests import Request

if TYPE_CHECKING:
    from tests.loopback.hub import LoopbackHub

VERBS = {"revision", "tree", "refs", "auth-check", "paths-info", "commits", "resolve"}


@dataclass
class Answer:
    """`ranged` bodies may be asked for in parts; `text` ones may be compressed."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    ranged: bool = False
    text: bool = False


class Refused(Exception):
    """The answer is a refusal."""

    def __init__(self, status: int, message: str, code: str = "", **headers: str) -> None:
        super().__init__(message)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if code:
            named["X-Error-Code"] = code
        if status < 400:
            self.answer = Answer(status, named)
        else:
            named["X-Error-Message"] = message
            body = json.dumps({"error": message}).encode()
            self.answer = Answer(status, {**named, "Content-Type": "application/json; charset=utf-8"}, body)


def answer(hub: LoopbackHub, request: Request) -> Answer:
    """The whole answer to a request, as a well-behaved hub gives it."""
    try:
        if request.host == "cdn":
            return _from_cdn(hub, request)
        return _api(hub, request) if request.is_api else _resolve(hub, request)
    except Refused as refused:
        return refused.answer


def page(text: str, status: int = 200) -> Answer:
    """A web page, from whoever stands in the way."""
    body = f"<!DOCTYPE html><html><body><h1>{text}</h1></body></html>".encode()
    return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, body)


def _json(value: Any, **headers: str) -> Answer:
    return Answer(
        200, {"Content-Type": "application/json; charset=utf-8", **headers}, json.dumps(value).encode()
    )


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


# Who may see what


def _check_token(hub: LoopbackHub, request: Request) -> None:
    if request.token is not None and request.token not in hub.known_tokens:
        raise Refused(401, "Invalid credentials in Authorization header")


def _admit(hub: LoopbackHub, request: Request, repo_id: str, files: bool) -> Repo:
    """The repository, for someone who may see it (`files`: and take what it holds)."""
    _check_token(hub, request)
    repo, token = hub.repos.get(repo_id), request.token
    if repo is None or (repo.private and token not in repo.allowed_tokens):
        status, why = (
            (401, "Invalid username or password.") if token is None else (404, "Repository not found")
        )
        raise Refused(status, why, "RepoNotFound")
    if repo.moved_to:
        there = request.target.replace(quote(repo_id), quote(repo.moved_to), 1)
        raise Refused(307, "moved", Location=there)
    if repo.disabled:
        raise Refused(403, "Access to this resource is disabled.")
    if repo.gated and (files or repo.gated_api) and token not in repo.allowed_tokens:
        where = f"Access to model {repo_id} is restricted"
        if token is None:
            raise Refused(401, f"{where}. You must be authenticated to access it.", "GatedRepo")
        raise Refused(403, f"{where} and you are not in the authorized list. Ask for access.", "GatedRepo")
    return repo


def _commit(repo: Repo, revision: str) -> Commit:
    commit = repo.at(revision)
    if commit is None:
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


# The API


def _api(hub: LoopbackHub, request: Request) -> Answer:
    parts = request.segments[1:]
    if parts == ["whoami-v2"]:
        _check_token(hub, request)
        if request.token is None:
            raise Refused(401, "Invalid username or password.")
        return _json({"type": "user", "name": "someone", "fullname": "Some One", "orgs": [], "auth": {}})
    if parts == ["models"]:
        _check_token(hub, request)
        found, following = search.answer(hub.repos.values(), request.query, hub.page_size)
        link = {"Link": f'<{hub.endpoint}/api/models?{following}>; rel="next"'} if following else {}
        return _json([describe(repo, repo.at("main"), wanted) for repo, wanted in found], **link)
    if parts[0] == "resolve-cache" and len(parts) > 3:
        return _cached(hub, request, parts[2:])
    if parts[0] != "models" or len(parts) < 2:
        raise Refused(404, "Sorry, we can't find the page you are looking for.")
    length = 1 if len(parts) == 2 or parts[2] in VERBS else 2
    repo_id, rest = "/".join(parts[1 : 1 + length]), parts[1 + length :]
    match rest:
        case [] | ["revision", _]:
            repo = _admit(hub, request, repo_id, files=False)
            return _info(repo, _commit(repo, rest[1] if rest else "main"), request)
        case ["tree", revision, *path]:
            repo = _admit(hub, request, repo_id, files=False)
            return _tree(hub, request, _commit(repo, revision), "/".join(path))
        case ["paths-info", revision]:
            repo = _admit(hub, request, repo_id, files=False)
            wanted = parse_qs(request.body.decode()).get("paths", [])
            entries = _entries(_commit(repo, revision), "", recursive=True)
            return _json([entry for entry in entries if entry["path"] in wanted])
        case ["refs"]:
            return _refs(_admit(hub, request, repo_id, files=False))
        case ["auth-check"]:
            _admit(hub, request, repo_id, files=True)
            return _json({})
    raise Refused(404, "Sorry, we can't find the page you are looking for.")


def describe(repo: Repo, commit: Commit | None, wanted: list[str]) -> dict[str, Any]:
    """A repository in a list or on its own: `wanted` properties only, or those that come unasked."""
    assert commit is not None, f"{repo.id} has no main branch"
    size = sum(file.claimed for file in commit.files.values())
    dtypes = repo.dtypes(commit)
    every: dict[str, Any] = {
        "author": repo.author,
        "cardData": {**({"license": repo.license} if repo.license else {}), **repo.card},
        "createdAt": _time(repo.created),
        "disabled": repo.disabled,
        "downloads": repo.downloads,
        "gated": repo.gated,
        "gguf": repo.gguf,
        "lastModified": _time(repo.updated or commit.date),
        "library_name": repo.library,
        "likes": repo.likes,
        "pipeline_tag": repo.task,
        "private": repo.private,
        "safetensors": {"parameters": dtypes, "total": sum(dtypes.values())} if dtypes else None,
        "sha": commit.id,
        "siblings": [{"rfilename": name} for name in commit.files],
        "tags": repo.all_tags(commit),
        "trendingScore": repo.trending,
        "usedStorage": size if repo.used_storage is None else repo.used_storage,
    }
    unasked = ["createdAt", "downloads", "library_name", "likes", "pipeline_tag", "private", "tags"]
    chosen = {name: every.get(name) for name in wanted or unasked}
    named = {name: value for name, value in chosen.items() if value is not None}
    return {"_id": commit.id[:24], "id": repo.id, "modelId": repo.id, **named}


def _info(repo: Repo, commit: Commit, request: Request) -> Answer:
    wanted = request.query.get("expand", [])
    unasked = (
        "author cardData createdAt disabled downloads gated gguf lastModified library_name likes pipeline_tag"
    )
    unasked += " private safetensors sha siblings tags usedStorage"
    about = describe(repo, commit, wanted or unasked.split())
    if request.query.get("blobs") == ["true"]:
        about["siblings"] = [_sibling(file) for file in commit.files.values()]
    return _json(about)


def _sibling(file: File) -> dict[str, Any]:
    known = {"rfilename": file.name, "size": file.claimed, "blobId": file.blob_id}
    lfs = {"sha256": file.sha256, "size": file.claimed, "pointerSize": len(file.pointer)}
    return {**known, "lfs": lfs} if file.lfs else known


def _entries(commit: Commit, below: str, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders, as the tree and paths-info list them."""
    found: dict[str, dict[str, Any]] = {}
    start = f"{below.strip('/')}/" if below else ""
    for file in commit.files.values():
        if not file.name.startswith(start):
            continue
        parents = file.name[len(start) :].split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            folder = start + "/".join(parents[:depth])
            if folder.strip("/.") and (recursive or depth == 1):
                found[folder] = {"type": "directory", "oid": commit.id, "size": 0, "path": folder}
        if recursive or not parents:
            entry = {"type": "file", "oid": file.blob_id, "size": file.claimed, "path": file.name}
            if file.lfs:
                entry["lfs"] = {"oid": file.sha256, "size": file.claimed, "pointerSize": len(file.pointer)}
            found[file.name] = entry
    return list(found.values())


def _tree(hub: LoopbackHub, request: Request, commit: Commit, below: str) -> Answer:
    entries = _entries(commit, below, request.query.get("recursive") == ["true"])
    if below and not entries:
        raise Refused(404, f"{below} does not exist", "EntryNotFound")
    start = int(request.query.get("cursor", ["0"])[0])
    end = start + hub.page_size
    link = {}
    if end < len(entries):
        asked = "&".join(f"{name}={values[0]}" for name, values in request.query.items() if name != "cursor")
        link["Link"] = f'<{hub.endpoint}{quote(request.path)}?{asked}&cursor={end}>; rel="next"'
    return _json(entries[start:end], **link)


def _refs(repo: Repo) -> Answer:
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
        for name, commit in repo.branches.items()
    ]
    tags = [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
        for name, commit in repo.tagged.items()
    ]
    return _json({"branches": branches, "tags": tags, "converts": []})


# Files


def _resolve(hub: LoopbackHub, request: Request) -> Answer:
    parts = request.segments
    at = next((n for n in (1, 2) if parts[n : n + 1] == ["resolve"] and len(parts) > n + 2), None)
    if at is None:
        raise Refused(404, "Sorry, we can't find the page you are looking for.")
    repo = _admit(hub, request, "/".join(parts[:at]), files=True)
    commit, name = _commit(repo, parts[at + 1]), "/".join(parts[at + 2 :])
    file = commit.files.get(name)
    if hub.plain:
        if file is None:
            return page("404 Not Found", 404)
        return Answer(200, {"Content-Type": "application/octet-stream"}, file.data, ranged=True)
    if file is None:
        raise Refused(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.id)
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"'}
    if file.lfs:
        linked = {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.claimed)}
        return Answer(302, {**headers, **linked, "Location": hub.link(repo, commit, file)})
    if hub.resolve_cache:
        there = f"/api/resolve-cache/models/{quote(repo.id)}/{commit.id}/{quote(name)}"
        linked = {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.claimed)}
        return Answer(307, {**headers, **linked, "Location": there})
    return _small(file, headers)


def _small(file: File, headers: dict[str, str]) -> Answer:
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Answer(200, {**headers, **kind}, file.data, ranged=True, text=True)


def _cached(hub: LoopbackHub, request: Request, parts: list[str]) -> Answer:
    """Where the hub keeps small files: the same answer under an address with the commit in it."""
    length = 1 if parts[0] in hub.repos else 2
    repo = _admit(hub, request, "/".join(parts[:length]), files=True)
    commit = _commit(repo, parts[length])
    file = commit.files.get("/".join(parts[length + 1 :]))
    if file is None:
        raise Refused(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.id)
    return _small(file, {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"'})


def _from_cdn(hub: LoopbackHub, request: Request) -> Answer:
    """The bytes of an LFS file, for a link that the hub gave out and that has not expired."""
    file = hub.linked(request.query.get("signature", [""])[0])
    if file is None:
        body = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
        return Answer(403, {"Content-Type": "application/xml"}, body)
    headers = {"ETag": f'"{file.sha256}"', "Content-Type": "application/octet-stream"}
    return Answer(200, headers, file.data, ranged=True)
