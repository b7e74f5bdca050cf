"""How the hub's answers go out: one threaded HTTP/1.1 server a port, with the faults carried out.

It does not know what is asked for; it takes whole answers and sends, cuts, spoils or holds them.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.loopback.answers import Answer, answer, page
from tests.loopback.faults import BODY, Fault
from tests.loopback.requests import Host, Request

if TYPE_CHECKING:
    from tests.loopback.hub import LoopbackHub

CHUNK = 1 << 18


class Server:
    """One port. Its threads end when it closes, whatever they were doing."""

    def __init__(self, hub: LoopbackHub, host: Host) -> None:
        self._server = _Listening(hub, host)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.end_connections()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub: LoopbackHub, host: Host) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.host = hub, host
        self.open: dict[threading.Thread, socket.socket] = {}

    def end_connections(self) -> None:
        for thread, connection in list(self.open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def handle_error(self, *_: Any) -> None:
        """The other side may go whenever it likes; anything else is a mistake of ours and must be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*_)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listening

    def setup(self) -> None:
        super().setup()
        self.server.open[threading.current_thread()] = self.connection

    def finish(self) -> None:
        super().finish()
        self.server.open.pop(threading.current_thread(), None)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_GET

    def _handle(self) -> None:
        hub = self.server.hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.command, self.path, self.server.host, headers, body)
        hub.log.append(request)
        try:
            made = self._instead(request) or answer(hub, request)
            if made.status == 200 and made.body:
                made = self._part(request, made)
            self._send(request, made)
        except _Ended:
            self.close_connection = True
        except OSError:  # the other side has gone, as some tests want
            self.close_connection = True

    def _instead(self, request: Request) -> Answer | None:
        """What a fault answers in place of the hub."""
        fault = self.server.hub.faults.take(request, "instead")
        match fault and fault.kind:
            case "status":
                assert fault is not None
                code = fault.options["code"]
                made = page(f"{code}, as was wanted", code)
                made.headers.update(fault.headers())
                return made
            case "html":
                return page("Welcome to our network. Please sign in.")
            case "no_api":
                return page("404 Not Found", 404)
            case "expired":
                self.server.hub.expire(request.query.get("signature", [""])[0])
            case "drop":
                raise _Ended
            case "silent":
                self._wait_for_the_end()
        return None

    def _part(self, request: Request, made: Answer) -> Answer:
        """The part of a body that was asked for, or the refusal of a part that is not there."""
        hub, size = self.server.hub, len(made.body)
        if made.text and hub.compress and "gzip" in request.headers.get("accept-encoding", ""):
            made.headers["Content-Encoding"] = "gzip"
            made.body = gzip.compress(made.body)
            return made
        if not made.ranged:
            return made
        made.headers["Accept-Ranges"] = "bytes"
        if request.range is None or hub.faults.take(request, "range"):
            return made
        span = request.span(size)
        if span is None:
            return Answer(416, {"Content-Range": f"bytes */{size}"})
        first, end = span
        made.status = 206
        made.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        made.body = memoryview(made.body)[first:end]
        return made

    def _send(self, request: Request, made: Answer) -> None:
        hub, body = self.server.hub, memoryview(made.body)
        has_body = request.method != "HEAD" and len(body) > 0
        fault = hub.faults.take(request, "body") if has_body and made.status in (200, 206) else None
        if fault and fault.kind in BODY:
            body = _spoiled(body, fault)
        request.status = made.status
        self.send_response(made.status)
        for name, value in made.headers.items():
            self.send_header(name, value)
        chunked = has_body and "Content-Encoding" in made.headers
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not has_body:
            return
        if chunked:
            request.sent = len(body)
            self.connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), bytes(body)))
            return
        stop = _stop(fault)
        end = len(body) if stop is None else min(stop, len(body))
        for hold in hub.faults.holds(request, end) if made.status in (200, 206) else []:
            self._write(request, body[request.sent : hold.at_byte], fault)
            hold.pass_through()
        self._write(request, body[request.sent : end], fault)
        if fault and stop is not None:
            self._break(fault)

    def _write(self, request: Request, part: memoryview, fault: Fault | None) -> None:
        slowly = fault is not None and fault.kind == "trickle"
        step = fault.options.get("bytes", 1) if fault and slowly else CHUNK
        for start in range(0, len(part), step):
            piece = part[start : start + step]
            request.sent += len(piece)  # before it arrives: who has it may look at once
            self.connection.sendall(piece)
            if fault and slowly and self.server.hub.faults.closing.wait(fault.options.get("pause", 0.01)):
                raise _Ended

    def _break(self, fault: Fault) -> None:
        if fault.kind == "silent":
            self._wait_for_the_end()
        if fault.kind == "reset_after":
            _until_received(self.connection)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        raise _Ended

    def _wait_for_the_end(self) -> None:
        self.server.hub.faults.closing.wait()
        raise _Ended


class _Ended(Exception):
    """This connection is over."""


def _stop(fault: Fault | None) -> int | None:
    """After how many bytes of the body the connection fails."""
    if fault and fault.kind in ("close_after", "reset_after", "silent"):
        stop: int = fault.options.get("bytes", 0)
        return stop
    return None


def _spoiled(body: memoryview, fault: Fault) -> memoryview:
    """The body with its fault in it."""
    if fault.kind == "corrupt":
        wrong = bytearray(body)
        wrong[fault.options.get("at", 0)] ^= 0xFF
        return memoryview(wrong)
    if fault.kind == "wrong_length":
        by = fault.options.get("by", -1)
        return body[:by] if by < 0 else memoryview(bytes(body) + bytes(by))
    return body


def _until_received(connection: socket.socket) -> None:
    """Wait until the other side's system has what was sent: a reset throws away the rest."""
    try:
        import fcntl
        import termios
    except ImportError:
        return
    waiting = threading.Event()  # never set: a pause
    for _ in range(2000):
        left = fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4)
        if not any(left):
            return
        waiting.wait(0.001)
