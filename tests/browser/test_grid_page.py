"""The grid as a person uses it, on the starter model: axes, cells, colours, the map, and what a reader sees later."""

from __future__ import annotations

import pytest
from contrast import CONTRAST
from lab import LabPage
from panel_page import narrow
from playwright.sync_api import Locator, expect
from test_panel_looks import OUTSIDE

CELLS = [
    """import influence_nb as inb
model = inb.load()
chat = inb.widgets.ChatPanel()""",
    """lab = inb.widgets.SamplingLab(sampling=inb.Sampling(seed=4), adopt=chat.adopt)
lab""",
]
expect.set_options(timeout=120_000)

pytestmark = pytest.mark.starter


@pytest.fixture(scope="module")
def page(notebook: LabPage) -> LabPage:
    """A lab at its second tab, with a grid of two temperatures and two seeds that was run by hand."""
    notebook.page.set_viewport_size({"width": 1280, "height": 1100})
    notebook.run_cell(1)
    notebook.page.get_by_role("tab", name="Grid", exact=True).click()
    panel = notebook.page.locator(".inb-grid")
    panel.get_by_label("Values of Temperature").fill("0, 1.4")
    expect(panel.get_by_text("2 × 2 = 4 cells")).to_be_visible()
    panel.get_by_label("Tokens").fill("12")
    panel.get_by_role("button", name="Run", exact=True).click()
    notebook.kernel_until("lab.grid.status == 'idle' and len(lab.grid.cells) == 4")
    return notebook


@pytest.fixture
def panel(page: LabPage) -> Locator:
    return page.page.locator(".inb-grid")


def test_each_cell_shows_what_the_model_writes_alone(page: LabPage, panel: Locator):
    for place, (temperature, seed) in enumerate([(0, 0), (0, 1), (1.4, 0), (1.4, 1)]):
        text = page.kernel_eval(
            f"model.generate('Once upon a time', inb.Sampling(temperature={temperature}, seed={seed}, "
            "max_new_tokens=12)).text"
        )
        shown = panel.locator(f"td[data-place='{place}'] .inb-cell-text")
        if page.kernel_eval("model.dtype") == "float32":
            assert shown.text_content() == text
        assert shown.text_content() == page.kernel_eval(f"lab.grid.grid[{place}].text")


def test_cells_are_coloured_compared_and_mapped(page: LabPage, panel: Locator):
    panel.get_by_label("Colour by").select_option("perplexity")
    expect(panel.locator(".inb-heat-legend")).to_be_visible()
    found = page.kernel_eval("float(lab.grid.grid.to_frame()['perplexity'][3])")
    expect(panel.locator("td[data-place='3'] .inb-cell-facts")).to_contain_text(f"perplexity {found:.3g}")
    panel.locator("td[data-place='3']").get_by_role("button", name="Compare").click()
    expect(panel.locator("td[data-place='0'] mark").first).to_be_visible()
    expect(panel.locator("td[data-place='3'] mark")).to_have_count(0)
    panel.get_by_label("Columns").select_option("temperature")
    expect(panel.locator("thead th").nth(1)).to_have_text("temperature 0")
    panel.get_by_role("button", name="Map of the texts").click()
    expect(page.page.get_by_text("PCA of 4 texts, embedded by starter/embedding")).to_be_visible()


def test_what_is_wrong_is_said_where_it_was_typed(panel: Locator):
    field = panel.get_by_label("Values of Temperature")
    field.fill("0, warm")
    expect(panel.get_by_text("'warm' is no value of temperature.")).to_be_visible()
    expect(panel.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    field.fill("0, 1.4")
    expect(panel.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_a_cell_is_opened_by_keyboard_alone(page: LabPage, panel: Locator):
    keys = page.page.keyboard
    panel.locator("td[data-place='2']").get_by_role("button", name="in Chat").focus()
    keys.press("Enter")
    page.kernel_until(
        "[row['content'] for row in chat.messages] == ['Once upon a time', lab.grid.grid[2].text]"
    )
    panel.locator("td[data-place='2']").get_by_role("button", name="in X-ray").focus()
    keys.press("Enter")
    page.kernel_until("lab.xray.status == 'idle' and len(lab.xray.tokens) > 0")
    expect(page.page.locator(".inb-xray .inb-token-chip").first).to_be_visible()
    assert page.kernel_eval("lab.xray.xray.completion.ids == lab.grid.grid[2].completion.ids")
    page.page.get_by_role("tab", name="Grid", exact=True).click()


def test_it_can_be_read_in_both_themes_at_every_width(page: LabPage, panel: Locator):
    for width in (1000, 532, 432):
        narrow(page, min(width, int(panel.bounding_box()["width"])) if width > 800 else width)
        assert panel.evaluate(OUTSIDE) == [], width
    for theme in ("light", "dark"):
        page.theme(theme)
        assert panel.evaluate(CONTRAST) == [], theme


def test_a_reader_without_a_kernel_sees_the_cells(page: LabPage):
    read = page.as_read()
    assert "Grid · starter/chat" in read
    assert "12 tokens · length" in read
