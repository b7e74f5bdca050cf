"""DownloadPanel and gated models: a token goes to its download and leaves no trace."""

from __future__ import annotations

import json
from typing import Any

import ipywidgets
import pytest
from download_page import click, says, type_secret
from fake_hub import FakeHub
from on_page import controls, field, shown, text

from influence_nb import api
from influence_nb.errors import GatedModel
from influence_nb.widgets import DownloadPanel

WAIT = 60

TOKEN = "hf_never_to_be_seen"


def test_a_gated_model_shows_its_licence_page_and_a_field_for_the_token(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/open")
    hub.add("acme/gated", gated="manual", endpoint="https://hub.example")
    panel.plan("acme/open").result(WAIT)
    assert not shown(panel._pane._gate)
    panel.plan("acme/gated").result(WAIT)
    assert shown(panel._pane._gate)
    assert '<a href="https://hub.example/acme/gated" target="_blank" rel="noopener noreferrer">' in text(
        panel._pane._gate
    )
    assert "Its owner looks at each request" in text(panel._pane._gate)


def test_a_token_goes_to_its_download_and_nowhere_else(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto", held=True)
    hub.add("acme/gated-too", gated="auto")
    panel.plan("acme/gated").result(WAIT)
    secret = field(panel, "Access token")
    sent = type_secret(secret, f" {TOKEN} ")
    assert secret.value == ""
    assert TOKEN not in json.dumps(sent)  # not echoed
    assert sent[-1]["state"] == {"value": ""}  # and taken out of the page
    assert "A token was taken" in text(panel._pane._gate)
    future = panel.download()
    assert hub.halfway["acme/gated"].wait(WAIT)
    assert hub.fetched == [("acme/gated", TOKEN)]
    says(panel, "2.00 MB of 4.00 MB")
    state = json.dumps(ipywidgets.Widget.get_manager_state(widgets=controls(panel)))
    for place in (
        state,
        panel.static_html(),
        repr(panel),
        repr(future),
        repr(panel.jobs.jobs),
        str(hub.asked),
    ):
        assert TOKEN not in place
    hub.gates["acme/gated"].set()
    future.result(WAIT)
    panel.download("acme/gated-too").result(WAIT)
    assert hub.fetched[-1] == ("acme/gated-too", None)


def test_a_token_that_was_entered_is_forgotten_with_another_model(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto")
    hub.add("acme/other", gated="auto")
    panel.plan("acme/gated").result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    panel.plan("acme/other").result(WAIT)
    assert "A token was taken" not in text(panel._pane._gate)
    panel.download().result(WAIT)
    assert hub.fetched == [("acme/other", None)]


def test_a_token_that_was_entered_for_one_hub_is_not_shown_to_another(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto", endpoint="https://hub.example")
    panel.plan("acme/gated", mirror="https://hub.example").result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    panel.plan("acme/gated", mirror="https://hub.example").result(WAIT)
    assert hub.asked[-1]["token"] == TOKEN
    panel.plan("acme/gated", mirror="https://other.example").result(WAIT)
    assert hub.asked[-1]["token"] is None


def test_a_plan_refused_for_want_of_a_token_is_made_as_soon_as_there_is_one(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/hidden", gated="manual", endpoint="https://hub.example")

    def plan(repo_id: str, token: str | None = None, **more: Any) -> Any:
        if token != TOKEN:
            raise GatedModel("acme/hidden is gated.", "Accept its licence and give a token.")
        return hub.plan(repo_id, **more)

    monkeypatch.setattr(api, "plan", plan)
    field(panel, "Mirror").value = "https://hub.example"
    field(panel, "Repository").value = "acme/hidden"
    with pytest.raises(GatedModel):
        panel.plan().result(WAIT)
    assert shown(panel._pane._gate)
    assert '<a href="https://hub.example/acme/hidden"' in text(panel._pane._gate)
    type_secret(field(panel, "Access token"), TOKEN)
    says(panel, "<h4>acme/hidden</h4>")
    panel.download().result(WAIT)
    assert hub.fetched == [("acme/hidden", TOKEN)]


def test_a_download_refused_for_want_of_a_token_is_tried_again_with_one(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto")
    hub.faults["acme/gated"] = GatedModel("acme/gated wants a token.", "Give one.")
    panel.plan("acme/gated").result(WAIT)
    with pytest.raises(GatedModel):
        panel.download().result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    click(panel, "Retry acme/gated")
    says(panel, "<code>/models/acme/gated</code>")
    assert hub.fetched == [("acme/gated", None), ("acme/gated", TOKEN)]
