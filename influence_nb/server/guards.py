"""What stands before every endpoint: who may ask, from where, and how much may be sent. Plain ASGI.

It does not know what is asked for.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from influence_nb.errors import InfluenceError
from influence_nb.server import refusals, wire
from influence_nb.server.metrics import Metrics
from influence_nb.server.refusals import Refused

log = logging.getLogger("influence_nb.server")

OPEN = ("/health",)
"""Paths that need no key: what watches a server has none."""


class Guard:
    """Lets through what may come in, answers the rest itself, and counts both.

    Args:
        app: what answers.
        loopback: whether the server listens on this machine's own address only; then the Host header has to name this
            machine, since a page from elsewhere could otherwise reach it by a name of its own (DNS rebinding).
        key: what every request has to carry as a bearer token; None for no key.
        limit: bytes that a body may have.
    """

    def __init__(
        self, app: ASGIApp, *, loopback: bool, key: str | None, limit: int, metrics: Metrics
    ) -> None:
        self._app = app
        self._loopback = loopback
        self._key = None if key is None else key.encode()
        self._limit = limit
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 499

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                self._check(scope["path"], headers)
            except Refused as error:
                await _refuse(scope, receive, sending, error)
                return
            # Every body here is JSON, whatever its sender calls it: curl calls it a form.
            kinds = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
            scope = {**scope, "headers": [*kinds, (b"content-type", b"application/json")]}
            await self._app(scope, self._limited(receive), sending)
        finally:
            known = scope["path"] if scope["path"] in OPEN else "other"  # also before there are routes
            route = getattr(scope.get("route"), "path", None) or known
            seconds = time.perf_counter() - began
            self._metrics.request(route, status, seconds)
            log.info(
                "%s %s %d %.3f s", scope["method"], route, status, seconds,
                extra={"path": route, "status": status, "seconds": seconds},
            )  # fmt: skip

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if self._loopback and not is_here(_name(host)):
            raise Refused(403, f"The Host {host!r} is not this machine.", "Ask 127.0.0.1 or localhost.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "Pages from elsewhere may not ask this server.", "Ask from a program instead.")
        if self._key is not None and path not in OPEN:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(
                given.strip().encode("latin-1"), self._key
            ):
                raise Refused(
                    401,
                    "The API key is missing or wrong.",
                    "Send it in the header Authorization: Bearer ….",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit:
            raise self._too_large()

    def _limited(self, receive: Receive) -> Receive:
        """Bodies that do not say how long they are, are counted."""
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Refused:
        return Refused(413, f"The body is larger than {self._limit} bytes.", "Send less at once.")


def is_here(name: str) -> bool:
    """Whether a host's name or address is this machine's own for itself."""
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, error: InfluenceError) -> None:
    headers = error.headers if isinstance(error, Refused) else {}
    # The body was not read, so that the connection cannot be used again.
    response = wire.answer(
        refusals.body(scope["path"], error), refusals.status(error), {**headers, "Connection": "close"}
    )
    await response(scope, receive, send)
