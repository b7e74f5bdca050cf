"""Keys in panels: they reach the control that has the focus, where JupyterLab would take them for its cells."""

from __future__ import annotations

import pytest
from lab import LabPage, LabServer
from playwright.sync_api import Locator, expect

CELLS = [
    """import influence_nb as inb
model = inb.load()""",
    """lab = inb.widgets.SamplingLab(sampling=inb.Sampling(seed=4))
lab""",
]
CELL = """() => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.mode = 'command';
  notebook.activeCell.node.focus();
}"""
CELLS_NOW = """() => {
  const notebook = jupyterapp.shell.currentWidget.content;
  return [notebook.widgets.length, notebook.activeCellIndex];
}"""
SAVES = """() => {
  jupyterapp.shell.currentWidget.context.saveState.connect((_, state) => { window.saved = state; });
}"""
MOST = 80
"""More stops of Tab than any panel here has."""
expect.set_options(timeout=120_000)


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """A lab of its own, its cell chosen in command mode."""
    notebook.run_cell(1)
    expect(notebook.page.get_by_role("button", name="Look", exact=True)).to_be_visible()
    begin(notebook, 1)
    return notebook


def begin(page: LabPage, cell: int) -> None:
    """The focus is on a cell with a panel, as after its code was left with Escape."""
    page.page.wait_for_function("document.body.dataset.inbKeys")
    page.page.evaluate("cell => { jupyterapp.shell.currentWidget.content.activeCellIndex = cell; }", cell)
    page.page.evaluate(CELL)


def tab_to(page: LabPage, control: Locator) -> None:
    """Press Tab until a control has the focus."""
    for _ in range(MOST):
        page.page.keyboard.press("Tab")
        if control.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"Tab does not get to {control}")


@pytest.mark.starter
def test_tabs_and_lists_of_the_sampling_lab_by_keyboard_alone(page: LabPage):
    keys, cells = page.page.keyboard, page.page.evaluate(CELLS_NOW)
    tab_to(page, page.page.get_by_role("tab", name="X-ray"))
    keys.press("ArrowRight")
    keys.press("Enter")
    page.kernel_until("lab.selected_index == 1")
    varied = page.page.locator(".inb-grid").get_by_label("Varied", exact=True).first
    tab_to(page, varied)
    names = varied.locator("option").evaluate_all("all => all.map(one => one.value)")
    keys.press("ArrowDown")
    page.kernel_until(f"lab.grid.axes[0]['name'] == {names[1]!r}")
    keys.press("End")
    page.kernel_until(f"lab.grid.axes[0]['name'] == {names[-1]!r}")
    keys.press("Home")
    keys.type("tem")
    page.kernel_until("lab.grid.axes[0]['name'] == 'temperature'")
    expect(varied).to_be_focused()
    assert page.page.evaluate(CELLS_NOW) == cells


@pytest.mark.starter
def test_sliders_and_numbers_of_the_sampling_lab_by_keyboard_alone(page: LabPage):
    keys, cells = page.page.keyboard, page.page.evaluate(CELLS_NOW)
    temperature = page.page.locator("[data-stage=temperature]")
    tab_to(page, temperature.get_by_role("slider"))
    for key, value in {"ArrowRight": 0.75, "ArrowUp": 0.8, "ArrowDown": 0.75, "End": 2, "Home": 0}.items():
        keys.press(key)
        page.kernel_until(f"lab.xray.sampling['temperature'] == {value}")
    keys.press("Tab")
    expect(temperature.get_by_role("spinbutton")).to_be_focused()
    keys.press("ArrowUp")
    page.kernel_until("lab.xray.sampling['temperature'] == 0.05")
    assert page.page.evaluate(CELLS_NOW) == cells


@pytest.mark.starter
def test_a_button_that_makes_room_for_another_has_the_focus_again(page: LabPage):
    keys = page.page.keyboard
    look = page.page.get_by_role("button", name="Look", exact=True)
    tab_to(page, look)
    keys.press("Enter")
    expect(page.page.locator(".inb-bars tbody tr").first).to_be_visible()
    expect(look).to_be_focused()
    tab_to(page, page.page.locator("[data-stage=temperature]").get_by_role("slider"))
    keys.press("End")
    undo = page.page.get_by_role("button", name="Undo the changes")
    expect(undo).to_be_visible()
    undo.focus()
    keys.press("Enter")
    expect(undo).to_be_hidden()
    expect(page.page.get_by_role("button", name="Compare with these settings")).to_be_focused()


def test_a_form_alone_keeps_its_keys_and_lets_the_notebook_have_its_own(lab: LabServer):
    page = lab.open(["import influence_nb as inb\npanel = inb.widgets.LoadPanel()\npanel", "2"])
    page.run_cell(0)
    kind = page.page.get_by_label("Data type")
    expect(kind).to_be_visible()
    begin(page, 0)
    cells = page.page.evaluate(CELLS_NOW)
    keys = page.page.keyboard
    tab_to(page, kind)
    chosen = kind.input_value()
    keys.press("ArrowDown")
    expect(kind).not_to_have_value(chosen)
    keys.press("ArrowUp")
    expect(kind).to_have_value(chosen)
    for key in "ddxb":  # which would delete the panel's cell, cut it, and put one below
        keys.press(key)
    assert page.page.evaluate(CELLS_NOW) == cells
    page.page.evaluate(SAVES)
    keys.press("Control+s")
    page.page.wait_for_function("window.saved === 'completed'")
    page.page.evaluate(CELL)
    keys.press("ArrowDown")  # outside a panel all is as ever
    assert page.page.evaluate(CELLS_NOW) == [cells[0], cells[1] + 1]
