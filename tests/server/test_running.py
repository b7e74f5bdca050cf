"""Starting, stopping, sharing and who may ask."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import influence_nb as inb
from tests import tiny
from tests.server.conftest import Gate, until
from tests.server.test_native import SAMPLING, begin, events, held_up

ONE = {"prompt": "a", "sampling": {"max_new_tokens": 1}}


def client(server: inb.Server, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=60, **options)


def test_a_server_shares_the_loaded_copy_and_leaves_it(model: inb.Model) -> None:
    with inb.serve(port=0) as server, client(server) as http:
        assert server.is_running
        assert server.is_ready
        assert repr(server) == f"Server({server.url}, llama)"
        before = model.forwards
        assert http.post("/v1/generate", json=ONE).json()["model"] == "llama"
        assert model.forwards == before + 1
        assert inb.loaded() == [model]
    assert not server.is_running
    assert "stopped" in repr(server)
    server.stop()
    assert model.is_loaded
    with pytest.raises(httpx.ConnectError), client(server) as http:
        http.get("/health")


def test_it_answers_before_its_model_is_there(tiny_folder: Callable[..., Path]) -> None:
    for model in inb.loaded():
        model.unload()
    with inb.serve(tiny_folder("llama"), port=0) as server, client(server) as http:
        said = http.get("/health").json()
        assert said["status"] in ("loading", "ready")
        assert http.post("/v1/generate", json=ONE).json()["model"] == "llama"
        assert http.get("/health").json()["ready"] is True


@pytest.mark.parametrize(
    ("how", "held"), [({"dtype": "bfloat16"}, "bfloat16"), ({"dtype": "float32"}, "float32")]
)
def test_its_model_is_loaded_as_it_was_told(
    tiny_folder: Callable[..., Path], how: dict[str, Any], held: str
) -> None:
    for model in inb.loaded():
        model.unload()
    with inb.serve(tiny_folder("llama"), port=0, **how) as server, client(server) as http:
        assert http.post("/v1/generate", json=ONE).status_code == 200
        assert [model.dtype for model in inb.loaded()] == [held]


def test_how_it_is_loaded_is_checked_where_it_is_loaded(tiny_folder: Callable[..., Path]) -> None:
    for model in inb.loaded():
        model.unload()
    with inb.serve(tiny_folder("llama"), port=0, dtype="float3") as server, client(server) as http:
        answer = http.post("/v1/generate", json=ONE)
        assert answer.status_code >= 400
        assert "float3" in answer.text
        assert http.get("/health").json()["status"] == "failed"


def test_a_folder_that_holds_no_model_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(inb.errors.BrokenModel, match="has no tokenizer"):
        inb.serve(tmp_path, port=0)


def test_a_model_that_cannot_be_loaded_is_named_and_the_server_stays(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "damaged", "llama")
    (folder / "tokenizer.json").write_text("{}")
    with inb.serve(folder, port=0) as server, client(server) as http:
        until(http, status="failed")
        said = http.get("/health").json()
        assert said["ready"] is False
        assert said["error"]["type"] == "BrokenModel"
        answer = http.post("/v1/generate", json=ONE)
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "BrokenModel"


def test_a_port_in_use_says_by_whom(server: inb.Server) -> None:
    with pytest.raises(inb.errors.PortInUse, match="this process") as caught:
        inb.serve(port=server.port)
    assert "port=0" in caught.value.hint
    listener = (
        "import socket, sys\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", listener], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    try:
        with pytest.raises(inb.errors.PortInUse, match=rf"python\S* \(process {other.pid}\)"):
            inb.serve(port=int(other.stdout.readline()))
    finally:
        other.communicate("")


def test_stopping_lets_what_runs_finish(model: inb.Model, gate: Gate) -> None:
    server = inb.serve(model, port=0)
    with ThreadPoolExecutor() as pool, client(server) as http, client(server) as late:
        late.get("/health")
        gate.shut()
        asked = pool.submit(http.post, "/v1/generate", json={"prompt": "Hello", "sampling": SAMPLING})
        assert gate.reached.wait(60)
        stopping = pool.submit(server.stop, grace=60)
        while (refused := late.post("/v1/generate", json=ONE)).status_code == 200:
            pass
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        gate.open()
        assert asked.result().json()["text"] == model.generate("Hello", **SAMPLING).text
        stopping.result()


def test_what_is_not_done_in_time_is_told(model: inb.Model, gate: Gate) -> None:
    server = inb.serve(model, port=0)
    with ThreadPoolExecutor() as pool, client(server) as http:
        with http.stream(
            "POST", "/v1/generate_stream", json={"prompt": "a", "sampling": {"max_new_tokens": 240}}
        ) as answer:
            lines = answer.iter_lines()
            next(lines)
            gate.shut()
            stopping = pool.submit(server.stop, grace=0)
            while not server._service.scheduler.stop.is_set():
                pass
            gate.open()
            rest = "\n".join(lines)
        stopping.result()
    name, data = events(rest)[-1]
    assert name == "error"
    assert data["error"]["message"] == "The server is stopping."
    assert model.is_loaded
    assert model.generate("a", max_new_tokens=2).usage.completion_tokens <= 2


def test_a_full_line_is_told_when_to_come_back(model: inb.Model, gate: Gate) -> None:
    with inb.serve(model, port=0, queue=2) as server, client(server) as http, ThreadPoolExecutor() as pool:
        with held_up(http, pool, gate):
            waiting = [pool.submit(http.post, "/v1/generate", json=ONE) for _ in range(2)]
            until(http, waiting=2)
            refused = http.post("/v1/generate", json=ONE)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
        assert [one.result().status_code for one in waiting] == [200, 200]


def test_a_key_is_needed_to_be_reached_by_others(model: inb.Model) -> None:
    with pytest.raises(inb.errors.InvalidData, match="no api_key"):
        inb.serve(model, port=0, host="0.0.0.0")
    with (
        inb.serve(model, port=0, host="0.0.0.0", api_key="s3cret") as server,
        client(server) as http,
    ):
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert http.get("/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            refused = http.post("/v1/generate", json=ONE, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert "s3cret" not in refused.text
        assert (
            http.post("/v1/generate", json=ONE, headers={"Authorization": "Bearer s3cret"}).status_code == 200
        )
        assert http.get("/health", headers={"Host": "a-name-elsewhere.example"}).status_code == 200


def test_on_loopback_only_this_machine_s_names_are_answered(http: httpx.Client, server: inb.Server) -> None:
    for host in (f"127.0.0.1:{server.port}", "localhost", f"[::1]:{server.port}"):
        assert http.get("/health", headers={"Host": host}).status_code == 200
    for host in ("rebound.example", f"rebound.example:{server.port}", "", "127.0.0.1.example", "[x"):
        refused = http.get("/v1/generate", headers={"Host": host})
        assert refused.status_code == 403
        assert refused.json()["error"]["message"]


def test_pages_from_elsewhere_are_refused_and_get_no_cors(http: httpx.Client, server: inb.Server) -> None:
    refused = http.post("/v1/generate", json=ONE, headers={"Origin": "https://elsewhere.example"})
    assert refused.status_code == 403
    own = http.post("/v1/generate", json=ONE, headers={"Origin": server.url})
    assert own.status_code == 200
    assert not any(name.startswith("access-control") for name in (*own.headers, *refused.headers))


def test_bodies_that_are_none(http: httpx.Client) -> None:
    for content in (
        b"{",
        b"\xff\xfe",
        b"[1",
        b"",
        b'"text"',
        b'{"prompt": "' + b"\xff" + b'"}',
        b"[" * 100_000,
    ):
        answer = http.post("/v1/generate", content=content)
        assert answer.status_code == 400, content[:20]
        assert answer.json()["error"]["message"]
    half = http.post("/v1/generate", content=b'{"prompt": "\\ud800"}')
    assert half.status_code == 400
    assert http.post("/v1/generate", json=ONE).status_code == 200


def test_bodies_that_are_too_large(model: inb.Model) -> None:
    with inb.serve(model, port=0, body_limit=1000) as server, client(server) as http:
        for content in (b"x" * 1001, iter([b"x" * 600] * 2)):
            answer = http.post("/v1/generate", content=content)
            assert answer.status_code == 413
            assert "1000" in answer.json()["error"]["message"]
        assert http.post("/v1/generate", json=ONE).status_code == 200


def test_an_answer_that_takes_too_long(model: inb.Model, gate: Gate) -> None:
    with inb.serve(model, port=0, time_limit=0.2) as server, client(server) as http:
        gate.shut()
        assert http.post("/v1/generate", json=ONE).status_code == 504
        gate.open()
        until(http, running=0)


def test_unknown_paths_and_methods(http: httpx.Client) -> None:
    assert http.get("/v2").status_code == 404
    assert "/v2" in http.get("/v2").json()["error"]["message"]
    assert http.get("/v1/generate").status_code == 405


@pytest.mark.parametrize(
    "arguments",
    [
        {"port": -1},
        {"port": 70000},
        {"port": "11434"},
        {"host": 5},
        {"host": "no such host"},
        {"queue": 0},
        {"body_limit": 0},
        {"time_limit": 0},
        {"time_limit": "long"},
        {"keep_alive": "soon"},
        {"api_key": ""},
        {"api_key": "schlüssel"},
        {"api_key": 7},
        {"sampling": 3},
    ],
)
def test_arguments_that_cannot_be(model: inb.Model, arguments: dict[str, Any]) -> None:
    with pytest.raises(inb.errors.InfluenceError) as caught:
        inb.serve(model, **{"port": 0, **arguments})
    assert caught.value.hint


def test_in_the_foreground_it_ends_by_a_signal(tiny_folder: Callable[..., Path]) -> None:
    program = (
        "import sys, influence_nb as inb\n"
        "server = inb.serve(sys.argv[1], port=0)\n"
        "print(server.url, flush=True)\n"
        "server.wait()\n"
        "print(repr(server), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tiny_folder("llama"))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        assert http.get("/health").json()["status"] in ("loading", "ready")
        assert http.post("/v1/generate", json=ONE).status_code == 200
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out.strip() == f"Server({url}, stopped)"
    assert process.returncode == 0


def test_a_request_begun_and_left_does_not_hold_up_the_end(model: inb.Model) -> None:
    server = inb.serve(model, port=0)
    asking = begin(server, "/v1/generate", ONE)
    asking.close()
    server.stop(grace=5)
    assert not server.is_running
