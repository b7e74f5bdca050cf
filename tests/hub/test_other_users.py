"""Whoever else uses huggingface_hub in this process is not disturbed by our calls, nor are ours by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, get_session, hf_hub_download, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import _http
from on_disk import NAME

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted
from influence_nb.hub.transport import calling
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

pytestmark = pytest.mark.usefixtures("model")


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
