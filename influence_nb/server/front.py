"""What answers while the rest of the server is still being imported: /health at once, everything else a little later.

It does not know the endpoints; plain ASGI, and few imports, so that it is there within moments of the program's start.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from influence_nb.engine.receipts import package_versions

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def version() -> str:
    """influence_nb's."""
    return package_versions().get("influence_nb", "")


def health(
    status: str = "loading",
    model: str | None = None,
    error: dict[str, Any] | None = None,
    loaded: Sequence[str] = (),
    waiting: int = 0,
    running: int = 0,
) -> dict[str, Any]:
    """What /health says; with nothing given, what it says until the application is there."""
    return {
        "status": status,
        "ready": status == "ready",
        "model": model,
        "error": error,
        "loaded": list(loaded),
        "waiting": waiting,
        "running": running,
        "version": version(),
    }


class Front:
    """Stands where the application will be, and passes on to it once it is there."""

    def __init__(self) -> None:
        self._app: Future[ASGIApp] = Future()

    def open(self, app: ASGIApp) -> None:
        """Hand over to the application, once; from any thread."""
        self._app.set_result(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if not self._app.done():
            if scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/health"):
                body = json.dumps(health()).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
            await asyncio.shield(asyncio.wrap_future(self._app))  # who goes meanwhile takes nothing along
        await self._app.result()(scope, receive, send)
