"""Where tokens go, which hub is asked, and what can be neither a token nor an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import get_session
from on_disk import NAME

import influence_nb as inb
from influence_nb.errors import GatedModel, InvalidData
from influence_nb.hub import transport
from influence_nb.hub.transport import calling
from influence_nb.settings import settings
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

pytestmark = pytest.mark.usefixtures("model")


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
