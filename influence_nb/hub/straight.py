"""The bytes of a large answer straight from its connection: what HTTP's machinery does to each piece costs most of it.

It knows one answer whose head was read, and neither files nor checksums. Where the way past the machinery is not
open (a packed or chunked body, an unknown transport, encryption within encryption) the bytes come by the usual one.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from socket import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

WORTH = 1 << 20
"""Bytes from which on it is worth a connection, which cannot be used again afterwards."""

BUFFER = 1 << 18
"""Bytes taken at a time, at most: as many as stay in the processor's cache while they are written and summed up."""


def pieces(response: httpx2.Response, seconds: float) -> Iterator[bytes | memoryview]:
    """The body of a streamed answer, as it is sent.

    Args:
        response: from `stream`, not read yet; it has to be closed by who opened it.
        seconds: of silence before the connection counts as dead.

    Yields:
        Pieces in order. Each is good until the next is asked for: the memory is used again.

    Raises:
        httpx2.TransportError: the connection broke, was silent too long, or ended before the body did.
    """
    usual = response.iter_raw()
    left, connection = _length(response), _connection(response)
    if left < WORTH or connection is None:
        yield from usual
        return
    for piece in usual:  # all that was received together with the head
        left -= len(piece)
        yield piece
        break
    yield from _from(connection, left, seconds, response)


def _from(connection: socket, left: int, seconds: float, response: httpx2.Response) -> Iterator[memoryview]:
    import httpx2

    buffer = memoryview(bytearray(min(BUFFER, max(left, 1))))
    connection.settimeout(seconds)
    while left > 0:
        try:
            got = connection.recv_into(buffer, min(left, len(buffer)))
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=response.request) from error
        except OSError as error:
            raise httpx2.ReadError(str(error), request=response.request) from error
        if not got:
            raise httpx2.RemoteProtocolError(
                f"closed {left} bytes before the end of the body", request=response.request
            )
        left -= got
        yield buffer[:got]


def _length(response: httpx2.Response) -> int:
    """Bytes of the body; 0 where they are packed, or not said."""
    headers = response.headers
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:
        return 0
    said = headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else 0


def _connection(response: httpx2.Response) -> socket | None:
    """The socket that the body comes from and nothing else does, decrypting if need be."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.http_version != "HTTP/1.1":
        return None
    found = stream.get_extra_info("socket")
    encrypted = stream.get_extra_info("ssl_object") is not None
    if not isinstance(found, socket) or encrypted != isinstance(found, ssl.SSLSocket):
        return None
    return found
