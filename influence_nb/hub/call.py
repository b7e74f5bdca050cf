"""One conversation with a hub: where, with which token, until when, and how it is cancelled.

It knows what bounds a request, not how one is made: `transport.py` makes huggingface_hub's client heed it.
"""

from __future__ import annotations

import socket
import threading
import time
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
        self._headers: dict[str, str] | None = None
        self._cancel = cancel
        self._stopped = threading.Event()
        self._on_wait = on_wait
        self._sockets: set[socket.socket] = set()
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
        if self._headers is None:
            from huggingface_hub.utils._headers import build_hf_headers

            self._headers = build_hf_headers(token=self._token or False)
        return dict(self._headers)

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
        with self._lock:
            ends = list(self._ends)
            for open_socket in self._sockets:
                shut(open_socket)
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

    @contextmanager
    def reading(self, stream: Any) -> Iterator[None]:
        """While inside, `stop` shuts the connection below a network stream down, so that who reads wakes up.

        Not before and not after: a connection that lies idle may be handed to somebody else.
        """
        found = socket_of(stream)
        if found is None:
            yield
            return
        with self._lock:
            self._sockets.add(found)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(found)


def socket_of(stream: Any) -> socket.socket | None:
    """The socket below one of the client's network streams."""
    found = stream.get_extra_info("socket") if stream is not None else None
    return found if isinstance(found, socket.socket) else None


def shut(open_socket: socket.socket) -> None:
    """End a connection under whoever reads from it."""
    with suppress(OSError):
        # not SSLSocket's own, which takes the encryption away from under the thread that reads
        socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )


under_way: ContextVar[Call | None] = ContextVar("influence_nb_hub_call", default=None)
"""The conversation that this thread's requests belong to."""
