"""One request to a server, on a thread and an event loop of its own, so that it can be cut off at any moment.

It knows HTTP, waiting and trying again; it does not know what is asked, nor what answers mean.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from influence_nb.engine.runtimes.endpoint.address import Address
from influence_nb.engine.runtimes.endpoint.events import Events
from influence_nb.errors import EndpointError
from influence_nb.hub.patience import Patience, asked_to_wait
from influence_nb.settings import settings

if TYPE_CHECKING:
    import httpx2

PATIENCE = Patience(tries=4, total_seconds=60, first_wait=0.5, longest_wait=8, longest_asked=30)
"""Of its seconds those for answers and silence are INFLUENCE_ENDPOINT_TIMEOUT's."""
AGAIN = (429, 500, 502, 503, 504)
"""Answers after which the same request may succeed: the server is busy, starting, or has stumbled."""
LONGEST_REFUSAL = 1 << 16
LONGEST_ANSWER = 1 << 26
SLICE = 0.05
"""Seconds between two looks at whether somebody has given up."""


class Answered(Exception):
    """The server answered, and not with what was asked for."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.text = text


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class Exchange:
    """A request and its answer, sent when made.

    Args:
        address: the server.
        url: the whole address of what is asked.
        body: posted as JSON; None asks by GET.
        tries: attempts, while no byte of an answer has come.
        silence: seconds without a byte after which the server counts as hanging.
    """

    def __init__(
        self,
        address: Address,
        url: str,
        body: Mapping[str, Any] | None = None,
        tries: int | None = None,
        silence: float | None = None,
    ) -> None:
        self._address = address
        self._url = url
        self._body = None if body is None else json.dumps(body).encode()
        self._patience = PATIENCE
        self._tries = PATIENCE.tries if tries is None else tries
        self._silence = settings().endpoint_timeout if silence is None else silence
        self._out: SimpleQueue[str | _End] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._run())
        self._thread = threading.Thread(target=self._work, name=f"influence {address.host}", daemon=True)
        self._thread.start()

    def items(self, cancelled: Callable[[], bool] = lambda: False) -> Generator[str, None, None]:
        """The data of each event as it comes, or the whole of an answer that is no stream; ends early if cancelled.

        Raises:
            Answered: the server refused.
            EndpointError: it cannot be reached, or the answer broke off or hangs.
        """
        try:
            while not cancelled():
                try:
                    item = self._out.get(timeout=SLICE)
                except Empty:
                    continue
                if isinstance(item, _End):
                    if item.error is not None:
                        raise item.error
                    return
                yield item
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection, wherever the exchange is, and wait until that is done."""
        with suppress(RuntimeError):  # it has ended by itself, and its loop with it
            self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
            self._out.put(_End())
        except asyncio.CancelledError:
            self._out.put(_End())
        except BaseException as error:
            self._out.put(_End(error))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _run(self) -> None:
        import httpx2

        patience, started = self._patience, time.monotonic()
        limits = httpx2.Timeout(None, connect=patience.connect_seconds)
        method = "GET" if self._body is None else "POST"
        headers = {**self._address.headers, "Content-Type": "application/json"}
        trusted = _trusted() if self._url.startswith("https") else False
        proxied = not self._address.is_loopback
        async with httpx2.AsyncClient(timeout=limits, trust_env=proxied, verify=trusted) as client:
            request = client.build_request(method, self._url, headers=headers, content=self._body)
            for failures in range(1, self._tries + 1):
                last = failures == self._tries
                asked: float | None = None
                try:
                    async with asyncio.timeout(self._silence):
                        answer = await client.send(request, stream=True)
                    if answer.is_success:
                        await self._read(answer)
                        return
                    refusal = Answered(answer.status_code, answer.headers, await self._refusal(answer))
                    if last or answer.status_code not in AGAIN:
                        raise refusal
                    asked = asked_to_wait(answer.headers)
                except httpx2.TransportError as error:
                    if last or not _may_pass(error):
                        raise self._unreachable(error) from error
                except TimeoutError as error:
                    raise self._hangs("has not begun to answer for") from error
                wait = patience.wait(failures, asked)
                if time.monotonic() - started + wait > patience.total_seconds:
                    raise EndpointError(
                        f"{self._address.host} has been too busy, or away, for {patience.total_seconds:g} seconds.",
                        "Ask again later.",
                    )
                await asyncio.sleep(wait)

    async def _read(self, answer: httpx2.Response) -> None:
        """Put what the answer holds into the queue."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        events, whole = Events(), bytearray()
        try:
            async with aclosing(self._pieces(answer)) as pieces:
                async for piece in pieces:
                    if kind == "text/event-stream":
                        for data in events.feed(piece):
                            self._out.put(data)
                    elif len(whole) + len(piece) > LONGEST_ANSWER:
                        raise ValueError("an answer without an end")
                    else:
                        whole += piece
            if kind == "text/html":
                raise Answered(answer.status_code, answer.headers, whole.decode(errors="replace"))
            for data in events.end() if kind == "text/event-stream" else [whole.decode()]:
                self._out.put(data)
        except ValueError as error:  # of the decoder too
            raise EndpointError(
                f"{self._address.host} sent something that is no answer: {error}.",
                "Check that the address is that of a server which speaks OpenAI's protocol.",
            ) from error

    async def _pieces(self, answer: httpx2.Response) -> AsyncGenerator[bytes, None]:
        import httpx2

        async with aclosing(answer.aiter_bytes()) as pieces:
            while True:
                try:
                    async with asyncio.timeout(self._silence):
                        piece = await anext(pieces, None)
                except TimeoutError as error:
                    raise self._hangs("has sent nothing for") from error
                except (httpx2.TransportError, httpx2.DecodingError) as error:
                    raise EndpointError(
                        f"The connection to {self._address.host} broke.", "See the server's log; ask again."
                    ) from error
                if piece is None:
                    return
                yield piece

    async def _refusal(self, answer: httpx2.Response) -> str:
        """The beginning of what it says."""
        said = bytearray()
        with suppress(EndpointError):
            async with aclosing(self._pieces(answer)) as pieces:
                async for piece in pieces:
                    said += piece
                    if len(said) > LONGEST_REFUSAL:
                        break
        await answer.aclose()
        return said[:LONGEST_REFUSAL].decode(errors="replace")

    def _hangs(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self._address.host} {what} {self._silence:g} seconds.",
            "See the server's log. A slow one is given more time by INFLUENCE_ENDPOINT_TIMEOUT=600.",
        )

    def _unreachable(self, error: Exception) -> EndpointError:
        import httpx2

        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return EndpointError(
                f"{self._address.host} cannot be reached: {self._address.scrub(str(error)) or 'no answer'}.",
                "Check that the server is running, and its address.",
            )
        return EndpointError(
            f"{self._address.host} closed the connection before it answered.",
            "See the server's log; check that the address speaks HTTP.",
        )


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed: made once, since that takes longer than many an answer."""
    import httpx2

    return httpx2.create_ssl_context()


def _may_pass(error: Exception) -> bool:
    """Whether the same request may get through a moment later: no byte of an answer has come yet."""
    import httpx2

    return isinstance(error, httpx2.ConnectError | httpx2.ReadError | httpx2.RemoteProtocolError)
