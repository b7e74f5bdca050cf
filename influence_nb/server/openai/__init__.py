"""OpenAI's API: models, chat/completions, completions, embeddings.

It does not know how tokens come about, nor who runs with whom.
"""

from fastapi import APIRouter

from influence_nb.server.openai import chat, completions, embeddings
from influence_nb.server.service import Service


def routes(service: Service) -> APIRouter:
    """All endpoints."""
    router = APIRouter(tags=["OpenAI"])
    for part in (chat, completions, embeddings):
        router.include_router(part.routes(service))
    return router
