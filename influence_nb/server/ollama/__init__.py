"""Ollama's API: generate, chat, embed, and the library: tags, ps, show, pull, delete, version.

It does not know how tokens come about, nor how models are fetched and kept.
"""

from fastapi import APIRouter

from influence_nb.server.ollama import answers, embed, library, pull
from influence_nb.server.service import Service


def routes(service: Service) -> APIRouter:
    """All endpoints."""
    router = APIRouter(tags=["Ollama"])
    for part in (answers, embed, library, pull):
        router.include_router(part.routes(service))
    return router
