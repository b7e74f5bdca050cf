"""Where the keyboard's place is after a button was pressed: always on a control of the panel, never lost."""

from __future__ import annotations

import sys
from pathlib import Path

from lab import LabServer
from panel_page import open_panel
from playwright.sync_api import Page, expect

from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

sys.path.append(str(Path(__file__).parents[1] / "store"))
from folders import write_linked

WAIT = 120
expect.set_options(timeout=WAIT * 1000)


def press(page: Page, where: str, name: str) -> None:
    """By keyboard: put the focus on a button, and press Enter."""
    button = page.locator(where).get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")


def focused(page: Page, where: str, name: str):
    """The button of that name has the focus."""
    return expect(page.locator(where).get_by_role("button", name=name, exact=True)).to_be_focused()


def test_a_download_is_paused_resumed_cancelled_and_begun_again_from_one_place(
    lab: LabServer, tmp_path: Path
):
    with LoopbackHub() as hub:
        hub.add("acme/large", made_up(6_000_000))
        lab_page = open_panel(lab, "inb.widgets.DownloadPanel()", hub, tmp_path)
        page, row, chip = lab_page.page, ".inb-download", ".inb-download .inb-chip"
        first = hub.hold("*model.safetensors", at_byte=1_000_000)
        with first:
            lab_page.kernel_eval("panel.download('acme/large')")
            assert first.reached.wait(WAIT)
            press(page, row, "Pause")
            expect(page.locator(chip)).to_have_text("paused")
            focused(page, row, "Resume")
        with hub.hold("*model.safetensors", at_byte=2_000_000) as second:
            page.keyboard.press("Enter")
            assert second.reached.wait(WAIT)
            expect(page.locator(chip)).to_have_attribute("data-status", "running")
            focused(page, row, "Pause")
            press(page, row, "Cancel")
            expect(page.locator(chip)).to_have_text("cancelled")
            focused(page, row, "Retry")
        page.keyboard.press("Enter")
        expect(page.locator(chip)).to_have_text("done")
        focused(page, row, "Load")
        press(page, ".inb-queue", "Clear finished")
        expect(page.locator(row)).to_have_count(0)
        expect(page.get_by_label("Repository")).to_be_focused()
        assert not lab_page.errors


def test_the_rows_of_the_library_and_its_pages(lab: LabServer, tmp_path: Path):
    for number in range(17):
        write_linked(tmp_path / "cache", f"zoo/model-{number:02}", f"{number:040x}")
    blobs = tmp_path / "cache" / "models--zoo--model-00" / "blobs"
    (blobs / f"{'f' * 64}.influence.incomplete").write_bytes(bytes(5000))
    with LoopbackHub() as hub:
        lab_page = open_panel(lab, "inb.widgets.LibraryPanel()", hub, tmp_path)
        page, library = lab_page.page, ".inb-library"
        row = ".inb-model-row:has([data-name='zoo/model-{}'])"
        press(page, library, "Next")
        expect(page.locator(row.format(16))).to_be_visible()
        focused(page, library, "Previous")  # there is no other page
        press(page, row.format(15), "Verify")
        expect(page.get_by_text("zoo/model-15 is verified: 3 files")).to_be_visible()
        focused(page, row.format(15), "Verify")
        press(page, row.format(15), "Remove")
        press(page, row.format(15), "Keep it")
        focused(page, row.format(15), "Remove")
        page.keyboard.press("Enter")
        press(page, row.format(15), "Remove it")
        expect(page.locator(row.format(15))).to_have_count(0)
        expect(page.locator(row.format(16)).filter(visible=True)).to_have_count(1)  # its old place is empty
        focused(page, row.format(16), "Remove")
        press(page, library, "Leftovers")
        press(page, library, "Delete them")
        expect(page.get_by_text("deleted;")).to_be_visible()
        focused(page, library, "Leftovers")
        assert not lab_page.errors


def test_a_planned_model_takes_the_keyboard_to_the_download_tab(lab: LabServer, tmp_path: Path):
    with LoopbackHub() as hub:
        hub.add("acme/small", made_up(20_000))
        lab_page = open_panel(lab, "inb.Workbench()", hub, tmp_path)
        page = lab_page.page
        page.get_by_role("tab", name="Search").click()
        page.get_by_label("Name", exact=True).fill("small")
        press(page, ".inb-results", "Plan download: acme/small")
        expect(page.get_by_role("tab", name="Download")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_label("Repository")).to_be_focused()
