"""The token tree as a person uses it, on the starter model: by keyboard, adopted by a chat, read without a kernel."""

from __future__ import annotations

import pytest
from contrast import CONTRAST
from lab import LabPage
from panel_page import narrow
from playwright.sync_api import Locator, expect
from test_panel_looks import OUTSIDE

CELLS = [
    """import influence_nb as inb
model = inb.load(dtype="float32")""",
    """chat = inb.widgets.ChatPanel()
lab = inb.widgets.SamplingLab(adopt=chat.adopt)
lab""",
]
expect.set_options(timeout=120_000)

pytestmark = pytest.mark.starter


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """A lab of its own at the tab of the tree, with one grown by hand."""
    notebook.page.set_viewport_size({"width": 1280, "height": 1100})
    notebook.run_cell(1)
    notebook.page.get_by_role("tab", name="Tree", exact=True).click()
    panel = notebook.page.locator(".inb-token-tree")
    panel.get_by_label("Depth").fill("2")
    panel.get_by_label("Width").fill("3")
    panel.get_by_role("button", name="Grow", exact=True).click()
    notebook.kernel_until("lab.tree.status == 'idle' and len(lab.tree.nodes) == 13")
    return notebook


def items(page: LabPage) -> Locator:
    return page.page.get_by_role("treeitem")


def test_the_figures_are_those_of_a_score(page: LabPage):
    expect(items(page)).to_have_count(13)
    text = page.kernel_eval("lab.tree.tree.text(lab.tree.tree.root.children[0].children[0])")
    assert text.startswith(" Paris")
    total = page.kernel_eval(
        f"sum(model.score(lab.tree.prompt + {text!r}).logprobs[-2:]) - "
        "lab.tree.tree.root.children[0].children[0].branch_logprob"
    )
    assert total == pytest.approx(0, abs=0.01)
    share = page.kernel_eval("lab.tree.tree.root.children[0].probability")
    expect(items(page).nth(1)).to_contain_text(f"·Paris{100 * share:.1f}%")
    rest = page.kernel_eval("lab.tree.tree.root.rest")
    expect(items(page).nth(0)).to_contain_text(f"not shown {100 * rest:.1f}%")


def test_a_branch_is_walked_to_looked_into_pruned_and_adopted_by_keyboard(page: LabPage):
    keys = page.page.keyboard
    items(page).first.focus()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    page.kernel_until("len(lab.tree.chosen) == 2")
    keys.press("ArrowRight")
    page.kernel_until("lab.tree.status == 'idle' and len(lab.tree.nodes) == 16")
    expect(items(page)).to_have_count(16)
    keys.press("ArrowDown")
    page.kernel_until("len(lab.tree.chosen) == 3")
    keys.press("Delete")
    page.kernel_until("len(lab.tree.nodes) == 15 and len(lab.tree.chosen) == 2")
    expect(page.page.locator(".inb-tree li:focus")).to_have_attribute("aria-level", "3")
    keys.press("ArrowLeft")
    expect(items(page)).to_have_count(13)
    page.page.get_by_role("button", name="Follow the likeliest").focus()
    keys.press("Enter")
    page.kernel_until("lab.tree.status == 'idle' and len(lab.tree.chosen) == 4")
    text = page.kernel_eval("lab.tree.text")
    page.page.get_by_role("button", name="Adopt in the chat").focus()
    keys.press("Enter")
    page.kernel_until("lab.tree.adopted == lab.tree.text")
    assert page.kernel_eval("[one['content'] for one in chat.messages]") == ["The capital of France is", text]
    expect(page.page.locator(".inb-token-tree").get_by_text("· adopted")).to_be_visible()


def test_it_can_be_read_in_both_themes_at_every_width(page: LabPage):
    panel = page.page.locator(".inb-token-tree")
    items(page).nth(2).click()
    for width in (532, 432):
        narrow(page, width)
        assert panel.evaluate(OUTSIDE) == [], width
    for theme in ("light", "dark"):
        page.theme(theme)
        assert panel.evaluate(CONTRAST) == [], theme


def test_a_reader_without_a_kernel_sees_the_tree(page: LabPage):
    read = page.as_read()
    assert "after: The capital of France is" in read
    assert "not shown: " in read
