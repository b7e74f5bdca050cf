"""A package index on this machine with one made-up wheel, and the `Starter` that describes it.

It speaks as much of the simple repository API as pip needs, counts what is asked for, and can hold a wheel's
bytes back, or break off, half way.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from influence_nb.hub.starters import Member, Starter

WHEEL = "made_up-1.0-py3-none-any.whl"
FILES = {
    "model.bin": random.Random(0).randbytes(2_000_000),
    "config.json": b"{}",
    "below/config.json": b'{"below": true}',
}


def made_up_wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(zipfile.ZipInfo(f"made_up/model/{name}"), data)
        archive.writestr(zipfile.ZipInfo("made_up/model/other.txt"), b"not wanted")
        archive.writestr(zipfile.ZipInfo("made_up/model/../../../../escaped.txt"), b"not wanted either")
        archive.writestr(
            zipfile.ZipInfo("made_up-1.0.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n",
        )
        archive.writestr(
            zipfile.ZipInfo("made_up-1.0.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(zipfile.ZipInfo("made_up-1.0.dist-info/RECORD"), "")
    return buffer.getvalue()


BYTES = made_up_wheel()
STARTER = Starter(
    name="starter/chat",
    title="Made up",
    what="Random bytes.",
    licence="Apache-2.0",
    package="made-up",
    version="1.0",
    sha256=hashlib.sha256(BYTES).hexdigest(),
    size=len(BYTES),
    prefix="made_up/model",
    files=tuple(Member(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()),
)


def with_wrong_sum(name: str) -> Starter:
    """The starter, expecting other bytes in one of its files."""
    files = tuple(replace(m, sha256="0" * 64) if m.name == name else m for m in STARTER.files)
    return replace(STARTER, files=files)


class FakeIndex:
    """Serves on 127.0.0.1 while it is entered.

    `asked` is set when a wheel is asked for, `wheels` counts how often; its second half waits for `go_on`,
    or never comes when `break_off` is set.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.break_off = False
        self.wheels = 0
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/simple/made-up/":
                    page = f'<!DOCTYPE html><html><body><a href="/{WHEEL}">{WHEEL}</a></body></html>'.encode()
                    self.answer("text/html", page)
                elif self.path == f"/{WHEEL}":
                    index.wheels += 1
                    index.asked.set()
                    self.answer("application/octet-stream", BYTES)
                else:
                    self.send_error(404)

            def answer(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                half = len(body) // 2
                try:
                    self.wfile.write(body[:half])
                    if kind != "text/html":
                        if index.break_off:
                            return
                        index.go_on.wait(60)
                    self.wfile.write(body[half:])
                except OSError:
                    pass  # the other side has gone, as some tests want

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> FakeIndex:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """What tells pip to ask this index and nothing else."""
        return {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"http://127.0.0.1:{self.server.server_port}/simple",
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "PIP_RESUME_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }
