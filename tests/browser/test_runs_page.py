"""RunBrowser as a person uses it: two runs that differ in one fact, compared and looked into by keyboard."""

from __future__ import annotations

from pathlib import Path

from lab import LabPage, LabServer
from panel_page import narrow
from playwright.sync_api import Page, expect

from tests import tiny

RUNS = """
import os
os.environ["INFLUENCE_HOME"] = {home!r}
import influence_nb as inb
model = inb.load({model!r}, device="cpu", dtype="float32")
task = inb.Task([{{"q": "hello", "answer": "x"}}, {{"q": "how are", "answer": "y"}}], "{{{{ q }}}} <b>you</b>",
                inb.ExactMatch(), "greetings", sampling=inb.Sampling(temperature=1.0, max_new_tokens=6))
first, second = inb.evaluate(model, task, seed=3).run.id, inb.evaluate(model, task, seed=4).run.id
browser = inb.widgets.RunBrowser()
browser
"""


def opened(lab: LabServer, folder: Path, **options: str) -> LabPage:
    built = tiny.build(folder / "llama", "llama")
    page = lab.open([RUNS.format(home=str(folder / "home"), model=str(built))], **options)
    page.run_all()
    expect(page.page.get_by_text("2 runs on this machine")).to_be_visible()
    return page


def row(page: Page, identifier: str):
    """The row of a run on the page."""
    return page.locator(".inb-run-row").filter(has=page.locator(f'.inb-run[data-id="{identifier}"]'))


def test_the_fact_in_which_two_runs_differ_is_read_by_keyboard(lab: LabServer, tmp_path: Path):
    lab_page = opened(lab, tmp_path)
    page: Page = lab_page.page
    first, second = (lab_page.kernel_eval(name) for name in ("first", "second"))
    for identifier in (first, second):
        box = page.get_by_role("checkbox", name=f"Choose greetings by llama, {identifier[:8]}")
        box.focus()
        page.keyboard.press("Space")
        expect(box).to_be_checked()
    compare = page.get_by_role("button", name="Compare", exact=True)
    expect(compare).to_be_enabled()
    compare.focus()
    page.keyboard.press("Enter")
    told = page.locator(".live .inb-run-first")
    expect(told).to_have_text(
        f"First recorded difference: sampling.seed is 3 in {first[:8]} and 4 in {second[:8]}."
    )
    expect(page.locator(".live").get_by_text("McNemar")).to_be_visible()
    assert lab_page.kernel_eval("inb.first_difference(first, second).name") == "sampling.seed"
    lab_page.kernel_until("browser._comparison.asked.done()")
    assert "sampling.seed" in lab_page.as_read(), "the saved notebook says it without a kernel"
    assert lab_page.errors == []


def test_an_item_is_opened_and_replayed(lab: LabServer, tmp_path: Path):
    lab_page = opened(lab, tmp_path, theme="dark")
    page: Page = lab_page.page
    first = lab_page.kernel_eval("first")
    row(page, first).get_by_role("button", name="Open").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".live .inb-run-title")).to_have_text("greetings by llama")
    choose = page.get_by_role("combobox", name="Open item")
    expect(choose.locator("option")).to_have_text(["(none)", "0", "1"])
    choose.select_option("0")
    item = page.locator('.inb-run-item[data-id="0"]')
    expect(item.locator(".inb-run-text").first).to_have_text("hello <b>you</b>")
    expect(item).to_contain_text("exact_match")
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Identical: all")).to_be_visible()
    lab_page.kernel_eval("model.unload()")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="llama is not loaded")).to_be_visible()
    expect(page.get_by_role("button", name="Load the model")).to_be_visible()
    assert lab_page.errors == []


OVERLAPPING = """row => {
  const parts = [...row.querySelectorAll('.inb-run > span'), ...row.querySelectorAll('button, input')];
  const cut = parts.filter((one) => one.scrollWidth > one.clientWidth + 1 && one.matches('span'));
  const boxes = parts.map((one) => one.getBoundingClientRect());
  const crossing = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
      crossing.push(parts[i].className + ' over ' + parts[i + 1 + j].className);
  }));
  return [...cut.map((one) => one.className + ' is cut'), ...crossing];
}"""


def test_a_row_is_whole_in_a_narrow_and_in_a_wide_panel(lab: LabServer, tmp_path: Path):
    lab_page = opened(lab, tmp_path)
    page: Page = lab_page.page
    shown = row(page, lab_page.kernel_eval("first"))
    for width in (900, 720, 640, 360):
        narrow(lab_page, width)
        assert shown.evaluate(OVERLAPPING) == []
        for part in ("metric", "started", "id", "given"):
            expect(shown.locator(f".inb-run-{part}")).to_be_visible()
        expect(page.locator(".live .inb-run-heads")).to_be_visible(visible=width > 700)
    assert lab_page.errors == []
