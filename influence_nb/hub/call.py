"""One conversation with a hub: where, with which token, until when, and how it is cancelled.

It knows what bounds a request, not how one is made: `transport.py` makes huggingface_hub's client heed it.
"""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from influence_nb.errors import DownloadInterrupted
from influence_nb.hub import patience as patiences
from influence_nb.hub.patience import Patience

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

SLICE = 0.05
"""Seconds between two looks at whether somebody has cancelled."""


class Call:
    """What one conversation with a hub goes by: where, with which token, until when.

    Attributes:
        endpoint: the hub's address, without a slash at the end.
        patience: its bounds.
        waits: seconds of each wait between two attempts so far.
    """

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        cancel: threading.Event | None = None,
        patience: Patience | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience or patiences.PATIENCE
        self.waits: list[float] = []
        self._token = token
        self._cancel = cancel
        self._stopped = threading.Event()
        self._on_wait = on_wait
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ends: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def api(self) -> HfApi:
        """huggingface_hub's client for this hub."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self._token or False)

    @property
    def headers(self) -> dict[str, str]:
        """huggingface_hub's headers for a request to the hub, the token among them."""
        from huggingface_hub.utils._headers import build_hf_headers

        headers: dict[str, str] = build_hf_headers(token=self._token or False)
        return headers

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return self._token is not None

    @property
    def cancelled(self) -> bool:
        """Whether somebody has given up."""
        return self._stopped.is_set() or (self._cancel is not None and self._cancel.is_set())

    def is_stopped(self) -> bool:
        """As `cancelled`, for loops that ask often."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Go on only if nobody has cancelled.

        Raises:
            DownloadInterrupted: somebody has.
        """
        if self.cancelled:
            raise DownloadInterrupted(
                "Talking to the hub was cancelled.", "What came is kept. Ask again to go on from there."
            )

    def stop(self) -> None:
        """Cancel from inside, and end whatever is being read at this moment."""
        self._stopped.set()
        self.shut()
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            end()

    @contextmanager
    def on_stop(self, end: Callable[[], object]) -> Iterator[None]:
        """While inside, `stop` calls this too: for what does not read from our connections."""
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)

    def shut(self) -> None:
        """Shut the connections down, so that who reads from one wakes up."""
        with self._lock:
            for open_socket in list(self._sockets):
                _shut(open_socket)

    def pause(self, seconds: float, why: str = "") -> None:
        """Wait, unless somebody cancels."""
        self.waits.append(seconds)
        if self._on_wait is not None:
            self._on_wait(seconds, why)
        self.rest(seconds)

    def rest(self, seconds: float) -> None:
        """Do nothing for a while, unless somebody cancels."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self._stopped.wait(min(left, SLICE))
        self.check()

    def own(self, url: httpx2.URL | str) -> bool:
        """Whether an address is on the hub's own host: the only one that may see a token."""
        return _origin(str(url)) == _origin(self.endpoint)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn of each new connection, so that it can be shut down while nobody has answered yet."""
        if event == "connection.connect_tcp.complete":
            self.watch(info.get("return_value"))

    def watch(self, stream: Any) -> None:
        """Remember the socket below a network stream; shut it down at once if it comes too late."""
        found = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(found, socket.socket):
            with self._lock:
                self._sockets.add(found)
            if self.cancelled:
                _shut(found)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )


def _shut(open_socket: socket.socket) -> None:
    with suppress(OSError):
        # not SSLSocket's own, which takes the encryption away from under the thread that reads
        socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


under_way: ContextVar[Call | None] = ContextVar("influence_nb_hub_call", default=None)
"""The conversation that this thread's requests belong to."""
