"""POST /api/embed and /api/embeddings: texts to vectors.

It does not know how a text becomes a vector.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from influence_nb.embeddings.encode import Encoder
from influence_nb.engine import keeping
from influence_nb.errors import ContextTooLong
from influence_nb.server import wire
from influence_nb.server.ollama.bodies import KeepAlive, Options, Whole
from influence_nb.server.openai.embeddings import counted, embedded, shortened
from influence_nb.server.service import Service


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    model: str | None = None
    keep_alive: KeepAlive = None
    options: Options | None = None


class Embed(_Body):
    """Texts to be made vectors."""

    input: str | list[str] | None = None
    truncate: bool | None = None
    dimensions: Whole | None = None


class Embeddings(_Body):
    """A text to be made a vector; Ollama's older call."""

    prompt: str | None = None


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter()

    @router.post("/api/embed")
    async def embed(body: Embed, request: Asked) -> Response:
        """A vector of length 1 for each text."""
        began = time.perf_counter()
        texts = [body.input] if isinstance(body.input, str) else body.input or []
        vectors, count, loaded = await _vectors(
            service, request, body, texts, body.truncate is not False, body.dimensions
        )
        total = time.perf_counter() - began
        return wire.answer(
            {
                "model": body.model or "starter/embedding",
                "embeddings": vectors,
                "total_duration": round(total * 1e9),
                "load_duration": round((loaded - began) * 1e9),
                "prompt_eval_count": count,
            }
        )

    @router.post("/api/embeddings")
    async def embeddings(body: Embeddings, request: Asked) -> Response:
        """A vector for one text."""
        texts = [body.prompt] if body.prompt else []
        vectors, _, _ = await _vectors(service, request, body, texts, True, None)
        return wire.answer({"embedding": vectors[0] if vectors else []})

    return router


async def _vectors(
    service: Service, request: Asked, body: _Body, texts: list[str], truncate: bool, dimensions: int | None
) -> tuple[list[list[float]], int, float]:
    """The vectors, the tokens they took, and when the encoder was there."""
    span = keeping.seconds(body.keep_alive)
    encoder = await service.models.encoder(body.model)
    loaded = time.perf_counter()
    vectors, count = await embedded(
        request, lambda cancel: _encoded(encoder, texts, truncate, dimensions, cancel)
    )
    if span == 0:
        await to_thread.run_sync(service.models.unload_encoder, body.model or "starter/embedding")
    return vectors, count, loaded


def _encoded(
    encoder: Encoder, texts: list[str], truncate: bool, dimensions: int | None, cancel: threading.Event
) -> tuple[list[Any], int]:
    if not truncate:
        longest = max(encoder.token_counts(texts), default=0)
        if longest > encoder.max_tokens:
            raise ContextTooLong(
                f"An input is {longest} tokens long; {encoder.name} reads {encoder.max_tokens}.",
                "Shorten it, or leave truncate out.",
            )
    return shortened(encoder.encode(texts, cancel=cancel), dimensions).tolist(), counted(encoder, texts)
