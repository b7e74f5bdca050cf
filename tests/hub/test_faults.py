"""What a hub refuses, in words that a person can act on; and that the next question is answered."""

from __future__ import annotations

from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import GatedModel, HubUnreachable, InfluenceError, ModelNotFound
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

NAME = "someone/model"


def refusal(error: type[InfluenceError], name: str = NAME, **how: Any) -> InfluenceError:
    with pytest.raises(error) as caught:
        inb.download(name, **how)
    assert type(caught.value) is error
    assert caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.fixture
def gated(hub: LoopbackHub) -> LoopbackHub:
    hub.add(NAME, made_up(), gated="manual")
    return hub


def test_a_gated_model_without_a_token_says_where_to_accept_and_how_to_give_one(gated: LoopbackHub) -> None:
    plan = inb.plan(NAME)
    assert (plan.gated, plan.licence_page) == ("manual", f"{gated.endpoint}/{NAME}")

    error = refusal(GatedModel)

    assert "no token" in error.message
    assert f"{gated.endpoint}/{NAME}" in error.hint
    assert "HF_TOKEN" in error.hint
    assert inb.download(NAME, token="good").name == NAME


def test_a_gated_model_with_an_account_that_has_no_access_says_so(gated: LoopbackHub) -> None:
    error = refusal(GatedModel, token="other")

    assert "no access" in error.message
    assert f"{gated.endpoint}/{NAME}" in error.hint
    assert inb.download(NAME, token="good").name == NAME


def test_a_wrong_token_is_told_from_a_missing_one(gated: LoopbackHub) -> None:
    error = refusal(GatedModel, token="hf_wrong")

    assert "wrong, expired or revoked" in error.message
    assert "hf_wrong" not in str(error)
    assert inb.download(NAME, token="good").name == NAME


def test_the_three_hints_differ(gated: LoopbackHub) -> None:
    hints = {refusal(GatedModel, token=token).hint for token in (None, "other", "hf_wrong")}
    assert len(hints) == 3


def test_a_gate_is_not_tried_again(gated: LoopbackHub) -> None:
    plan = inb.plan(NAME)
    gated.forget()
    refusal(GatedModel, plan)
    assert len({request.path for request in gated.log}) == len(gated.log)


def test_a_repository_whose_page_is_gated_too_is_refused_while_planning(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up(), gated="auto", gated_api=True)
    with pytest.raises(GatedModel, match="no token"):
        inb.plan(NAME)
    assert inb.plan(NAME, token="good").gated == "auto"


@pytest.mark.parametrize("token", [None, "good"])
def test_a_missing_repository_says_so_and_speaks_of_private_ones(hub: LoopbackHub, token: str | None) -> None:
    error = refusal(ModelNotFound, token=token)

    assert NAME in error.message
    assert "private" in error.hint
    assert ("has no access" in error.hint) == (token is not None)


def test_a_private_repository_is_there_for_who_may_see_it(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up(), private=True)
    refusal(ModelNotFound)
    refusal(ModelNotFound, token="other")
    assert inb.download(NAME, token="good").name == NAME


def test_a_disabled_repository_is_told_from_a_missing_one(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up(), disabled=True)
    assert "disabled" in refusal(ModelNotFound).message


def test_a_renamed_repository_is_found_under_its_old_name(hub: LoopbackHub) -> None:
    files = made_up()
    hub.add("someone/old", files)
    hub.rename("someone/old", NAME)

    model = inb.download("someone/old")

    assert model.name == "someone/old"
    assert {path.name for path in model.path.iterdir()} == set(files)


@pytest.mark.parametrize("revision", ["v2", "0" * 40, "refs/pr/1"])
def test_a_missing_revision_is_named(hub: LoopbackHub, revision: str) -> None:
    hub.add(NAME, made_up())
    assert revision in refusal(ModelNotFound, revision=revision).message
    assert inb.plan(NAME).remaining


@pytest.mark.parametrize("revision", ["../../x", "a/../b", "", "a b", "a\\b", "x\x00y", "/etc", "main/"])
def test_what_cannot_be_a_revision_is_refused_without_asking(hub: LoopbackHub, revision: str) -> None:
    hub.add(NAME, made_up())
    assert "revision" in refusal(ModelNotFound, revision=revision).message
    assert hub.log == []


@pytest.mark.parametrize(
    "name",
    ["../x", "../../etc/passwd", "a/b/c", "", "a/..", "a\\b", "a b/c", "https://x/y", None, 5, "a/b\x00"],
)
def test_what_cannot_be_a_repository_is_refused_without_asking(hub: LoopbackHub, name: Any) -> None:
    assert "not the name of a model" in refusal(ModelNotFound, name).message
    assert hub.log == []


def test_offline_mode_of_huggingface_hub_is_told_by_its_name(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.add(NAME, made_up())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refusal(HubUnreachable).message
    assert hub.log == []


def test_foreign_errors_stay_attached_as_the_cause(hub: LoopbackHub) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    assert isinstance(refusal(ModelNotFound).__cause__, RepositoryNotFoundError)
