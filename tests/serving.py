"""A command that starts JupyterLab, followed until its server answers, and ended by its own process id."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\S*token=\w+")


class Running:
    """A server that answers: what it printed until then, and its address."""

    def __init__(self, printed: str, address: str) -> None:
        self.printed = printed
        parts = urlsplit(address)
        self.path, self.port = parts.path, parts.port
        self.root = f"http://{parts.netloc}"
        self.token = parse_qs(parts.query)["token"][0]

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(self.root + path, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
        return body

    def contents(self, path: str = "") -> dict[str, Any]:
        """What the server says of a file or folder under its root."""
        answer: dict[str, Any] = json.loads(self.get(f"/api/contents/{path}"))
        return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(place: Path, **more: str) -> dict[str, str]:
    """This process's environment, with Jupyter's own folders below `place` and no address proxied."""
    jupyter = {f"JUPYTER_{kind}_DIR": str(place / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    lab = {f"JUPYTERLAB_{kind}_DIR": str(place / kind) for kind in ("SETTINGS", "WORKSPACES")}
    return {**os.environ, **jupyter, **lab, "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1", **more}


def _wait_until_it_answers(running: Running, process: subprocess.Popen[str]) -> None:
    """Jupyter prints its address a moment before it listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            running.get("/api")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the server ended with {process.wait(timeout=0.1)}:\n{running.printed}")


@contextmanager
def serving(command: list[str], cwd: Path, environment: dict[str, str]) -> Iterator[Running]:
    """Start the command, wait until it prints its address, and end it when the block ends."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if found := ADDRESS.search(line):
                running = Running(printed, found[0])
                _wait_until_it_answers(running, process)
                yield running
                return
        raise AssertionError(f"{command} ended with {process.wait()} before it served:\n{printed}")
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
