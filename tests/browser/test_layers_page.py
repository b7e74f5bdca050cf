"""Layers and comparisons in a real page: the slider moves, answers arrive, two maps are linked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import LabPage, LabServer
from playwright.sync_api import expect

pytestmark = pytest.mark.starter

START = """
import influence_nb as inb
from influence_nb.embeddings.corpus import corpus
from influence_nb.widgets import CompareExplorer, LayerExplorer
encoder = inb.load_encoder()
texts = corpus()
"""
LAYERS = """
explorer = LayerExplorer(encoder, texts)
explorer
"""
COMPARE = """
layers = encoder.encode_layers(list(texts["text"]), [1, 6])
a, b = (inb.EmbeddingMap(texts, vectors=one, projection="pca") for one in layers)
comparison = CompareExplorer(inb.compare_maps(a, b, names=("layer 1", "layer 6")))
comparison
"""
VIEW = ".inb-layers"
SIDES = ".inb-compare .inb-side"


@pytest.fixture(scope="module")
def notebook(lab_server: LabServer) -> Iterator[LabPage]:
    """A notebook with the encoder open."""
    made = lab_server.open([START, LAYERS, COMPARE])
    made.run_cell(0)
    yield made
    lab_server.close_pages()


def test_the_slider_moves_through_the_layers(notebook: LabPage) -> None:
    notebook.run_cell(1)
    page = notebook.page
    view = page.locator(VIEW)
    view.locator("canvas").first.wait_for()
    expect(view.get_by_text("Layer 0 of 6 of starter/embedding")).to_be_visible()
    view.get_by_label("Text to follow").fill("A python swallowed the exception.")
    expect(view.get_by_text("Nearest in layer 0 to: A python swallowed the exception.")).to_be_visible()
    handle = view.get_by_role("slider")
    handle.focus()
    answers = []
    for layer in range(1, 7):
        handle.press("ArrowRight")
        expect(view.get_by_text(f"Layer {layer} of 6 of starter/embedding")).to_be_visible()
        expect(view.get_by_text(f"Nearest in layer {layer} to:")).to_be_visible()
        expect(view.get_by_alt_text(f"layer {layer} is framed")).to_be_visible()
        near = notebook.kernel_eval("[explorer.layer, explorer.neighbours['text'].iloc[0]]")
        assert near[0] == layer
        expect(view.locator(".inb-table tbody tr").first).to_contain_text(near[1])
        answers.append(near[1])
    assert len(set(answers)) > 1
    assert handle.get_attribute("aria-valuenow") == "6.0"
    handle.press("Home")
    expect(view.get_by_text("Nearest in layer 0 to:")).to_be_visible()
    assert not notebook.errors


def test_two_maps_are_linked(notebook: LabPage) -> None:
    notebook.run_cell(2)
    page = notebook.page
    sides = page.locator(SIDES)
    expect(sides).to_have_count(2)
    for at in range(2):
        sides.nth(at).locator("canvas").first.wait_for()
    step = page.get_by_role("button", name="Next that moved")
    step.focus()
    step.press("Enter")
    step.press("Enter")
    row = notebook.kernel_eval("int(comparison.comparison.moved.index[1])")
    notebook.kernel_until(f"comparison.selected == [{row}]")
    assert notebook.kernel_eval("[list(map(int, one.selection)) for one in comparison.scatters]") == [
        [row],
        [row],
    ]
    for name in ("layer 1", "layer 6"):
        expect(page.locator(".inb-compare").get_by_text(f"Nearest by {name}")).to_be_visible()
    third = notebook.kernel_eval("comparison.comparison.moved['text'].iloc[2]")
    page.get_by_label("Moved most").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".inb-compare strong", has_text=third).last).to_be_visible()
    sides.nth(0).get_by_title("Activate lasso selection").click()
    box = sides.nth(0).locator("canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 60)
    page.mouse.down()
    for corner in ((60, -60), (60, 60), (-60, 60), (-60, -50)):
        page.mouse.move(x + corner[0], y + corner[1], steps=12)
    page.mouse.up()
    notebook.kernel_until("len(comparison.selected) > 1")
    assert notebook.kernel_eval("list(map(int, comparison.scatters[1].selection)) == comparison.selected")
    page.get_by_label("Colour").last.select_option("overlap")
    notebook.kernel_until("comparison.color == 'overlap'")
    assert not notebook.errors
