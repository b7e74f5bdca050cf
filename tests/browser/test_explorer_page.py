"""The explorer in a real page: lasso, click, type, filter, look for clusters, save, switch the projection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from lab import LabPage, LabServer
from playwright.sync_api import expect

from influence_nb.widgets.scatter import CAMERA

pytestmark = pytest.mark.starter

VIEW = ".inb-explorer"  # the live view: the static rendering is in the page too, hidden
MAP = """
import influence_nb as inb
from influence_nb.embeddings.corpus import corpus
from influence_nb.widgets import EmbeddingExplorer
map = inb.EmbeddingMap(corpus(), projection="pca")
"""
OPEN = """
explorer = EmbeddingExplorer(map)
explorer
"""

PLACE = """(lambda p: (lambda row: (row, *(2 * (p[row] - p.min(0)) / (p.max(0) - p.min(0)) - 1).tolist()))(
    int(p[:, 0].argmax())))(map.project("pca").points)"""  # a row, and where it is from -1 to 1


@pytest.fixture(scope="module")
def notebook(lab_server: LabServer) -> Iterator[LabPage]:
    """A notebook that has embedded the corpus, once."""
    made = lab_server.open([MAP, OPEN])
    made.run_cell(0)
    yield made
    lab_server.close_pages()


@pytest.fixture
def page(notebook: LabPage) -> LabPage:
    """The same with an explorer of its own."""
    notebook.run_cell(1)
    notebook.page.locator(".inb-explorer canvas").first.wait_for()
    return notebook


def lasso(page: Any, share: float = 0.5) -> None:
    """Draw around the middle of the map, with a loop as wide as this share of it."""
    page.get_by_title("Activate lasso selection").click()
    box = page.locator(".inb-explorer canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    dx, dy = box["width"] * share / 2, box["height"] * share / 2
    page.mouse.move(x - dx, y - dy)
    page.mouse.down()
    for corner in ((x + dx, y - dy), (x + dx, y + dy), (x - dx, y + dy), (x - dx, y - dy + 12)):
        page.mouse.move(*corner, steps=12)
    page.mouse.up()


def outermost(page: LabPage) -> tuple[int, tuple[float, float]]:
    """A row, and where its point is on the page."""
    row, x, y = page.kernel_eval(PLACE)
    box = page.page.locator(".inb-explorer canvas").first.bounding_box()
    half = box["height"] / 2 / CAMERA
    return row, (box["x"] + box["width"] / 2 + x * half, box["y"] + box["height"] / 2 - y * half)


def test_lasso_arrives_in_python(page: LabPage) -> None:
    lasso(page.page)
    page.kernel_until("len(explorer.selected) > 1")
    count = page.kernel_eval("len(explorer.selected)")
    expect(page.page.locator(VIEW).get_by_text(f"{count} chosen texts")).to_be_visible()
    assert page.kernel_eval("list(explorer.selection.index) == explorer.selected")
    first = page.kernel_eval("explorer.selection['text'].iloc[0]")
    expect(page.page.locator(VIEW).locator(".inb-table td", has_text=first)).to_be_visible()
    inside, outside = (
        page.kernel_eval(f"float(abs(map.project('pca').points[{rows}]).mean())")
        for rows in ("explorer.selected", "[r for r in range(len(map)) if r not in explorer.selected]")
    )
    assert inside < outside
    assert not page.errors


def test_a_click_lists_the_neighbours_of_that_point(page: LabPage) -> None:
    row, at = outermost(page)
    page.page.mouse.move(*at, steps=5)
    text = page.kernel_eval(f"map.frame['text'][{row}]")
    expect(page.page.locator(VIEW).get_by_text(text).first).to_be_visible()
    page.page.mouse.click(*at)
    page.kernel_until(f"explorer.selected == [{row}]")
    expect(page.page.locator(VIEW).get_by_text(f"Nearest in full space to: {text}")).to_be_visible()
    nearest = page.kernel_eval(f"map.neighbours({row})['text'].iloc[0]")
    expect(page.page.locator(VIEW).locator(".inb-table tbody tr").first).to_contain_text(nearest)


def test_a_point_shows_where_its_true_neighbours_are_and_poorly_placed_ones_fade(page: LabPage) -> None:
    expect(page.page.locator(VIEW).get_by_text("true neighbours the picture keeps")).to_be_visible()
    page.page.get_by_role("tab", name="Look").click()
    page.page.get_by_label("Shade by").select_option("neighbours kept")
    expect(page.page.locator(VIEW).get_by_text("Faint points keep few neighbours.")).to_be_visible()
    page.kernel_until("[explorer.shade, explorer.scatter.opacity_by] == ['kept', 'valueB']")
    page.page.mouse.move(*outermost(page)[1], steps=5)
    page.kernel_until("len(explorer.scatter.annotations or []) == 10")
    page.page.get_by_label("Text to find").hover()
    page.kernel_until("not explorer.scatter.annotations")
    assert not page.errors


def test_typed_text_is_embedded_live(page: LabPage) -> None:
    page.page.get_by_label("Text to find").fill("the central bank cut interest rates")
    expect(
        page.page.locator(VIEW).get_by_text("Nearest in full space to: the central bank cut interest rates")
    ).to_be_visible()
    expect(page.page.locator(VIEW).locator(".inb-table tbody tr").first).to_contain_text("finance")
    assert page.kernel_eval("explorer.neighbours['topic'].iloc[0]") == "finance"
    expect(page.page.locator(VIEW).locator(".inb-table tbody tr").first).to_contain_text(
        re.compile(r"0\.\d{3}")
    )


def test_a_reader_without_a_kernel_sees_the_picture(page: LabPage) -> None:
    lasso(page.page)
    page.kernel_until("len(explorer.selected) > 1")
    first = page.kernel_eval("explorer.selection['text'].iloc[0]")
    page.page.wait_for_function(
        "text => jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.toJSON()"
        ".some(o => (o.data['text/html'] || '').includes(text))",
        arg=first,
    )
    static = page.page.locator(".jp-OutputArea-child:has(.inb-static)")
    expect(static).to_be_hidden()
    assert "data:image/png;base64," in page.outputs(1)[-1]["data"]["text/html"]


def test_the_projection_can_be_switched(page: LabPage) -> None:
    page.kernel_eval("setattr(explorer, 'selected', [3, 5])")
    page.page.get_by_label("Projection").select_option("UMAP")
    expect(page.page.locator(VIEW).get_by_text("UMAP of 360 texts")).to_be_visible(timeout=120_000)
    page.kernel_until("explorer.projection == 'umap'")
    assert page.kernel_eval("explorer.selected") == [3, 5]
    shown = page.kernel_eval("explorer.selection[['x', 'y']].to_numpy().tolist()")
    assert shown == page.kernel_eval("map.project('umap').points[[3, 5]].tolist()")
    page.page.get_by_label("Projection").select_option("t-SNE")
    expect(page.page.locator(VIEW).get_by_text("t-SNE of 360 texts")).to_be_visible()
    page.page.get_by_role("tab", name="Look").click()
    page.page.get_by_label("Perplexity").fill("8")
    page.page.get_by_label("Perplexity").press("Enter")
    page.kernel_until("map.parameters('tsne') == {'perplexity': 8} and explorer.message == ''")
    assert page.kernel_eval("explorer._layouts.done.result(60) or map.project('tsne').perplexity") == 8


def test_a_threshold_and_a_filter_narrow_what_is_seen(page: LabPage) -> None:
    page.page.get_by_label("Text to find").fill("the central bank cut interest rates")
    view = page.page.locator(VIEW)
    expect(view.get_by_text("The 10 nearest of 360 texts.")).to_be_visible()
    view.get_by_role("slider").first.press("Home")
    page.kernel_until("explorer.threshold == -1")
    expect(view.get_by_text("360 of 360 texts are at -1.00 or above.")).to_be_visible()
    page.page.get_by_role("button", name="10 nearest").click()
    page.kernel_until("explorer.threshold is None")
    page.page.get_by_role("tab", name="Filter").click()
    page.page.get_by_label("Column to filter by").select_option("topic")
    page.page.get_by_label("weather (30)").check()
    expect(view.get_by_text("30 of 360 shown: topic is weather")).to_be_visible()
    lasso(page.page, 0.98)
    page.kernel_until("len(explorer.selected) > 1")
    assert page.kernel_eval("explorer.selection['topic'].unique().tolist()") == ["weather"]
    assert page.kernel_eval("explorer.neighbours['topic'].unique().tolist()") == ["weather"]
    page.page.get_by_role("button", name="Show all").click()
    page.kernel_until("len(explorer.shown) == 360")
    assert not page.errors


def test_a_cluster_is_chosen_from_the_list(page: LabPage) -> None:
    page.page.get_by_role("tab", name="Clusters").click()
    page.page.get_by_role("button", name="Find clusters").click()
    page.kernel_until("explorer.color == '(clusters)'")
    table = page.page.locator(VIEW).get_by_role("region", name="Clusters: click one")
    table.locator("tbody tr").nth(1).click()
    page.kernel_until("len(explorer.selected) > 1")
    assert page.kernel_eval("set(map.clusters().labels[explorer.selected].tolist())") == {1}
    expect(table.locator("tr[data-picked]")).to_have_count(1)
    assert not page.errors


def test_a_saved_page_works_without_network_and_kernel(page: LabPage) -> None:
    page.page.get_by_role("tab", name="Save").click()
    page.page.locator(VIEW).get_by_role("button", name="Save", exact=True).click()
    expect(page.page.locator(VIEW).get_by_text("Saved: ")).to_be_visible()
    context = page.server.browser.new_context(offline=True)
    alone, said = context.new_page(), []
    alone.on("pageerror", lambda error: said.append(str(error)))
    alone.on("console", lambda message: said.append(message.text))
    alone.goto((page.file.parent / "map.html").as_uri())
    try:
        expect(alone.get_by_role("heading", name="PCA of 360 texts")).to_be_visible()
        expect(alone.get_by_text("true neighbours the picture keeps")).to_be_visible()
        alone.get_by_role("searchbox").fill("stream was planted")
        expect(alone.get_by_text("1 of 360 texts")).to_be_visible()
        alone.get_by_role("button", name="The bank above the stream").click()
        expect(alone.get_by_text("topic: gardening")).to_be_visible()
        alone.get_by_role("searchbox").fill("")
        alone.get_by_role("group", name="Colours").get_by_role("button", name="weather").click()
        expect(alone.get_by_text("330 of 360 texts")).to_be_visible()
        alone.get_by_role("img").press("ArrowLeft")
        box = alone.locator("canvas").bounding_box()
        alone.locator("canvas").press("0")
        row, x, y = page.kernel_eval(PLACE)
        alone.mouse.move(
            box["x"] + box["width"] / 2 + x * (box["width"] / 2 - 16),
            box["y"] + box["height"] / 2 - y * (box["height"] / 2 - 16),
        )
        expect(alone.locator(".map-tip")).to_contain_text(page.kernel_eval(f"map.frame['text'][{row}]"))
        assert said == []
    finally:
        context.close()
