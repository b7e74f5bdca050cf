"""The tokenizer explorer as a person uses it: typing, searching, a chat, languages, by pointer and by keys."""

from __future__ import annotations

import pytest
from contrast import CONTRAST
from lab import LabPage, LabServer
from panel_page import narrow
from playwright.sync_api import expect
from test_panel_looks import OUTSIDE

CELLS = [
    """import influence_nb as inb
explorer = inb.widgets.TokenizerExplorer(other="starter/embedding")
explorer""",
]
ONE = "explorer._open['starter/chat']"
expect.set_options(timeout=120_000)

pytestmark = pytest.mark.starter


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """The same with an explorer of its own, on the first tab."""
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    notebook.run_cell(0)
    expect(notebook.page.locator(".inb-tk-chip").first).to_be_visible()
    return notebook


def chips(page: LabPage, side: int) -> list[str]:
    shown = page.page.locator(".inb-tk-side:visible").nth(side)
    return list(shown.locator(".inb-tk-chip").all_inner_texts())


def test_tokens_come_as_one_types(page: LabPage):
    area = page.page.get_by_role("textbox", name="Text", exact=True)
    area.click()
    page.page.keyboard.press("Control+a")
    page.page.keyboard.type("Unhappy naïve 北")
    page.kernel_until("explorer.view['characters'] == 15 and explorer.status == 'idle'")
    found = page.kernel_eval(f"[one.visible for one in {ONE}.tokenize('Unhappy naïve 北')]")
    expect(page.page.locator(".inb-tk-side:visible").first.locator(".inb-tk-chip")).to_have_text(found)
    assert any("⟨x" in one for one in found)  # halves of a character
    expect(area).to_have_value("Unhappy naïve 北")
    expect(page.page.get_by_text(f"starter/chat: {len(found)} tokens; starter/embedding:")).to_be_visible()
    assert chips(page, 1)[0] == "[CLS]"
    assert page.page.locator(".inb-tk-chip[data-apart]").count() > 0
    page.page.get_by_label("ids", exact=True).check()
    assert chips(page, 0) == [str(id) for id in page.kernel_eval(f"{ONE}.tokenize('Unhappy naïve 北').ids")]
    page.page.get_by_label("table", exact=True).check()
    row = page.page.locator(".inb-tk-side:visible").first.locator("tbody tr").last
    assert row.inner_text().split()[-1] == "14–15"


def test_the_keyboard_alone_suffices(page: LabPage):
    keys = page.page.keyboard
    page.page.locator(".inb-tk-chip").first.focus()
    keys.press("ArrowRight")
    second = page.kernel_eval("explorer.view['sides'][0]['tokens'][1]['id']")
    expect(page.page.locator(".inb-tk-said:visible").first).to_contain_text(f"id {second},")
    page.page.get_by_role("tab", name="Text").focus()
    keys.press("ArrowRight")
    expect(page.page.get_by_role("tab", name="Vocabulary")).to_be_focused()
    keys.press("Tab")
    keys.type(" token")
    page.kernel_until("explorer.query == ' token' and explorer.status == 'idle'")
    assert page.kernel_eval("explorer.view['sides'][0]['total']") == len(
        page.kernel_eval(f"{ONE}.find(' token').ids")
    )
    expect(page.page.locator(".inb-tk-side:visible tbody tr").first).to_contain_text("·token")
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(page.page.get_by_label("as", exact=True)).to_have_value("id")
    expect(page.page.get_by_role("alert")).to_contain_text("not an id")
    page.page.get_by_label("Find tokens that hold").fill("2")
    expect(page.page.locator(".inb-tk-side:visible tbody tr").first).to_contain_text("<|im_end|>")
    expect(page.page.get_by_role("alert")).to_be_hidden()


