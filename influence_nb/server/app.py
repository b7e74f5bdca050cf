"""The application: the endpoints of all APIs, and errors in each API's own shape.

It does not know who may ask (`guards.py`), nor how it is listened to (`running.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from influence_nb.errors import InfluenceError
from influence_nb.server import native, ollama, openai, refusals, wire
from influence_nb.server.refusals import Refused
from influence_nb.server.service import Service

log = logging.getLogger("influence_nb.server")

_DESCRIPTION = "One loaded model for every program: our own API, OpenAI's and Ollama's."


def application(service: Service) -> ASGIApp:
    """Everything that a server answers."""
    app = FastAPI(
        title="influence_nb",
        version=service.version,
        description=_DESCRIPTION,
        docs_url=None,  # its page would come from elsewhere
        redoc_url=None,
    )
    for router in (native.routes(service), openai.routes(service), ollama.routes(service)):
        app.include_router(router)
    app.add_exception_handler(InfluenceError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(wire.Gone, _gone)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def _answer(request: Request, error: InfluenceError, more: Mapping[str, str] | None = None) -> Response:
    headers = {**(error.headers if isinstance(error, Refused) else {}), **(more or {})}
    return wire.answer(refusals.body(request.url.path, error), refusals.status(error), headers)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, InfluenceError)
    if refusals.status(error) >= 500:
        log.warning("%s: %s", type(error).__name__, error.message)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found: Any = error.errors()[0]
    return _answer(request, refusals.invalid(found, request.url.path))


async def _http(request: Request, error: Exception) -> Response:
    """What the framework refuses: unknown paths, methods, and bodies that it cannot read at all."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Refused):  # a body that grew too large while it was read
        return _answer(request, error.__cause__)
    said = {
        404: (f"There is nothing at {request.url.path}.", "docs/server.md lists what there is."),
        405: (f"{request.url.path} does not take {request.method}.", "docs/server.md lists what it takes."),
        400: ("The body cannot be read: it is not JSON in UTF-8.", "Send a JSON object."),
    }
    message, hint = said.get(error.status_code, (str(error.detail), ""))
    return _answer(request, Refused(error.status_code, message, hint), error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("an answer failed", exc_info=error)
    return _answer(
        request, InfluenceError(f"Something went wrong here: {type(error).__name__}.", "Ask again.")
    )
