"""How the panels for finding, fetching and keeping models look: narrow ones, and text on its ground in both themes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contrast import CONTRAST
from lab import LabPage, LabServer
from panel_page import narrow, open_panel
from playwright.sync_api import expect

from tests.loopback import LoopbackHub
from tests.loopback.models import made_up, running

sys.path.append(str(Path(__file__).parents[1] / "store"))
from folders import write_linked

WIDTHS = (1000, 700, 532, 432)
LONG = "some-organisation-with-a-long-name/a-model-whose-name-goes-on-and-on-and-on-with-every-training-step-listed"
WAIT = 120
expect.set_options(timeout=WAIT * 1000)

OUTSIDE = """root => {
  const edge = root.getBoundingClientRect().right + 1;
  return [...root.querySelectorAll('button, input, select, .widget-html-content, .inb-chip, .inb-mark-word')]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > edge)
    .map((one) => one.innerText || one.className);
}"""
"""Controls and texts that go over a panel's right edge."""
STATES = """wanted => [...document.querySelectorAll('.inb-download .inb-chip')]
  .map((one) => one.dataset.status).join() === wanted.join()"""
"""Whether the downloads are in these states: in words a silent one is another than one that flows."""
COVERED = """root => [...root.querySelectorAll('button')].filter((one) => {
  const box = one.getBoundingClientRect();
  if (!one.checkVisibility() || getComputedStyle(one).visibility === 'hidden') return false;
  return [...root.querySelectorAll('.inb-shelved span, .inb-job-title, .inb-said')].some((text) => {
    const other = text.getBoundingClientRect();
    return Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1
      && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 1;
  });
}).map((one) => one.innerText)"""
"""Buttons that lie over a text."""
LINES = """texts => texts.map((one) => one.getClientRects().length && Math.round(
  one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)))"""
"""How many lines each text is broken into; 0 where it is not to be seen."""


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as made:
        made.add("acme/large", made_up(6_000_000))
        made.add("acme/refused", made_up(20_000), gated="manual", license="other")
        made.add("acme/small", running("llama"))
        made.add(LONG, made_up(20_000), license="a-licence-whose-name-is-long-too-and-goes-on")
        yield made


@pytest.fixture
def downloads(lab: LabServer, hub: LoopbackHub, tmp_path: Path) -> Iterator[LabPage]:
    """A download panel with one row of each kind: done, failed, downloading, waiting."""
    lab_page = open_panel(lab, "inb.widgets.DownloadPanel()", hub, tmp_path)
    with hub.hold("*acme/large*model.safetensors", at_byte=1_000_000) as held:
        for name in ("acme/small", "acme/refused"):
            lab_page.kernel_eval(f"panel.download({name!r}).exception({WAIT})")
        for name in ("acme/large", LONG):
            lab_page.kernel_eval(f"[panel.plan({name!r}).result({WAIT}), panel.download()]")
        assert held.reached.wait(WAIT)
        page = lab_page.page
        states = ["done", "failed", "running", "waiting"]
        page.wait_for_function(STATES, arg=states)
        yield lab_page


def library(lab: LabServer, hub: LoopbackHub, place: Path) -> LabPage:
    cache = place / "cache"
    write_linked(cache, "a/one", "1" * 40, main="1" * 40)
    (write_linked(cache, "b/cut", "3" * 40) / "model.safetensors").resolve().unlink()
    write_linked(cache, LONG, "4" * 40)
    lab_page = open_panel(lab, "inb.widgets.LibraryPanel()", hub, place)
    row = lab_page.page.locator(".inb-model-row:has([data-name='a/one'])")
    row.get_by_role("button", name="Verify", exact=True).click()
    expect(row.get_by_text("a/one is verified")).to_be_visible()
    row.get_by_role("button", name="Remove", exact=True).click()
    expect(row.get_by_text("That frees")).to_be_visible()
    return lab_page


def looks_right(lab_page: LabPage, root: str) -> None:
    """At every width all is within the panel and nothing is covered; in both themes all text can be read."""
    panel = lab_page.page.locator(root)
    for width in WIDTHS:
        narrow(lab_page, min(width, int(panel.bounding_box()["width"]) if width > 800 else width))
        assert panel.evaluate(OUTSIDE) == [], width
        assert panel.evaluate(COVERED) == [], width
    for theme in ("light", "dark"):
        lab_page.theme(theme)
        assert panel.evaluate(CONTRAST) == [], theme