def test_a_conversation_is_edited(page: LabPage):
    page.page.get_by_role("tab", name="Chat template").click()
    page.page.get_by_label("Message 2", exact=True).fill("hello")
    page.kernel_until("explorer.messages[1]['content'] == 'hello' and explorer.status == 'idle'")
    said = "".join(page.page.locator(".inb-tk-chip[data-role=system]").all_inner_texts())
    assert said == "You·answer·in·one·sentence."
    expect(page.page.locator(".inb-tk-chip[data-role=user]").first).to_have_text("hello")
    page.page.get_by_role("button", name="Remove message 1").click()
    page.kernel_until("len(explorer.messages) == 3 and explorer.status == 'idle'")
    expect(page.page.locator(".inb-tk-chip[data-role=system]")).to_have_count(0)
    expect(page.page.locator(".inb-tk-problem:visible")).to_contain_text("no chat template")
    before = page.kernel_eval("explorer.view['sides'][0]['count']")
    page.page.get_by_label("an answer begins at the end").uncheck()
    page.kernel_until(f"explorer.view['sides'][0]['count'] < {before}")


def test_languages_and_another_tokenizer(page: LabPage):
    page.page.get_by_role("tab", name="Languages").click()
    hindi = page.page.locator("tr[data-language=Hindi] td.inb-tk-number").first
    count = page.kernel_eval(f"{ONE}.costs()[13].tokens")
    expect(hindi).to_have_text(str(count))
    page.page.get_by_label("beside that of").select_option("")
    page.page.get_by_label("Tokenizer of").select_option("starter/embedding")
    page.kernel_until("explorer.chosen == ['starter/embedding'] and explorer.status == 'idle'")
    expect(hindi).not_to_have_text(str(count))


def test_a_long_text_does_not_freeze_the_page(page: LabPage):
    area = page.page.get_by_role("textbox", name="Text", exact=True)
    page.page.evaluate("text => navigator.clipboard.writeText(text)", "one two \N{PARROT} three. " * 60_000)
    area.click()
    page.page.keyboard.press("Control+a")
    page.page.keyboard.press("Control+v")
    expect(page.page.get_by_text("Drawn: characters 1 to 2,000 of 1,020,000")).to_be_visible()
    assert page.page.locator(".inb-tk-chip").count() < 4000
    page.page.get_by_role("button", name="Later").click()
    expect(page.page.get_by_text("Drawn: characters 2,001 to 4,000 of 1,020,000")).to_be_visible()
    assert len(area.input_value()) <= 2000
    assert page.errors == []
    page.page.get_by_role("button", name="Clear").click()
    page.page.keyboard.type("short")
    page.kernel_until("explorer.view['characters'] == 5")


def test_it_can_be_read_in_both_themes_at_every_width(page: LabPage):
    panel = page.page.locator(".inb-tk")
    for tab in ("Vocabulary", "Chat template", "Languages", "Text"):
        page.page.set_viewport_size({"width": 1280, "height": 1000})
        page.page.get_by_role("tab", name=tab).click()
        name = tab.split()[0].lower()
        page.kernel_until(f"explorer.view['tab'] == {name!r} and explorer.status == 'idle'")
        for theme in ("light", "dark"):
            page.theme(theme)
            assert panel.evaluate(CONTRAST) == [], (tab, theme)
        for width in (532, 432):
            narrow(page, width)
            assert panel.evaluate(OUTSIDE) == [], (tab, width)


def test_a_reader_without_a_kernel_sees_tokens(page: LabPage):
    page.kernel_eval("explorer.tokenize('unhappiness').result(60) and None")
    read = page.as_read()
    assert "Tokenizers · text" in read
    for token in page.kernel_eval(f"[one.visible for one in {ONE}.tokenize('unhappiness')]"):
        assert f">{token}</code>" in read


def test_in_the_workbench_it_opens_when_it_is_looked_at(lab_server: LabServer):
    made = lab_server.open(["import influence_nb as inb\nworkbench = inb.Workbench()\nworkbench"])
    made.run_all()
    expect(made.page.get_by_role("tab", name="Load", exact=True)).to_be_visible()
    assert made.kernel_eval("workbench.tokens.view") == {}
    made.page.get_by_role("tab", name="Tokens").click()
    expect(made.page.locator(".inb-tk-chip").first).to_be_visible()
    assert made.kernel_eval("inb.loaded()") == []
