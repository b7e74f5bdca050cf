"""Searching in a real page: type, see what is found, plan a download; a hub that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contrast import CONTRAST
from lab import LabPage, LabServer
from playwright.sync_api import Locator, expect

from tests.loopback import LoopbackHub

API = "/api/models"
NAMES = "tr .inb-name"
expect.set_options(timeout=120_000)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """A hub with thirty small models to page through, and three that differ."""
    with LoopbackHub() as made:
        for number in range(30):
            made.add(f"acme/small-{number:02}", {"config.json": b"{}"}, downloads=1000 - number,
                     parameters={"BF16": 10**6})  # fmt: skip
        made.add("lab/Tiny-Chat", {"config.json": b"{}"}, downloads=1_234_567, likes=31,
                 parameters={"BF16": 135_000_000}, used_storage=269_000_000)  # fmt: skip
        made.add("lab/Tiny-Chat-Guarded", {"config.json": b"{}"}, downloads=7, gated="auto", license="llama3.1",
                 parameters={"BF16": 400 * 10**9}, used_storage=800 * 10**9)  # fmt: skip
        made.add("lab/<img src=x onerror=document.title=1>", {"config.json": b"{}"}, downloads=1)
        yield made


class Panel:
    """What a test reads and presses in a SearchPanel."""

    def __init__(self, lab_page: LabPage) -> None:
        self.lab, self.page = lab_page, lab_page.page
        self.root = self.page.locator(".inb-search.live")
        self.results = self.root.locator(".inb-results")
        self.name = self.root.get_by_role("textbox", name="Name", exact=True)

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def row(self, id: str) -> Locator:
        return self.results.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=id))

    def names(self) -> list[str]:
        return self.results.locator(f"tbody {NAMES}").all_inner_texts()


@pytest.fixture
def panel(lab: LabServer, hub: LoopbackHub) -> Panel:
    cell = f"""
import os
os.environ["INFLUENCE_MIRROR"] = {hub.endpoint!r}
import influence_nb as inb
panel = inb.widgets.SearchPanel()
panel
"""
    page = lab.open([cell, "panel.state.wanted"])
    page.run_cell(0)
    return Panel(page)


def test_type_see_what_is_found_and_plan_a_download(panel: Panel, hub: LoopbackHub):
    expect(panel.results).to_have_attribute("data-status", "idle")
    panel.name.press_sequentially("tiny-chat")
    expect(panel.results.get_by_role("row")).to_have_count(3)  # with the headings
    expect(panel.results.get_by_role("status")).to_have_text(
        "2 models for “tiny-chat”, most downloaded first."
    )
    row = panel.row("lab/Tiny-Chat text-generation")
    for words in (
        "text-generation · transformers",
        "135M",
        "269 MB",
        "apache-2.0",
        "1.2M",
        "31 likes",
        "2026-",
    ):
        expect(row).to_contain_text(words)
    licence = panel.row("lab/Tiny-Chat-Guarded").get_by_role("link", name="gated: the licence")
    expect(licence).to_have_attribute("href", f"{hub.endpoint}/lab/Tiny-Chat-Guarded")
    expect(panel.row("lab/Tiny-Chat-Guarded")).to_contain_text("Too big")
    asked = [request.query["search"][0] for request in hub.requests(API)]
    assert asked[-1] == "tiny-chat"
    assert len(asked) < len("tiny-chat")  # not at every key
    panel.button("Plan download: lab/Tiny-Chat-Guarded").click()
    expect(panel.button("Planned: lab/Tiny-Chat-Guarded")).to_be_focused()
    panel.lab.run_cell(1)
    assert panel.lab.outputs(1)[0]["data"]["text/plain"] == "'lab/Tiny-Chat-Guarded'"
    assert not panel.lab.errors


def test_the_keyboard_is_enough_and_more_is_added_below(panel: Panel, hub: LoopbackHub):
    panel.name.focus()
    panel.page.keyboard.type("small")
    panel.page.keyboard.press("Enter")
    expect(panel.results.get_by_role("status")).to_contain_text("20 models for “small”")
    expect(panel.results).to_have_attribute("data-status", "done")
    more = panel.button("Show 20 more")
    more.focus()
    panel.page.keyboard.press("Enter")
    expect(panel.results.locator("tbody tr")).to_have_count(30)
    assert panel.names() == [f"acme/small-{number:02}" for number in range(30)]
    panel.results.get_by_role("region", name="Search results").focus()
    panel.page.keyboard.press("Tab")  # the first model's page
    panel.page.keyboard.press("Tab")
    expect(panel.button("Plan download: acme/small-00")).to_be_focused()
    panel.page.keyboard.press("Enter")
    panel.lab.kernel_until("panel.state.wanted == 'acme/small-00'")


def test_filters_narrow_the_search_and_are_counted(panel: Panel, hub: LoopbackHub):
    panel.button("Filters").click()
    panel.root.get_by_label("Gate").select_option("Gated")
    expect(panel.results.locator("tbody tr")).to_have_count(1)
    expect(panel.button("Hide filters (1)")).to_be_visible()
    panel.root.get_by_label("Fewest parameters").fill("many")
    expect(panel.results.get_by_role("alert")).to_contain_text('"135M"')
    expect(panel.results.locator("tbody tr")).to_have_count(1)
    panel.button("Clear filters").click()
    expect(panel.results.locator("tbody tr")).to_have_count(20)
    expect(panel.results.get_by_role("alert")).to_be_hidden()


def test_a_hub_that_goes_away_is_told_and_works_once_it_is_back(panel: Panel, hub: LoopbackHub):
    panel.name.fill("small-0")
    expect(panel.results.locator("tbody tr")).to_have_count(10)
    fault = hub.fault(API, "drop", times=1000)
    panel.name.fill("tiny")
    alert = panel.results.get_by_role("alert")
    expect(alert).to_contain_text("Check the network")
    expect(panel.results.locator("tbody tr")).to_have_count(10)
    expect(panel.results).to_have_attribute("data-stale", "true")  # they answer what was asked before
    assert float(panel.results.locator("tbody").evaluate("it => getComputedStyle(it).opacity")) < 0.7
    expect(panel.results.get_by_role("status")).to_be_hidden()
    fault.lift()
    panel.button("Retry").click()
    expect(panel.results.locator("tbody tr")).to_have_count(2)
    expect(alert).to_be_hidden()
    expect(panel.results).to_have_attribute("data-stale", "false")
    expect(panel.results.get_by_role("status")).to_contain_text("“tiny”")
    panel.name.fill("nothing like it")
    expect(panel.results.get_by_role("status")).to_contain_text("No model found for “nothing like it”")


def test_a_page_that_is_loaded_again_shows_the_same_and_the_saved_notebook_too(
    panel: Panel, hub: LoopbackHub
):
    panel.name.fill("lab/")
    expect(panel.results.locator("tbody tr")).to_have_count(3)
    assert "<img src=x onerror=document.title=1>" in " ".join(panel.names())
    assert panel.page.title() != "1"
    panel.button("Plan download: lab/Tiny-Chat").click()
    expect(panel.button("Planned: lab/Tiny-Chat")).to_be_visible()
    expect(panel.page.locator(".inb-static")).to_contain_text("lab/Tiny-Chat-Guarded")
    saved = panel.lab.save()
    static = saved["cells"][0]["outputs"][-1]["data"]["text/html"]
    assert "lab/Tiny-Chat-Guarded" in static
    assert "<img" not in static
    panel.lab.reload()
    expect(panel.results.locator("tbody tr")).to_have_count(3)
    expect(panel.button("Planned: lab/Tiny-Chat")).to_be_visible()
    expect(panel.page.locator(".inb-static")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_background(lab: LabServer, hub: LoopbackHub, panel: Panel, theme: Any):
    panel.lab.theme(theme)
    panel.name.fill("tiny")
    expect(panel.results).to_have_attribute("data-theme", theme)
    expect(panel.results.locator("tbody tr")).to_have_count(2)
    low = panel.results.evaluate(CONTRAST)
    assert not low, low
