"""Bytes on the wire: JSON, server-sent events, lines of JSON; and noticing that a client has gone.

It does not know what is sent.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

LEAST = -9999.0
"""What stands for a log-probability of -inf, which JSON cannot say; it is OpenAI's choice too."""


class Gone(Exception):
    """The client has gone; nobody hears the answer."""


def dumps(value: Any) -> bytes:
    """JSON as UTF-8. Half characters, which only a request can bring, are replaced."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A whole answer in JSON."""
    return Response(dumps(value), status, headers, media_type="application/json")


def event(value: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + dumps(value) + b"\n\n"


def line(value: Any) -> bytes:
    """One line of a stream of JSON."""
    return dumps(value) + b"\n"


def logprob(value: float | None) -> float | None:
    """A log-probability that JSON can say."""
    return value if value is None or math.isfinite(value) else LEAST


def now() -> str:
    """The moment in UTC, as Ollama writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client goes.

    Raises:
        Gone: it did.
    """
    return await _unless_gone(request.receive, work)


async def _unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    working, going = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        going.cancel()  # it ends by itself: each turn of the loop that is waited for costs a client milliseconds
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streaming(StreamingResponse):
    """Chunks as they come. When the client goes the chunks are no longer asked for; `close` is called in any case."""

    def __init__(self, chunks: AsyncIterator[bytes], media_type: str, close: Callable[[], object]) -> None:
        super().__init__(chunks, media_type=media_type, headers={"Cache-Control": "no-cache"})
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `StreamingResponse`."""
        try:
            await _unless_gone(receive, self.stream_response(send))
        except (Gone, OSError):
            pass
        finally:
            self._close()