def test_downloads_in_every_state(downloads: LabPage):
    looks_right(downloads, ".inb-downloads")
    page = downloads.page
    link = page.locator(".inb-download", has_text="acme/refused").get_by_role("link")
    expect(link).to_have_attribute("href", "".join(["http", link.inner_text()[4:]]))
    expect(page.locator(".inb-download", has_text="acme/refused")).to_contain_text("Enter it as access token")


def test_the_library(lab: LabServer, hub: LoopbackHub, tmp_path: Path):
    lab_page = library(lab, hub, tmp_path)
    looks_right(lab_page, ".inb-library")
    expect(lab_page.page.get_by_text("That frees")).to_be_visible()  # what was asked is still asked


def test_the_form_that_loads_a_model(lab: LabServer, hub: LoopbackHub, tmp_path: Path):
    lab_page = open_panel(lab, "inb.widgets.LoadPanel()", hub, tmp_path)
    lab_page.kernel_eval(f"str(panel.load('nobody/nothing').exception({WAIT}))")
    panel = lab_page.page.locator(".inb-load")
    expect(panel.get_by_text("before:")).to_be_visible()  # the longest that a gauge says
    looks_right(lab_page, ".inb-load")
    load, refresh = (panel.get_by_role("button", name=name, exact=True) for name in ("Load", "Refresh"))
    for width in (432, 310):  # the second is what a window of 430 pixels leaves
        narrow(lab_page, width)
        assert panel.evaluate(OUTSIDE) == [], width
        lines = panel.locator(".inb-gauge-text").evaluate_all(LINES)
        assert set(lines) in ({1}, {2}, {1, 2}), width
        assert load.bounding_box()["y"] == refresh.bounding_box()["y"], width


def test_a_download_can_be_planned_from_a_narrow_search_panel(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, "inb.widgets.SearchPanel()", hub, tmp_path)
    lab_page.page.get_by_label("Name", exact=True).fill("a")
    expect(lab_page.page.locator(".inb-results tbody tr")).to_have_count(4)
    narrow(lab_page, 432)
    panel = lab_page.page.locator(".inb-search")
    assert panel.evaluate(OUTSIDE) == []
    plan = panel.get_by_role("button", name=f"Plan download: {LONG}")
    expect(plan).to_be_in_viewport()
    plan.click()
    lab_page.kernel_until(f"panel.state.wanted == {LONG!r}")


def test_the_tabs_of_a_narrow_workbench_are_not_cut_off(lab: LabServer, hub: LoopbackHub, tmp_path: Path):
    lab_page = open_panel(lab, "inb.Workbench()", hub, tmp_path)
    narrow(lab_page, 432)
    cut = "tabs => tabs.filter((tab) => tab.scrollWidth > tab.clientWidth + 1).map((tab) => tab.innerText)"
    tabs = lab_page.page.locator(".inb-workbench > .lm-TabBar .lm-TabBar-tabLabel")
    assert tabs.evaluate_all(cut) == []
    bar, last = (
        lab_page.page.locator(one) for one in (".inb-workbench", ".inb-workbench > .lm-TabBar li:last-child")
    )
    assert last.bounding_box()["x"] + last.bounding_box()["width"] <= bar.bounding_box()["x"] + 433


def test_a_token_field_stands_right_above_its_note_whatever_other_panels_are_there(
    lab: LabServer, hub: LoopbackHub, tmp_path: Path
):
    lab_page = open_panel(lab, "inb.Workbench()", hub, tmp_path)
    lab_page.kernel_eval("setattr(panel.state, 'wanted', 'acme/refused')")
    field = lab_page.page.locator(".inb-token")
    expect(field).to_be_visible()
    note = lab_page.page.get_by_text("Press Enter after it")
    expect(note).to_be_visible()
    right_above = """([field, note]) => {
        const gap = note.getBoundingClientRect().top - field.getBoundingClientRect().bottom;
        return 0 <= gap && gap < 12;
    }"""
    lab_page.page.wait_for_function(right_above, arg=[field.element_handle(), note.element_handle()])
