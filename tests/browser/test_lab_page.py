"""The sampling lab as a person uses it, on the starter model: sliders, stages, tokens, and what a reader sees later."""

from __future__ import annotations

import pytest
from contrast import CONTRAST
from lab import LabPage
from panel_page import narrow
from playwright.sync_api import expect
from test_panel_looks import OUTSIDE

CELLS = [
    """import influence_nb as inb
model = inb.load()""",
    """lab = inb.widgets.SamplingLab(sampling=inb.Sampling(seed=4))
lab""",
]
expect.set_options(timeout=120_000)

pytestmark = pytest.mark.starter


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """The same with a lab of its own, and a text in it."""
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    notebook.run_cell(1)
    notebook.page.get_by_role("button", name="Look", exact=True).click()
    expect(notebook.page.locator(".inb-bars tbody tr").first).to_be_visible()
    return notebook


def raw_of(page: LabPage, row: int) -> float:
    return float(
        page.page.locator(".inb-bars tbody tr").nth(row).locator("td").nth(1).inner_text().rstrip("%")
    )


def test_the_figures_are_the_models_own(page: LabPage):
    found = page.kernel_eval(
        "[round(100 * one, 1) for one in model.score('Once upon a time' + lab.xray.tokens[0], top=3) and "
        "lab.xray.xray[0].raw.exp().topk(3).values.tolist()]"
    )
    assert [raw_of(page, row) for row in range(3)] == found
    scored = page.kernel_eval("model.score('Once upon a time' + lab.xray.tokens[0]).logprobs[-1]")
    assert page.kernel_eval("float(lab.xray.xray[0].raw[lab.xray.xray[0].place.id])") == pytest.approx(
        scored, abs=0.1
    )


def test_sliders_stages_and_tokens_by_hand(page: LabPage):
    passes = page.kernel_eval("model.forwards")
    slider = page.page.locator("[data-stage=temperature] input[type=range]")
    box = slider.bounding_box()
    page.page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    expect(page.page.get_by_text("tokens would come otherwise")).to_be_visible()
    assert page.kernel_eval("lab.xray.sampling['temperature']") > 1.8
    assert page.kernel_eval("model.forwards") == passes
    first = page.kernel_eval("lab.xray.flips[0]['index']")
    expect(page.page.locator(".inb-token-chip[data-flip=first]")).to_have_count(1)
    kept = page.kernel_eval("lab.xray.view['stages'][-1]['kept']")
    page.page.get_by_role("button", name="Compare with these settings").click()
    grip = page.page.get_by_role("button", name="Move Temperature: up and down arrow keys")
    below = page.page.locator("[data-stage=typical_p]").bounding_box()
    place = grip.bounding_box()
    page.page.mouse.move(place["x"] + 8, place["y"] + 8)
    page.page.mouse.down()
    page.page.mouse.move(place["x"] + 8, below["y"] + below["height"] - 2, steps=8)
    page.page.mouse.up()
    page.kernel_until("lab.xray.sampling['order'][-1] == 'temperature'")
    page.kernel_until(f"lab.xray.view['stages'][-1]['kept'] < {kept}")
    expect(page.page.get_by_text(f"(compared: {kept:,})")).to_be_visible()
    page.page.get_by_role("button", name="Write what would come").click()
    page.kernel_until("lab.xray.earlier == 1 and lab.xray.status == 'idle'")
    assert page.kernel_eval("lab.xray.changed") == []
    page.page.get_by_role("button", name="Back to the text before").click()
    page.kernel_until("lab.xray.earlier == 0")
    assert first < len(page.kernel_eval("lab.xray.tokens"))


def test_the_keyboard_alone_suffices(page: LabPage):
    keys = page.page.keyboard
    page.page.locator(".inb-token-chip").first.focus()
    keys.press("ArrowRight")
    page.kernel_until("lab.xray.where == 1")
    page.page.get_by_role("button", name="Move Top-p: up and down arrow keys").focus()
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    page.kernel_until("lab.xray.sampling['order'].index('top_p') == 5")
    page.page.locator("[data-stage=temperature] input[type=number]").focus()
    keys.press("Control+a")
    keys.type("0")
    page.kernel_until("lab.xray.sampling['temperature'] == 0")
    expect(page.page.get_by_text("the most probable is taken")).to_be_visible()
    take = page.page.locator(".inb-bar-take:visible").first
    token = page.page.locator(".inb-bars tbody tr", has=take).first.get_attribute("data-id")
    take.focus()
    keys.press("Enter")
    page.kernel_until(f"lab.xray.earlier == 1 and lab.xray.view['came'] == {token}")


def test_it_can_be_read_in_both_themes_at_every_width(page: LabPage):
    panel = page.page.locator(".inb-xray")
    page.page.get_by_role("button", name="Compare with these settings").click()
    for width in (1000, 532, 432):
        narrow(page, min(width, int(panel.bounding_box()["width"])) if width > 800 else width)
        assert panel.evaluate(OUTSIDE) == [], width
    for theme in ("light", "dark"):
        page.theme(theme)
        assert panel.evaluate(CONTRAST) == [], theme


def test_a_reader_without_a_kernel_sees_the_choice(page: LabPage):
    tokens = page.kernel_eval("lab.xray.tokens")
    read = page.as_read()
    assert "raw: the model itself" in read
    assert f"<b>[{tokens[0]}]</b>" in read
