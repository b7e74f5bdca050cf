"""The server answers /health before the rest of it is imported, and takes requests from the first moment on."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import influence_nb as inb
from influence_nb.server import app, front, running

ONE = {"prompt": "a", "sampling": {"max_new_tokens": 1}}


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """Where servers listen, told before `serve` comes back."""
    found: queue.Queue[str] = queue.Queue()
    listen = running._listen

    def told(host: str, port: int) -> socket.socket:
        listening = listen(host, port)
        found.put(f"http://127.0.0.1:{listening.getsockname()[1]}")
        return listening

    monkeypatch.setattr(running, "_listen", told)
    return found


def test_health_is_answered_before_the_application_is_there(
    model: inb.Model, address: queue.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on, make = threading.Event(), threading.Event(), app.application

    def later(*given: Any) -> Any:
        reached.set()
        assert go_on.wait(60)
        return make(*given)

    came, call = threading.Event(), front.Front.__call__

    async def counted(self: front.Front, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == "/v1/generate":
            came.set()
        await call(self, scope, receive, send)

    monkeypatch.setattr(app, "application", later)
    monkeypatch.setattr(front.Front, "__call__", counted)
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(inb.serve, model, port=0)
        url = address.get(timeout=60)
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
            early = http.get("/health").json()
            assert (early["status"], early["ready"], early["model"]) == ("loading", False, None)
            assert http.get("/health", headers={"Host": "elsewhere.example"}).status_code == 403
            assert reached.wait(60)
            asked = pool.submit(httpx.post, f"{url}/v1/generate", json=ONE, trust_env=False)
            assert came.wait(60)
            assert not asked.done(), "it waits"
            go_on.set()
            with starting.result():
                assert asked.result().json()["model"] == "llama"
                ready = http.get("/health").json()
                assert ready["ready"] is True
                assert ready.keys() == early.keys()
                assert 'influence_requests_total{path="other",status="200"}' not in http.get("/metrics").text


def test_what_goes_wrong_meanwhile_ends_it(
    model: inb.Model, address: queue.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a screw is loose")

    monkeypatch.setattr(app, "application", broken)
    with pytest.raises(RuntimeError, match="a screw is loose"):
        inb.serve(model, port=0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address.get()}/health", trust_env=False)


def test_a_name_that_is_none_is_said_at_once(model: inb.Model) -> None:
    with pytest.raises(inb.errors.ModelNotFound, match="no-such-model"):
        inb.serve("no-such-model", port=0)


def test_little_is_imported_before_it_answers() -> None:
    program = (
        "import sys\n"
        "import influence_nb.cli.serve, influence_nb.api.defaults, influence_nb.server\n"
        "heavy = 'torch', 'transformers', 'fastapi', 'numpy', 'pandas', 'huggingface_hub', 'tokenizers'\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
