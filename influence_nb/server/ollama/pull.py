"""POST /api/pull: fetch a model from the Hub into the library, telling how far it is.

It does not know how that is done.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as Asked
from fastapi.responses import Response

from influence_nb import api
from influence_nb.errors import InfluenceError
from influence_nb.hub.progress import Progress
from influence_nb.server import refusals, wire
from influence_nb.server.ollama.library import Named
from influence_nb.server.refusals import Refused
from influence_nb.server.service import Service

_NAME = re.compile(r"(?:hf\.co/|huggingface\.co/)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?")

_VERIFYING = "verifying sha256 digest"


class Pull(Named):
    """A model to be fetched: "owner/name", or "owner/name:Q4_K_M" for one of several quantizations."""

    stream: bool | None = None
    insecure: bool | None = None


def routes(service: Service) -> APIRouter:
    """The endpoint."""
    router = APIRouter()

    @router.post("/api/pull")
    async def pull(body: Pull, request: Asked) -> Response:
        """Fetch a model; lines of JSON say how far it is."""
        if not service.pull:
            raise Refused(403, "Fetching models is switched off.", "Serve with pull=True.")
        name, quantization = _named(body.wanted)
        fetching = _Fetching(name, quantization)
        if body.stream is False:
            try:
                await wire.unless_gone(request, fetching.whole())
            finally:
                fetching.cancel.set()
            return wire.answer({"status": "success"})
        try:
            await wire.unless_gone(request, fetching.ready())
        except BaseException:
            fetching.cancel.set()
            raise
        return wire.Streaming(fetching.lines(), wire.LINES, fetching.cancel.set)

    return router


def _named(wanted: str) -> tuple[str, str | None]:
    """The repository and the quantization; nothing that could be a path or another address."""
    found = _NAME.fullmatch(wanted)
    if found is None:
        raise Refused(400, f"{wanted!r} is not a model of the Hub.", "Write owner/name.", field="model")
    return found[1], None if found[2] in (None, "latest") else found[2]


class _Fetching:
    """One download on a thread, and what it says of itself."""

    def __init__(self, name: str, quantization: str | None) -> None:
        self.cancel = threading.Event()
        self._name, self._quantization = name, quantization
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.ensure_future(to_thread.run_sync(self._fetch))
        self._first: dict[str, Any] | None = None

    async def ready(self) -> None:
        """Wait until there is something to tell; what goes wrong before is raised here."""
        self._first = await self._said.get()
        if self._first is None:
            await self._work

    async def whole(self) -> None:
        """Wait until the model is here."""
        await asyncio.shield(self._work)

    async def lines(self) -> AsyncIterator[bytes]:
        yield wire.line({"status": "pulling manifest"})
        last: dict[str, Any] = {}
        said = self._first
        try:
            while said is not None:
                if said != last:
                    yield wire.line(said)
                last, said = said, await self._said.get()
            await self._work
            yield wire.line({"status": _VERIFYING})  # each file was, as it came
            yield wire.line({"status": "writing manifest"})
            yield wire.line({"status": "success"})
        except InfluenceError as error:
            yield wire.line(refusals.ollama(error))

    def _fetch(self) -> None:
        try:
            api.download(
                self._name, on_progress=self._tell, cancel=self.cancel, quantization=self._quantization
            )
        finally:
            self._put(None)

    def _tell(self, progress: Progress) -> None:
        if progress.stage == "verify":
            status = _VERIFYING
        elif progress.stage in ("unpack", "convert"):
            status = f"{progress.stage} {progress.file}"
        else:
            status = f"pulling {progress.file}"
        self._put(
            {
                "status": status,
                "digest": progress.file,
                "total": progress.total,
                "completed": progress.done,
            }
        )

    def _put(self, said: dict[str, Any] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._said.put_nowait, said)
