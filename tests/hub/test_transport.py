"""How a hub is asked: what is tried again and for how long, what is not, what does not answer, how it is cancelled."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import HfHubHTTPError
from on_disk import NAME

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, HubUnreachable
from influence_nb.hub import patience, transport
from influence_nb.hub.patience import PATIENCE, Patience
from influence_nb.hub.transport import calling
from tests.loopback import LoopbackHub

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def quick(hub: LoopbackHub) -> Patience:
    return patience.PATIENCE


# What is tried again


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_question_that_fails_for_now_is_asked_again(hub: LoopbackHub, code: int) -> None:
    hub.fault(f"/api/models/{NAME}", "status", times=3, code=code)

    with calling() as call:
        assert call.api.model_info(NAME).id == NAME

    assert len(hub.log) == 4
    assert len(call.waits) == 3


@pytest.mark.parametrize("kind", ["drop", "html", "close_after", "reset_after"])
def test_a_question_without_a_proper_answer_is_asked_again(hub: LoopbackHub, kind: Any) -> None:
    options = {"bytes": 20} if kind.endswith("after") else {}
    hub.fault(f"/api/models/{NAME}", kind, times=2, **options)

    with calling() as call:
        assert call.api.model_info(NAME).id == NAME
    assert len(hub.log) == 3


@pytest.mark.parametrize("code", [500, 429])
def test_a_hub_that_never_answers_is_given_up_after_so_many_tries(
    hub: LoopbackHub, code: int, quick: Patience
) -> None:
    hub.fault("*", "status", times=1000, code=code, retry_after=7)

    with pytest.raises(HubUnreachable, match=r"asked too often and asks to wait 7 s|500") as caught:
        inb.plan(NAME)

    assert "6 tries" in caught.value.message
    assert caught.value.hint
    assert len(hub.log) == quick.tries
    hub.faults.clear()
    assert inb.plan(NAME).repo_id == NAME


def test_the_total_time_bounds_the_tries_too(hub: LoopbackHub, quick: Patience) -> None:
    hub.fault("*", "status", times=1000, code=503, retry_after=7)

    with (
        calling(patience=replace(quick, longest_asked=7, total_seconds=5)) as call,
        pytest.raises(HubUnreachable),
    ):
        call.api.model_info(NAME)
    assert len(hub.log) == 1
    assert call.waits == []


def test_what_is_refused_for_good_is_asked_once(hub: LoopbackHub) -> None:
    for code in (400, 401, 403, 404, 501):
        hub.forget()
        hub.fault("/api/*", "status", code=code, headers={"X-Error-Code": "Other"})
        with calling() as call, pytest.raises(HfHubHTTPError):
            call.api.model_info(NAME)
        assert len(hub.log) == 1


def test_what_changes_something_is_never_sent_twice(hub: LoopbackHub) -> None:
    hub.fault("*", "status", times=9, code=503, method="POST")

    with calling() as call, pytest.raises(HubUnreachable):
        call.api.get_paths_info(NAME, ["config.json"])
    assert len(hub.requests(method="POST")) == 1


@pytest.mark.parametrize("wish", [{"retry_after": 2}, {"retry_date": 3600}, {}])
def test_waits_follow_the_servers_wish_up_to_a_bound(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, wish: dict[str, int]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transport.Call, "rest", lambda self, seconds: waits.append(seconds))
    hub.fault("/api/*", "status", times=3, code=429, **wish)

    with calling(patience=PATIENCE) as call:
        call.api.model_info(NAME)

    assert waits == call.waits
    if wish == {"retry_after": 2}:
        assert all(2 <= wait <= 3 for wait in waits)
    elif wish:
        assert all(PATIENCE.longest_asked <= wait <= PATIENCE.longest_asked + 1 for wait in waits)
    else:
        assert [wait <= PATIENCE.first_wait * 2**n for n, wait in enumerate(waits)] == [True] * 3


def test_whoever_waits_is_told_why(hub: LoopbackHub) -> None:
    told: list[tuple[float, str]] = []
    hub.fault("/api/*", "status", code=503)

    with calling(on_wait=lambda seconds, why: told.append((seconds, why))) as call:
        call.api.model_info(NAME)
    ((seconds, why),) = told
    assert seconds == call.waits[0]
    assert "503" in why


# What does not answer


def test_silence_ends_after_the_time_limit_and_is_told_as_such(hub: LoopbackHub, quick: Patience) -> None:
    hub.fault("/api/*", "silent", times=1000)
    with (
        calling(patience=replace(quick, read_seconds=0.1, tries=2)) as call,
        pytest.raises(HubUnreachable, match="in time"),
    ):
        call.api.model_info(NAME)
    assert len(hub.log) <= 2


def test_an_answer_that_trickles_ends_after_the_time_limit(hub: LoopbackHub, quick: Patience) -> None:
    hub.fault("/api/*", "trickle", times=1000, bytes=1, pause=0.05)
    with (
        calling(patience=replace(quick, answer_seconds=0.3, tries=2)) as call,
        pytest.raises(HubUnreachable, match="in time"),
    ):
        call.api.model_info(NAME)
    assert len(hub.log) <= 2


def test_nobody_there_is_told_with_the_address(hub: LoopbackHub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(HubUnreachable, match=f"127.0.0.1:{port} cannot be reached") as caught:
        inb.plan(NAME, mirror=f"http://127.0.0.1:{port}")
    assert "INFLUENCE_MIRROR" in caught.value.hint


def test_a_sign_in_page_is_told_as_what_it_is_after_a_few_tries(hub: LoopbackHub) -> None:
    hub.fault("*", "html")

    with pytest.raises(HubUnreachable, match="web page instead of data") as caught:
        inb.plan(NAME)

    assert "sign in" in caught.value.hint
    assert len(hub.log) == 3


def test_a_sign_in_page_behind_a_redirect_is_told_as_what_it_is(hub: LoopbackHub) -> None:
    hub.fault("/api/*", "status", times=99, code=302, headers={"Location": f"{hub.cdn}/sign-in"})
    hub.fault("/sign-in", "html")

    with pytest.raises(HubUnreachable, match="web page instead of data"):
        inb.plan(NAME)


def test_a_server_that_sends_requests_in_a_circle_is_left(hub: LoopbackHub) -> None:
    hub.fault(
        "/api/*", "status", times=9999, code=302, headers={"Location": f"{hub.endpoint}/api/models/{NAME}"}
    )

    with pytest.raises(HubUnreachable, match="circle"):
        inb.plan(NAME)


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"id": 5', b'{"id": "a/b", "sha": "abc"}'])
def test_an_answer_that_is_no_models_is_refused(body: bytes, tmp_home: Path) -> None:
    with _Babbler(body) as endpoint, pytest.raises(inb.InfluenceError) as caught:
        inb.plan(NAME, mirror=endpoint)
    assert isinstance(caught.value, HubUnreachable) or "commit" in caught.value.message
    assert caught.value.hint


class _Babbler:
    """A server that says the same to everyone, as JSON."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __enter__(self) -> str:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        body = self.body

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


# Cancelling


@pytest.mark.parametrize("kind", ["silent", "status"])
def test_a_cancel_ends_a_question_and_the_next_one_is_answered(hub: LoopbackHub, kind: Any) -> None:
    options = {"code": 503, "retry_after": 3600} if kind == "status" else {}
    fault = hub.fault("/api/*", kind, times=1000, **options)
    cancel = threading.Event()
    threading.Thread(target=lambda: (fault.happened.wait(), cancel.set()), daemon=True).start()

    with (
        pytest.raises(DownloadInterrupted, match="cancelled"),
        calling(cancel=cancel, patience=Patience(longest_asked=3600, total_seconds=7200)) as call,
    ):
        call.api.model_info(NAME)
    hub.faults.clear()
    assert inb.plan(NAME).repo_id == NAME


def test_a_cancel_ends_a_name_that_is_being_looked_up(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, let_go = threading.Event(), threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        cancel.set()
        let_go.wait(60)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(DownloadInterrupted, match="cancelled"):
        inb.plan(NAME, mirror="http://hub.example", cancel=cancel)
    assert not let_go.is_set()
    let_go.set()
