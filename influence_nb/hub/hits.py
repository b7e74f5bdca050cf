"""`ModelHit`: one model that a search found, as a frozen value, read from what the Hub says of it.

It does not know how a search is asked nor how hits are shown. The Hub's word is not trusted to be well formed: what
cannot be read is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from influence_nb.memory.budget import Fits

Gate = Literal[False, "auto", "manual"]

PROPERTIES = (
    "author",
    "createdAt",
    "downloads",
    "gated",
    "gguf",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "safetensors",
    "sha",
    "tags",
    "usedStorage",
)
"""What a hit is made of, by the Hub's names; its API leaves out what is not asked for."""


@dataclass(frozen=True)
class ModelHit:
    """One model on the Hub.

    Attributes:
        id: the repository, "owner/name".
        author: the person or organisation that owns it; "" where the Hub names none.
        task: what it does, by the Hub's pipeline tag, such as "text-generation".
        library: what it is made for, such as "transformers" or "gguf".
        parameters: how many it has, by its safetensors files, else by its GGUF file.
        size: bytes that the repository takes on the Hub: every format and every earlier version counts, so a
            download is smaller.
        license: the licence's tag, such as "apache-2.0".
        gated: False, or how access is given: "auto" (at once, when the licence is accepted) or "manual".
        downloads: in the last 30 days.
        likes: how many people like it.
        updated: when a file in it was last changed.
        tags: all of the Hub's tags.
        dtypes: parameters of each data type in the safetensors files, such as {"BF16": 134515008}.
        created: when the repository was made.
        commit: the newest commit.
        fits: whether it fits the device at hand: "yes", "int8" or "nf4" (when quantized so), "no"; None where
            that is not known.

    Whatever the Hub does not say is None, or 0 for `downloads` and `likes`.
    """

    id: str
    author: str = ""
    task: str | None = None
    library: str | None = None
    parameters: int | None = None
    size: int | None = None
    license: str | None = None
    gated: Gate = False
    downloads: int = 0
    likes: int = 0
    updated: datetime | None = None
    tags: tuple[str, ...] = ()
    dtypes: Mapping[str, int] = field(default_factory=dict, hash=False)
    created: datetime | None = None
    commit: str | None = None
    fits: Fits | None = None


def read_hit(said: Any) -> ModelHit | None:
    """The hit in one entry of the Hub's answer; None where it names no model."""
    if not isinstance(said, Mapping):
        return None
    id = said.get("id") or said.get("modelId")
    if not isinstance(id, str) or not id.strip():
        return None
    safetensors, gguf = _mapping(said.get("safetensors")), _mapping(said.get("gguf"))
    dtypes = {
        str(name): count
        for name, value in _mapping(safetensors.get("parameters")).items()
        if (count := _count(value)) is not None
    }
    parameters = _count(safetensors.get("total")) or sum(dtypes.values()) or _count(gguf.get("total"))
    listed = said.get("tags")
    tags = tuple(tag for tag in listed if isinstance(tag, str)) if isinstance(listed, list) else ()
    licenses = [tag.partition(":")[2] for tag in tags if tag.startswith("license:")]
    return ModelHit(
        id=id,
        author=_text(said.get("author")) or id.rpartition("/")[0],
        task=_text(said.get("pipeline_tag")),
        library=_text(said.get("library_name")),
        parameters=parameters or None,
        size=_count(said.get("usedStorage")),
        license=licenses[0] if licenses else None,
        gated=_gate(said.get("gated")),
        downloads=_count(said.get("downloads")) or 0,
        likes=_count(said.get("likes")) or 0,
        updated=_date(said.get("lastModified")),
        tags=tags,
        dtypes=dtypes,
        created=_date(said.get("createdAt")),
        commit=_text(said.get("sha")),
    )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return int(value) if whole else None


def _gate(value: Any) -> Gate:
    if value in ("auto", "manual"):
        return value  # type: ignore[no-any-return]
    return "manual" if value else False


def _date(value: Any) -> datetime | None:
    try:
        date = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
