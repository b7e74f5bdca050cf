"""The bytes of an answer, in pieces, as fast as they come.

It knows HTTP's framing and neither files nor checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

PIECE = 1 << 18
LARGE = 1 << 22
"""Bytes from which on a connection of its own is worth it for a body."""


def pieces(response: httpx2.Response, seconds: float) -> Iterator[bytes]:
    """The body, unpacked where it is packed.

    A large one of known length is read from the connection itself once the client has handed out what it had read
    along with the headers: that saves the client's own copying, a third of all the work. The connection is closed
    afterwards, since the client does not know where it stands.

    Args:
        response: an answer that is being streamed.
        seconds: of silence before the connection counts as dead.

    Raises:
        httpx2.TransportError: the connection broke, or nothing came in time.
    """
    if "Content-Encoding" in response.headers:
        yield from response.iter_bytes()
        return
    client = response.iter_raw()
    length = response.headers.get("Content-Length", "")
    plain = response.http_version == "HTTP/1.1" and "Transfer-Encoding" not in response.headers
    stream = response.extensions.get("network_stream")  # a transport of somebody's own may have none
    if stream is None or not (plain and length.isdecimal() and int(length) >= LARGE):
        yield from client
        return
    import httpcore2
    import httpx2

    left = int(length)
    for piece in client:  # all that the client holds: it reads on only when it is asked again
        yield piece
        left -= len(piece)
        break
    while left > 0:
        try:
            piece = stream.read(min(PIECE, left), timeout=seconds)
        except httpcore2.TimeoutException as error:
            raise httpx2.ReadTimeout(str(error)) from error
        except httpcore2.NetworkError as error:
            raise httpx2.ReadError(str(error)) from error
        if not piece:
            raise httpx2.RemoteProtocolError(f"the connection was closed {left} bytes before the end")
        yield piece
        left -= len(piece)
