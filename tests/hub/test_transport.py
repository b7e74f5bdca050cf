"""How a hub is asked: what is tried again and for how long, what is not, where tokens go, how it is cancelled."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, get_session, hf_hub_download, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import _http

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, GatedModel, HubUnreachable, InvalidData
from influence_nb.hub import patience, transport
from influence_nb.hub.patience import PATIENCE, Patience, asked_to_wait
from influence_nb.hub.transport import calling
from influence_nb.settings import settings
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

NAME = "someone/model"


@pytest.fixture
def quick(hub: LoopbackHub) -> Patience:
    return patience.PATIENCE


@pytest.fixture(autouse=True)
def model(hub: LoopbackHub) -> str:
    return hub.add(NAME, made_up())


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


def test_waits_grow_are_bounded_and_differ_from_each_other() -> None:
    patience = Patience(first_wait=1, longest_wait=8)
    drawn = {n: [patience.wait(n) for _ in range(500)] for n in (1, 2, 3, 4, 9)}

    for n, bound in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        assert bound * 0.9 < max(drawn[n]) <= bound
        assert min(drawn[n]) < bound * 0.1
        assert len(set(drawn[n])) == 500


def test_wishes_to_wait_are_read_in_all_their_forms() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert asked_to_wait({"retry-after": "120"}) == 120
    assert asked_to_wait({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}, now) == 30
    assert asked_to_wait({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, now) == 0
    assert asked_to_wait({"RateLimit": '"api";r=0;t=55'}) == 55
    assert asked_to_wait({"RateLimit": '"api";r=10;t=55'}) is None
    assert asked_to_wait({"Retry-After": "soon"}) is None
    assert asked_to_wait({}) is None


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


# Where tokens go


def test_a_token_goes_to_the_hubs_own_host_alone(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up(), gated="manual")

    inb.download(NAME, token="good")

    assert {request.token for request in hub.requests(host="hub")} == {"good"}
    assert {request.token for request in hub.requests(host="cdn")} == {None}
    assert hub.requests(host="cdn")


def test_a_redirect_of_a_question_to_another_host_leaves_the_token_behind(hub: LoopbackHub) -> None:
    with LoopbackHub() as other:
        other.add(NAME, made_up())
        elsewhere = f"{other.endpoint}/api/models/{NAME}"
        hub.fault("/api/*", "status", code=307, headers={"Location": elsewhere})
        with calling(token="good") as call:
            call.api.model_info(NAME)
            get_session().get(elsewhere, headers=call.headers)

        assert [request.token for request in hub.log] == ["good"]
        assert [request.token for request in other.log] == [None, None]


@pytest.mark.parametrize("source", ["argument", "environment", "login"])
def test_tokens_come_from_the_argument_the_environment_or_the_login(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    from huggingface_hub import constants

    (tmp_path / "token").write_text("good\n")
    match source:
        case "environment":
            monkeypatch.setenv("HF_TOKEN", "good")
        case "login":
            monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.add(NAME, made_up(), gated="auto")

    inb.download(NAME, token="good" if source == "argument" else None)

    assert {request.token for request in hub.requests(host="hub")} == {"good"}


def test_a_token_is_nowhere_afterwards(
    hub: LoopbackHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = "hf_verySecretIndeed"
    hub.tokens.add(token)
    hub.add(NAME, made_up(), gated="manual", allowed_tokens={token})
    plan = inb.plan(NAME, token=token)
    inb.download(plan, token=token)
    hub.add("someone/closed", made_up(), gated="manual")
    with caplog.at_level("DEBUG"), pytest.raises(GatedModel) as caught:
        inb.download("someone/closed", token=token)

    with calling(token=token) as call:
        said = [repr(plan), plan._repr_html_(), str(caught.value), repr(call), caplog.text]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(token in text for text in said)
    assert not any(token.encode() in data for data in written)


@pytest.mark.parametrize("token", ["hf_a b", "hf_ä", "hf_a\nX-Header: b"])
def test_what_cannot_be_a_token_is_refused_without_repeating_it(hub: LoopbackHub, token: str) -> None:
    with pytest.raises(InvalidData, match="token") as caught:
        inb.plan(NAME, token=token)
    assert token not in str(caught.value)
    assert caught.value.hint
    assert hub.log == []


# Addresses


def test_the_mirror_is_the_argument_else_the_setting_else_the_hubs_own(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    assert transport.endpoint("https://hub.example/base/") == "https://hub.example/base"
    assert transport.endpoint() == hub.endpoint
    monkeypatch.delenv("INFLUENCE_MIRROR")
    settings.cache_clear()
    assert transport.endpoint() == constants.ENDPOINT


@pytest.mark.parametrize(
    "address",
    ["hub.example", "ftp://hub.example", "https://", "https://me:secret@hub.example", "http://h/?a=b"],
)
def test_what_cannot_be_an_address_is_refused_without_secrets(hub: LoopbackHub, address: str) -> None:
    with pytest.raises(InvalidData, match="address") as caught:
        inb.plan(NAME, mirror=address)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


# Other users of huggingface_hub


def test_outside_of_a_call_huggingface_hub_works_as_ever(hub: LoopbackHub) -> None:
    with calling() as call:
        call.api.model_info(NAME)
    hub.forget()
    hub.fault("/api/*", "status", code=503)

    with pytest.raises(HfHubHTTPError, match="503"):
        HfApi(endpoint=hub.endpoint, token=False).model_info(NAME)
    assert len(hub.log) == 1
    assert hf_hub_download(NAME, "config.json", endpoint=hub.endpoint)


def test_a_call_in_one_thread_does_not_bind_another(hub: LoopbackHub) -> None:
    hub.fault("/api/*", "status", code=503)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            HfApi(endpoint=hub.endpoint, token=False).model_info(NAME)
        except HfHubHTTPError as error:
            raised.append(error)

    with calling():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(raised) == 1


@pytest.fixture
def own_factory() -> Iterator[list[httpx2.Client]]:
    """A factory that somebody set for themselves, with a header of their own."""
    before, made = _http._GLOBAL_CLIENT_FACTORY, []

    def factory() -> httpx2.Client:
        made.append(httpx2.Client(headers={"X-Mine": "yes"}, follow_redirects=True))
        return made[-1]

    set_client_factory(factory)
    yield made
    set_client_factory(before)


def test_what_huggingface_hub_asks_for_itself_delays_nobody(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _detect_agent

    monkeypatch.setattr(_detect_agent, "_registry", None)
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "nowhere.json"))
    with LoopbackHub() as default:
        monkeypatch.setattr(constants, "ENDPOINT", default.endpoint)
        inb.plan(NAME)
        assert default.log == []
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(_detect_agent, "_registry", None)
    hub.fault("/api/agent-harnesses", "status", times=99, code=503)
    inb.plan(NAME)
    assert len(hub.requests("/api/agent-harnesses")) == 1


def test_a_client_that_somebody_set_up_stays_in_use(
    hub: LoopbackHub, own_factory: list[httpx2.Client]
) -> None:
    hub.fault("/api/*", "status", code=503)

    inb.download(NAME)

    assert {request.headers.get("x-mine") for request in hub.log} == {"yes"}
    assert own_factory
    again = len(own_factory)
    inb.download(NAME)
    assert len(own_factory) == again


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


def test_a_cancel_does_not_disturb_who_uses_a_connection_after_us(hub: LoopbackHub, noise: bytes) -> None:
    hub.add(NAME, {**made_up(), "vocab.json": noise[:1_000_000]})
    inb.download(NAME)  # leaves idle connections behind, one of which is used next
    with hub.hold("*/vocab.json", 500_000) as hold:
        got: list[bytes] = []
        url = f"{hub.endpoint}/{NAME}/resolve/main/vocab.json"
        thread = threading.Thread(target=lambda: got.append(get_session().get(url).content))
        thread.start()
        assert hold.reached.wait(60)
        cancel = threading.Event()
        silent = hub.fault("*/config.json", "silent", times=9)
        threading.Thread(target=lambda: (silent.happened.wait(), cancel.set()), daemon=True).start()
        hub.add("someone/other", made_up())
        with pytest.raises(DownloadInterrupted):
            inb.download("someone/other", cancel=cancel)
        inb.download(NAME)
        hold.release()
        thread.join(60)
    assert got == [noise[:1_000_000]]
