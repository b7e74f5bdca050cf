"""/v1/models and POST /v1/embeddings.

It does not know how a text becomes a vector.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from influence_nb.embeddings.encode import Encoder
from influence_nb.server import wire
from influence_nb.server.models import not_found, plain
from influence_nb.server.openai.bodies import Whole
from influence_nb.server.refusals import Refused
from influence_nb.server.service import Service
from influence_nb.store.models import LocalModel

Embedded = tuple[Any, int]
"""Vectors, and the tokens that they took."""


class Embed(BaseModel):
    """Texts to be made vectors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = Field(None, description="A name of the library; left out, the starter encoder.")
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Whole | None = None
    user: str | None = None


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter()

    @router.get("/v1/models")
    async def models() -> Response:
        """What is here: the models of the library, and what else is loaded."""
        listed = await to_thread.run_sync(service.models.listed)
        found = [_model(local) for local in listed]
        names = {one["id"] for one in found}
        found += [_entry(one.name) for one in service.models.present() if one.name not in names]
        return wire.answer({"object": "list", "data": found})

    @router.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        """One of them."""
        for one in service.models.present():
            if one.name == plain(name) and one.local is None:
                return wire.answer(_entry(one.name))
        if not plain(name):
            raise not_found(name)
        return wire.answer(_model(await to_thread.run_sync(service.models.files, name)))

    @router.post("/v1/embeddings")
    async def embeddings(body: Embed, request: Asked) -> Response:
        """A vector for each text."""
        encoder = await service.models.encoder(body.model)
        vectors, counted = await embedded(request, lambda cancel: _vectors(encoder, body, cancel))
        packed = body.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(row) if packed else row.tolist()}
            for index, row in enumerate(vectors)
        ]
        usage = {"prompt_tokens": counted, "total_tokens": counted}
        return wire.answer({"object": "list", "data": data, "model": encoder.name, "usage": usage})

    return router


async def embedded(request: Asked, work: Callable[[threading.Event], Embedded]) -> Embedded:
    """What `work` makes on a thread; it is told to stop when the client goes."""
    cancel = threading.Event()
    try:
        working = to_thread.run_sync(work, cancel, abandon_on_cancel=True)
        return await wire.unless_gone(request, working)
    finally:
        cancel.set()


def _vectors(encoder: Encoder, body: Embed, cancel: threading.Event) -> Embedded:
    given = body.input
    rows: list[Any] = (
        [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else list(given)
    )
    if not rows:
        raise Refused(400, "There is no input.", "Give a text, or a list of texts.", field="input")
    texts = [row if isinstance(row, str) else encoder.decode(row) for row in rows]
    return shortened(encoder.encode(texts, cancel=cancel), body.dimensions), counted(encoder, texts)


def counted(encoder: Encoder, texts: list[str]) -> int:
    """How many tokens the encoder reads of all texts."""
    return sum(min(count, encoder.max_tokens) for count in encoder.token_counts(texts))


def shortened(vectors: Any, dimensions: int | None) -> Any:
    """The first so many numbers of each vector, scaled to length 1 again."""
    if dimensions is None:
        return vectors
    width = vectors.shape[1]
    if not 1 <= dimensions <= width:
        raise Refused(
            400,
            f"dimensions={dimensions} is out of range.",
            f"This model's vectors have {width}.",
            field="dimensions",
        )
    cut = vectors[:, :dimensions]
    return cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)


def _base64(row: Any) -> str:
    return base64.b64encode(np.asarray(row, "<f4").tobytes()).decode()


def _model(local: LocalModel) -> dict[str, Any]:
    used = local.last_used
    return _entry(local.name, int(used.timestamp()) if used else None)


def _entry(name: str, created: int | None = None) -> dict[str, Any]:
    owner = name.partition("/")[0] if "/" in name else "library"
    return {"id": name, "object": "model", "created": created or int(time.time()), "owned_by": owner}
