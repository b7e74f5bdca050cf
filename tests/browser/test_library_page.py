"""LibraryPanel as a person uses it: verify, remove and tidy in the page, the result read in Python and on the disk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab import LabPage, LabServer
from playwright.sync_api import Page, expect

sys.path.append(str(Path(__file__).parents[1] / "store"))
from folders import write_linked

LONG = "some-organisation-with-a-long-name/a-model-whose-name-goes-on-and-on-and-on-with-every-training-step-listed"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A Hub cache with many models: one with two revisions, one with a long name, one that is not whole."""
    cache = tmp_path / "hub-cache"
    write_linked(cache, "a/one", "1" * 40, main="1" * 40)
    write_linked(cache, "a/one", "2" * 40, main="1" * 40, config={"dtype": "float32"})
    (write_linked(cache, "b/cut", "3" * 40) / "model.safetensors").resolve().unlink()
    write_linked(cache, LONG, "4" * 40)
    for number in range(20):
        write_linked(cache, f"zoo/model-{number:02}", f"{number:040x}")
    return cache


def opened(lab: LabServer, cache: Path, **options: str) -> LabPage:
    lines = [
        "import os",
        f"os.environ['INFLUENCE_HOME'] = {str(cache.parent / 'home')!r}",
        f"os.environ['HF_HUB_CACHE'] = {str(cache)!r}",
        "import influence_nb as inb",
        "panel = inb.widgets.LibraryPanel()",
        "panel",
    ]
    page = lab.open(["\n".join(lines)], **options)
    page.run_all()
    expect(page.page.get_by_text("23 models, 1 not whole")).to_be_visible()
    return page


def row(page: Page, name: str):
    """The row of a model on the page."""
    return page.locator(".inb-model-row").filter(has=page.locator(f'.inb-shelved[data-name="{name}"]'))


def test_verify_and_remove_by_clicking(lab: LabServer, cache: Path):
    lab_page = opened(lab, cache)
    page: Page = lab_page.page
    one = row(page, "a/one")
    one.get_by_role("button", name="Verify", exact=True).click()
    expect(one.get_by_text("a/one is verified: 3 files")).to_be_visible()
    expect(one.locator(".inb-model-checked")).to_have_text("verified")
    assert lab_page.kernel_eval("inb.library()['a/one'].verified") is True

    other = row(page, "a/one@2222222")
    config = (cache / "models--a--one" / "snapshots" / ("2" * 40) / "config.json").resolve()
    other.get_by_role("button", name="Remove", exact=True).click()
    expect(other.get_by_text("That frees")).to_contain_text(f"{config.stat().st_size} B")
    other.get_by_role("button", name="Keep it").click()
    expect(other.get_by_text("That frees")).to_be_hidden()
    assert config.exists()
    other.get_by_role("button", name="Remove", exact=True).click()
    other.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("a/one@2222222 was removed")).to_be_visible()
    expect(other).to_have_count(0)
    assert not config.exists()
    assert sorted(path.name for path in (cache / "models--a--one" / "snapshots").iterdir()) == ["1" * 40]
    assert lab_page.kernel_eval("inb.library()['a/one'].verified") is True
    assert lab_page.errors == []


def test_a_damaged_model_is_named_in_its_row(lab: LabServer, cache: Path):
    lab_page = opened(lab, cache, theme="dark")
    page: Page = lab_page.page
    weights = cache / "models--a--one" / "snapshots" / ("1" * 40) / "model.safetensors"
    data = weights.read_bytes()
    weights.resolve().write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    one = row(page, "a/one")
    one.get_by_role("button", name="Verify", exact=True).click()
    expect(one.get_by_role("alert").filter(has_text="model.safetensors is damaged")).to_be_visible()
    expect(one.locator(".inb-shelved")).to_have_attribute("data-status", "broken")
    expect(one.get_by_role("button", name="Fetch")).to_be_visible()
    assert not weights.exists()
    one.get_by_role("button", name="Fetch").click()
    lab_page.kernel_until("panel.state.wanted == 'a/one'")
    cut = row(page, "b/cut")
    expect(cut.locator(".inb-model-more")).to_contain_text("model.safetensors is not a file")
    assert lab_page.errors == []


def test_pages_filter_and_leftovers_by_keyboard(lab: LabServer, cache: Path):
    half = cache / "models--a--one" / "blobs" / f"{'f' * 64}.influence.incomplete"
    half.write_bytes(bytes(5000))
    lab_page = opened(lab, cache)
    page: Page = lab_page.page
    expect(row(page, LONG)).to_be_visible()
    box = page.locator(".inb-library").bounding_box()
    name = row(page, LONG).locator(".inb-model-name").bounding_box()
    assert box
    assert name
    assert name["x"] + name["width"] <= box["x"] + box["width"], "a long name stays within the panel"
    page.get_by_role("button", name="Next", exact=True).focus()
    page.keyboard.press("Enter")
    expect(row(page, "zoo/model-19")).to_be_visible()
    page.get_by_role("textbox", name="Filter").fill("model-0")
    expect(row(page, "zoo/model-00")).to_be_visible()
    expect(row(page, "zoo/model-19")).to_have_count(0)
    page.get_by_role("combobox", name="Order").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Refresh", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("5.00 kB")).to_be_visible()
    assert half.exists()
    page.get_by_role("button", name="Delete them").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("deleted;")).to_be_visible()
    assert not half.exists()
    saved = lab_page.save()
    shown = "".join(
        output.data.get("text/html", "")
        for output in saved["cells"][0].outputs
        if output.output_type == "display_data"
    )
    assert "zoo/model-19" in shown, "the saved notebook shows the list without a kernel"
    assert lab_page.errors == []
