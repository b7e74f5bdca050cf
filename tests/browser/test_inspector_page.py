"""The token inspector as a person uses it, on the starter model: colours, a token taken by keyboard, a saved page."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from contrast import CONTRAST
from lab import LabPage
from panel_page import narrow
from playwright.sync_api import Locator, expect
from test_panel_looks import OUTSIDE

CELLS = [
    """import influence_nb as inb
model = inb.load(dtype="float32")""",
    """panel = inb.widgets.TokenInspector(sampling=inb.Sampling(seed=4))
panel""",
]
TEXT = "The capital of France is Paris, and its river is the Thames."
expect.set_options(timeout=120_000)

pytestmark = pytest.mark.starter


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """An inspector of its own with a pasted text in it."""
    notebook.page.set_viewport_size({"width": 1280, "height": 1100})
    notebook.run_cell(1)
    notebook.page.get_by_label("Text", exact=True).fill(TEXT)
    notebook.page.get_by_label("Tokens", exact=True).fill("4")
    notebook.page.get_by_role("button", name="Score", exact=True).click()
    notebook.kernel_until("panel.status == 'idle' and len(panel.tokens) > 0")
    return notebook


def chips(page: LabPage) -> Locator:
    return page.page.locator(".inb-token-chip")


def test_what_surprised_the_model_is_coloured_and_its_figures_are_the_models_own(page: LabPage):
    scores = page.kernel_eval(f"model.score({TEXT!r}).to_frame()['rank'].fillna(0).astype(int).tolist()")
    thames = page.kernel_eval("panel.tokens.index(' Thames')")
    levels = page.kernel_eval("panel.levels")
    assert chips(page).nth(thames).get_attribute("data-level") == str(levels[thames])
    assert levels[thames] >= 3
    chips(page).nth(thames).click()
    rank = page.page.get_by_role("row", name="Rank").get_by_role("cell").first
    expect(rank).to_have_text(f"{scores[thames]:,}")
    page.page.get_by_label("Colour by").select_option("rank")
    expect(page.page.locator(".inb-inspector-legend li").last).to_have_text("beyond 100")
    chips(page).nth(2).hover()
    expect(page.page.locator(".inb-inspector-hint")).to_contain_text("Rank, raw: ")


def test_another_token_is_taken_by_keyboard_alone(page: LabPage):
    keys = page.page.keyboard
    place = page.kernel_eval("panel.tokens.index(' Thames')")
    chips(page).first.focus()
    for _ in range(place):
        keys.press("ArrowRight")
    page.kernel_until(f"panel.where == {place}")
    expect(chips(page).nth(place)).to_have_attribute("aria-pressed", "true")
    keys.press("Enter")
    taken = page.page.locator(".inb-bars tbody tr", has=page.page.locator(":focus")).get_attribute("data-id")
    keys.press("Enter")
    page.kernel_until("len(panel.branches) == 2 and panel.status == 'idle'")
    assert page.kernel_eval(f"panel.inspected.ids[{place}]") == int(taken)
    expect(chips(page)).to_have_count(place + 4)
    texts = page.kernel_eval("panel.tokens")
    assert texts[:place] == page.kernel_eval(f"panel._kept[0][0].to_frame()['token'].tolist()[:{place}]")
    shown = chips(page).all_inner_texts()
    assert [one.replace("·", " ") for one in shown] == [one.replace("\n", "↵") for one in texts]
    back = page.page.get_by_role("button", name="the text", exact=True)
    back.focus()
    keys.press("Enter")
    expect(chips(page).nth(place)).to_have_text("·Thames")


def test_a_page_of_its_own_is_saved(page: LabPage, tmp_path: Path):
    with page.page.expect_download() as waited:
        page.page.get_by_role("button", name="Save as HTML").click()
    target = tmp_path / "tokens.html"
    waited.value.save_as(target)
    alone = page.page.context.new_page()
    alone.goto(target.as_uri())
    token = alone.locator(".t", has_text="·Thames").first
    token.focus()
    expect(token.locator("span")).to_be_visible()
    expect(token.locator("span")).to_contain_text("Rank, raw")
    alone.close()


def test_it_can_be_read_in_both_themes_at_every_width(page: LabPage):
    panel = page.page.locator(".inb-inspector")
    chips(page).nth(3).click()
    for width in (532, 432):
        narrow(page, width)
        assert panel.evaluate(OUTSIDE) == [], width
    for theme in ("light", "dark"):
        page.theme(theme)
        assert panel.evaluate(CONTRAST) == [], theme


def test_a_reader_without_a_kernel_sees_the_colours(page: LabPage):
    summary = page.kernel_eval("panel.summary")
    read = page.as_read()
    assert html.escape(summary) in read
    assert "Thames</span>" in read
