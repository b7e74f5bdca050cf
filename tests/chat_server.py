"""A server on this machine that speaks OpenAI's protocol, says what it is told to, and fails as it is told to.

It does not know the client: it keeps what it was asked, and which connections the other side has closed.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None


@dataclass
class ChatServer:
    """What it says and does; change the fields between requests.

    Attributes:
        pieces: the answer, one a chunk.
        models: what /models lists.
        pages: what else it answers by GET: {path: JSON}.
        faults: taken one a POST; each writes what it likes and says whether the answer ends with that.
        logprobs: one a piece, where they are asked for.
        knows: the fields that it takes; None takes all, anything else is a 422 that names them.
        newline, comments, done, usage, completions, chat: how it speaks.
        framed: "chunk" sends one HTTP chunk a piece, "byte" one a byte.
        gone: has an entry for each connection that the client closed before the end.
    """

    pieces: list[str] = field(default_factory=lambda: ["Hello", " there", "."])
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "talker", "owned_by": "me"}])
    pages: dict[str, Any] = field(default_factory=dict)
    faults: list[Callable[[Handler], bool]] = field(default_factory=list)
    logprobs: list[float] | None = None
    knows: set[str] | None = None
    newline: str = "\n"
    comments: bool = False
    done: bool = True
    usage: bool = True
    completions: bool = True
    chat: bool = True
    framed: str = "chunk"
    finish_reason: str = "stop"
    log: list[Asked] = field(default_factory=list)
    gone: SimpleQueue[None] = field(default_factory=SimpleQueue)

    def __enter__(self) -> ChatServer:
        server = _Listening(("127.0.0.1", 0), Handler)
        server.chat = self
        self._server = server
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.log if asked.method == "POST"]


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """The other side may go whenever it likes; anything else is a mistake of ours and must be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*_)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.chat: ChatServer = self.server.chat
        self.chat._open.add(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.chat._open.discard(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.chat.log.append(Asked("GET", self.path, dict(self.headers.items())))
        if self.path in self.chat.pages:
            self.answer(200, self.chat.pages[self.path])
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": self.chat.models})
        else:
            self.answer(404, {"error": {"message": "Not Found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked = Asked("POST", self.path, dict(self.headers.items()), body)
        self.chat.log.append(self.asked)
        try:
            if self.chat.faults and self.chat.faults.pop(0)(self):
                return
            here = {"/v1/chat/completions": self.chat.chat, "/v1/completions": self.chat.completions}
            unknown = set() if self.chat.knows is None else set(body) - self.chat.knows
            if not here.get(self.path):
                self.answer(404, {"detail": "Not Found"})
            elif unknown:
                self.answer(422, {"detail": f"Unexpected fields in the request: {unknown}"})
            else:
                self.stream(self.events(body))
        except OSError:
            self.chat.gone.put(None)
            self.close_connection = True

    # -- what an answer is made of --------------------------------------------------------------------------------

    def answer(self, status: int, body: Any, kind: str = "application/json", **headers: str) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def events(self, body: dict[str, Any]) -> Iterator[str]:
        """The data of the stream's events."""
        chat = self.path.endswith("/chat/completions")
        if chat:
            yield json.dumps(
                {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}
            )
        for number, piece in enumerate(self.chat.pieces[: body.get("max_tokens")]):
            choice: dict[str, Any] = {"delta": {"content": piece}} if chat else {"text": piece}
            if self.chat.logprobs and body.get("logprobs"):
                logprob = self.chat.logprobs[number]
                choice["logprobs"] = (
                    {"content": [{"token": piece, "logprob": logprob, "id": 100 + number}]}
                    if chat
                    else {"tokens": [piece], "token_logprobs": [logprob]}
                )
            yield json.dumps({"choices": [choice]}, ensure_ascii=False)
        ending = {"delta": {}} if chat else {"text": ""}
        cut = len(self.chat.pieces) > body.get("max_tokens", 1 << 30)
        yield json.dumps(
            {"choices": [{**ending, "finish_reason": "length" if cut else self.chat.finish_reason}]}
        )
        if self.chat.usage and body.get("stream_options"):
            made = min(len(self.chat.pieces), body.get("max_tokens", 1 << 30))
            yield json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": made}})
        if self.chat.done:
            yield "[DONE]"

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream(self, events: Iterator[str]) -> None:
        self.begin()
        for data in events:
            comment = ": still here\n" if self.chat.comments else ""
            event = f"{comment}data: {data}\n\n".replace("\n", self.chat.newline).encode()
            for piece in (
                [event] if self.chat.framed == "chunk" else [event[i : i + 1] for i in range(len(event))]
            ):
                self.chunk(piece)
        self.chunk(b"")

    def hang(self) -> bool:
        """Send nothing more until the other side has closed the connection."""
        with contextlib.suppress(OSError):
            while self.connection.recv(1):
                pass
        self.chat.gone.put(None)
        self.close_connection = True
        return True

    def some(self, count: int) -> None:
        """The beginning of the answer: so many pieces."""
        self.begin()
        for piece in self.chat.pieces[:count]:
            self.chunk(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n".encode())

    def reset(self) -> bool:
        """Cut the connection without a word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return True
