from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import influence_nb as inb
from tests.engine.conftest import load, model, nothing_else_loaded, tiny_folder

__all__ = ["load", "model", "nothing_else_loaded", "tiny_folder"]


@pytest.fixture(scope="module")
def server(load: Any) -> Iterator[inb.Server]:
    """A server that shares a loaded tiny model, at a port of the system's choice."""
    with inb.serve(load("llama"), port=0) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: inb.Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


class Gate:
    """Stands before a network's forward passes: shut, opened, or failing."""

    def __init__(self, model: Any) -> None:
        self._may_pass = threading.Event()
        self._may_pass.set()
        self.reached = threading.Event()
        self.left = -1
        self.hook = model.network.register_forward_pre_hook(self._pass)

    def shut(self) -> None:
        self.reached.clear()
        self._may_pass.clear()

    def open(self) -> None:
        self._may_pass.set()

    def fail_after(self, passes: int) -> None:
        self.left = passes

    def _pass(self, *_: object) -> None:
        self.reached.set()
        assert self._may_pass.wait(60)
        if self.left == 0:
            raise RuntimeError("a cable fell out")
        self.left -= self.left > 0


@pytest.fixture
def gate(model: inb.Model) -> Iterator[Gate]:
    gate = Gate(model)
    yield gate
    gate.open()
    gate.hook.remove()


def until(http: httpx.Client, **wanted: object) -> None:
    """Ask /health until it says so."""
    for _ in range(5000):
        said = http.get("/health").json()
        if all(said[name] == value for name, value in wanted.items()):
            return
    raise AssertionError(f"{said} never became {wanted}")
