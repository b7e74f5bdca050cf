"""The download panel in a real page, fetching from a Hub on this machine: plan, pause, resume, cancel, reload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import LabPage, LabServer
from playwright.sync_api import Locator, Page, expect

from tests.loopback import LoopbackHub
from tests.loopback.models import made_up, running

TOKEN = "hf_not_for_the_notebook"
WAIT = 120
expect.set_options(timeout=WAIT * 1000)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as made:
        made.add("tiny/llama", running("llama"))
        made.add("acme/large", made_up(6_000_000, shards=2), license="mit")
        made.add("acme/other", made_up(400_000))
        made.add("acme/gated", made_up(200_000), gated="manual", allowed_tokens={TOKEN})
        yield made


def open_panel(lab: LabServer, hub: LoopbackHub, place: Path, *more: str) -> LabPage:
    """A notebook with a panel, whose kernel asks that hub and keeps its files below `place`."""
    environment = {
        **hub.environment,
        "INFLUENCE_MIRROR": hub.endpoint,
        "INFLUENCE_HOME": str(place / "home"),
        "HF_HUB_CACHE": str(place / "cache"),
    }
    first = f"""
import os
os.environ.update({environment!r})
import influence_nb as inb
from influence_nb.widgets import DownloadPanel
panel = DownloadPanel()
panel
"""
    page = lab.open([first, *more])
    page.run_cell(0)
    expect(page.page.get_by_role("button", name="Plan", exact=True)).to_be_visible()
    return page


def plan(page: Page, repo_id: str) -> None:
    page.get_by_label("Repository").fill(repo_id)
    page.get_by_label("Repository").press("Enter")
    expect(page.get_by_role("heading", name=repo_id)).to_be_visible()


def download(page: Page, repo_id: str) -> Locator:
    """Plan and download by hand; the row of it."""
    plan(page, repo_id)
    page.get_by_role("button", name="Download", exact=True).click()
    row = page.locator(".inb-download", has_text=repo_id)
    expect(row).to_be_visible()
    return row


def status(row: Locator) -> Locator:
    return row.locator(".inb-chip")


def press(row: Locator, name: str) -> None:
    row.get_by_role("button", name=name, exact=True).click()


def test_two_models_paused_resumed_cancelled_and_seen_again_after_a_reload(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, hub, tmp_path)
    page = lab_page.page
    with hub.hold("*model-00002-of-*", at_byte=2_000_000) as held:
        row = download(page, "acme/large")
        view = page.locator(".inb-plan")
        expect(view.locator("[data-fits=yes]")).to_be_visible()
        expect(view).to_contain_text("licence: mit")
        expect(view).to_contain_text("weights, safetensors")
        assert held.reached.wait(WAIT)
        expect(status(row)).to_have_attribute("data-status", "running")
        bar = row.get_by_role("progressbar", name="Download of acme/large")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d$"))
        expect(row.locator(".inb-job-files")).to_contain_text("model-00002-of-00002.safetensors")
        other = download(page, "acme/other")
        expect(status(other)).to_have_text("waiting")
        lab_page.save()
        lab_page.reload()
        expect(status(row)).to_have_text("waiting for the hub")  # which has been silent for seconds by now
        expect(row).not_to_contain_text(" left")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d$"))
        expect(page.get_by_label("Repository")).to_have_value("acme/other")
        press(other, "Cancel")
        expect(status(other)).to_have_text("cancelled")
        press(row, "Pause")
        expect(status(row)).to_have_text("paused")
        expect(row.get_by_role("button", name="Pause", exact=True)).to_be_hidden()
    assert lab_page.kernel_eval("[job.status for job in panel.jobs.jobs]") == ["paused", "cancelled"]
    hub.forget()
    press(row, "Resume")
    expect(status(row)).to_have_text("done")
    expect(row).to_contain_text(str(tmp_path / "cache"))
    (resumed,) = hub.requests("*model-00002-of-*.safetensors", host="cdn", method="GET")
    assert resumed.range is not None  # it went on where it stopped
    assert (resumed.range[0] or 0) >= 2_000_000
    assert lab_page.kernel_eval(
        "[(job.result.name, job.result.verified) for job in panel.jobs.jobs[:1]]"
    ) == [("acme/large", True)]
    assert lab_page.kernel_eval("[model.name for model in inb.library() if model.source == 'hub']") == [
        "acme/large"
    ]
    press(other, "Retry")
    expect(status(other)).to_have_text("done")
    page.get_by_role("button", name="Clear finished").click()
    expect(page.locator(".inb-download")).to_have_count(0)
    assert not lab_page.errors


def test_what_came_is_loaded_and_a_plan_made_again_says_that_all_is_here(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, hub, tmp_path)
    page = lab_page.page
    row = download(page, "tiny/llama")
    expect(status(row)).to_have_text("done")
    expect(page.locator(".inb-plan")).to_contain_text("all of it here already")
    press(row, "Load")
    expect(row).to_contain_text("tiny/llama is loaded.")
    assert lab_page.kernel_eval("[model.name for model in inb.loaded()]") == ["tiny/llama"]
    assert lab_page.kernel_eval("panel.state.selected.name") == "tiny/llama"


def test_a_mistyped_name_and_a_hub_that_is_gone_are_said_and_the_panel_goes_on(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, hub, tmp_path)
    page = lab_page.page
    page.get_by_label("Repository").fill("acme/nowhere")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("acme/nowhere")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    expect(page.get_by_label("Repository")).to_have_value("acme/nowhere")
    plan(page, "acme/other")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Revision").fill("v9")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    page.get_by_label("Revision").fill("")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_enabled()


def test_a_token_is_used_once_and_never_reaches_the_saved_notebook(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, hub, tmp_path)
    page = lab_page.page
    toggle = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
    page.evaluate("command => jupyterapp.commands.execute(command)", toggle)
    row = download(page, "acme/gated")
    link = page.get_by_role("link", name="its page on the Hub")
    expect(link).to_have_attribute("href", f"{hub.endpoint}/acme/gated")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(status(row)).to_have_text("failed")  # nobody is logged in
    field = page.get_by_label("Access token")
    expect(field).to_have_attribute("type", "password")
    field.fill(TOKEN)
    field.press("Enter")
    expect(page.get_by_text("A token was taken")).to_be_visible()
    expect(field).to_have_value("")
    saved = lab_page.save()
    assert TOKEN not in lab_page.file.read_text()
    press(row, "Retry")
    expect(status(row)).to_have_text("done")
    assert {request.token for request in hub.requests("*.safetensors", host="hub", method="GET")} >= {TOKEN}
    assert {request.token for request in hub.requests(host="cdn")} == {None}
    saved = lab_page.save()
    assert TOKEN not in lab_page.file.read_text()
    assert "PasswordModel" in str(
        saved["metadata"]["widgets"]
    )  # the widgets' state is in it, without the token
    held = (
        "repr([(type(w).__name__, w.get_state()) for w in __import__('ipywidgets').Widget.widgets.values()])"
    )
    assert TOKEN not in lab_page.kernel_eval(held)


def test_a_reader_without_a_kernel_sees_the_plan_and_the_queue(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    cell = "model = panel.download('acme/other').result(60)\nmodel.name"
    lab_page = open_panel(lab, hub, tmp_path, cell)
    lab_page.run_cell(1)
    assert lab_page.outputs(1)[0]["data"]["text/plain"] == "'acme/other'"
    static = lab_page.outputs(0)[-1]["data"]["text/html"]
    assert "Plan of acme/other" in static
    assert "acme/other: done" in static
    expect(lab_page.page.locator(".inb-static")).to_be_hidden()
    assert nbformat.from_dict(lab_page.save()).cells[0].outputs[-1]["data"]["text/html"] == static


def test_pause_reaches_a_download_while_a_cell_waits_for_it(lab: LabServer, hub: LoopbackHub, tmp_path: Path):
    cell = "panel.download('acme/large').result(60).name"
    lab_page = open_panel(lab, hub, tmp_path, cell)
    page = lab_page.page
    with hub.hold("*model-00001-of-*", at_byte=1_000_000) as held:
        lab_page.run_cell(1, wait=False)
        assert held.reached.wait(WAIT)
        row = page.locator(".inb-download")
        press(row, "Pause")
        expect(status(row)).to_have_text("paused")
    press(row, "Resume")
    expect(page.get_by_text("'acme/large'", exact=True)).to_be_visible()


def controls_by_keyboard(page: Page, count: int) -> list[Any]:
    """The accessible names that Tab reaches, one after another."""
    names = []
    for _ in range(count):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "() => { const e = document.activeElement; "
                "return e.labels?.[0]?.innerText || e.getAttribute('aria-label') || e.innerText; }"
            )
        )
    return names


def test_the_form_is_walked_through_by_keyboard(lab: LabServer, hub: LoopbackHub, tmp_path: Path):
    lab_page = open_panel(lab, hub, tmp_path)
    page = lab_page.page
    plan(page, "acme/other")
    page.get_by_label("Repository").focus()
    names = ["Plan", "Revision", "Quantization (GGUF)", "Output directory", "Mirror", "Files to fetch"]
    assert controls_by_keyboard(page, 6) == names
    page.get_by_role("button", name="Download", exact=True).focus()
    page.keyboard.press("Enter")
    expect(status(page.locator(".inb-download"))).to_have_text("done")
