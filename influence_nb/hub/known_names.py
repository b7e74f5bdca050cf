"""A repository on a hub without an API: the names that models' files have are tried one by one.

It knows names, and what two of those files say of others (an index of shards, sentence-transformers' modules); it
does not choose among what it finds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from influence_nb.errors import HubUnreachable, ModelNotFound
from influence_nb.hub.call import Call
from influence_nb.hub.choose import RemoteFile, check_names
from influence_nb.hub.faults import Asked
from influence_nb.hub.listing import COMMIT, SHA256, Listing, read_json, remote_file, wants_code
from influence_nb.hub.transport import PORTAL, entered

NAMES = (
    *("config.json", "generation_config.json", "README.md", "LICENSE"),
    *(
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
    ),
    *("vocab.json", "vocab.txt", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json"),
    *("chat_template.jinja", "chat_template.json", "preprocessor_config.json"),
    *(
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ),
    *(
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "adapter_config.json",
    ),
)
MODULE_NAMES = ("config.json", "model.safetensors", "pytorch_model.bin")
NOBODY = "no-model-has-a-file-of-this-name.json"
"""Where this one is there, so is every other, and what answers is not a hub."""

_AT_ONCE = 8


@dataclass(frozen=True)
class _Found:
    file: RemoteFile
    commit: str | None


def try_names(call: Call, asked: Asked, include: tuple[str, ...] = ()) -> Listing:
    """What is there of the names that models' files have.

    Args:
        call: the conversation, under way.
        asked: the repository and revision.
        include: further names to try; patterns among them are passed over.

    Raises:
        ModelNotFound: none of them is there.
        HubUnreachable: all of them are: what answers is not a hub.
    """
    revision = asked.revision or "main"
    named = [name for name in include if not re.search(r"[*?\[]", name) and not name.endswith("/")]
    check_names(named)
    found = _look(call, asked, [NOBODY, *NAMES, *named], revision)
    if NOBODY in found:
        raise HubUnreachable(f"{call.endpoint} answers anything with something, as no hub does.", PORTAL)
    if not found:
        raise ModelNotFound(
            f"{call.endpoint} has no model {asked.repo_id!r}, or none of the names that models' files have.",
            "Check the spelling. The hub has no API to list files: give other names by `include`.",
        )
    commits = {one.commit for one in found.values()} - {None}
    if len(commits) > 1:  # it changed between two questions
        revision = str(next(one.commit for one in found.values() if one.commit))
        found = _look(call, asked, [*NAMES, *named], revision)
    elif commits:
        revision = str(next(iter(commits)))
    found.update(_look(call, asked, _named_within(call, asked, found, revision), revision))
    config = read_json(call, asked, "config.json", revision) if "config.json" in found else None
    return Listing(
        repo_id=asked.repo_id,
        commit=revision if COMMIT.fullmatch(revision) else _made_up(found.values()),
        endpoint=call.endpoint,
        files=tuple(one.file for one in found.values()),
        needs_code=wants_code(config),
        has_api=False,
        at=None if COMMIT.fullmatch(revision) else revision,
    )


def complete(call: Call, asked: Asked, file: RemoteFile, revision: str) -> RemoteFile:
    """The same file with what the hub says of it when asked for it alone: size and checksum."""
    found = _head(call, asked, file.name, revision)
    if found is None:
        return file
    size = found.file.size if file.size is None else file.size
    if file.sha256 or file.blob_id:
        return replace(file, size=size)
    return replace(found.file, size=size)


def complete_all(
    call: Call, asked: Asked, files: Iterable[RemoteFile], revision: str
) -> dict[str, RemoteFile]:
    """`complete` for several files, by name."""
    return {
        file.name: file for file in _at_once(call, lambda one: complete(call, asked, one, revision), files)
    }


def _named_within(call: Call, asked: Asked, found: dict[str, _Found], revision: str) -> list[str]:
    """The names that files which were found speak of."""
    names: list[str] = []
    for index, single in (
        ("model.safetensors.index.json", "model.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model.bin"),
    ):
        if index in found and single not in found:
            table = read_json(call, asked, index, revision)
            shards = table.get("weight_map") if isinstance(table, dict) else None
            if isinstance(shards, dict):
                names += sorted({str(name) for name in shards.values()})
                break
    if "modules.json" in found:
        modules = read_json(call, asked, "modules.json", revision)
        paths = (
            [one.get("path") for one in modules if isinstance(one, dict)] if isinstance(modules, list) else []
        )
        names += [
            f"{path}/{name}" for path in paths if isinstance(path, str) and path for name in MODULE_NAMES
        ]
    check_names(names)
    return names


def _look(call: Call, asked: Asked, names: list[str], revision: str) -> dict[str, _Found]:
    """Those of the names that are there."""
    found = _at_once(call, lambda name: (name, _head(call, asked, name, revision)), dict.fromkeys(names))
    return {name: one for name, one in found if one is not None}


def _at_once(call: Call, work: Any, items: Iterable[Any]) -> list[Any]:
    def inside(item: Any) -> Any:
        with entered(call):
            return work(item)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hub-names") as pool:
        try:
            return list(pool.map(inside, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _head(call: Call, asked: Asked, name: str, revision: str) -> _Found | None:
    """What the hub says of one file without sending it; None where it is not there."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError

    url = hf_hub_url(asked.repo_id, name, revision=revision, endpoint=call.endpoint)
    try:
        said = get_hf_file_metadata(url, headers=call.headers, token=False, endpoint=call.endpoint)
    except RemoteEntryNotFoundError:
        return None
    except HfHubHTTPError as error:
        if error.response.status_code in (404, 410) and not error.response.headers.get("X-Error-Code"):
            return None
        raise
    commit = said.commit_hash if said.commit_hash and COMMIT.fullmatch(said.commit_hash) else None
    etag = said.etag
    sha256 = etag if etag and SHA256.fullmatch(etag) else None
    return _Found(remote_file(name, said.size, sha256, None if sha256 else etag), commit)


def _made_up(found: Iterable[_Found]) -> str:
    """A commit's stand-in, made of what was found, for servers that know none: other files, other commit."""
    text = "\n".join(
        sorted(f"{one.file.name} {one.file.size} {one.file.sha256 or one.file.blob_id}" for one in found)
    )
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
