"""The grid panel on a tiny model, without a browser: what the page is told, what it may ask, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import influence_nb as inb
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling, ModelNotFound
from influence_nb.widgets import grid_axes
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.grid import GridPanel
from influence_nb.widgets.lab import SamplingLab
from tests.widgets.waiting import WAIT, say, until

LONG = inb.Sampling(seed=3, min_new_tokens=6)


@pytest.fixture
def panel(model: inb.Model) -> Iterator[GridPanel]:
    made = GridPanel(sampling=LONG, axes={"temperature": [0.0, 1.5], "seed": [1, 2, 3]})
    yield made
    made.close()


def test_cells_are_what_the_grid_gives(panel: GridPanel, model: inb.Model) -> None:
    grid = panel.run("the quick").result(WAIT)
    alone = model.grid("the quick", LONG, temperature=[0.0, 1.5], seed=[1, 2, 3], max_new_tokens=panel.length)
    assert [cell.text for cell in grid] == [cell.text for cell in alone]
    assert panel.grid is not None
    assert panel.grid.cells == grid.cells
    assert [cell["place"] for cell in panel.cells] == list(range(6))
    assert ["".join(text for text, _ in cell["pieces"]) for cell in panel.cells] == [one.text for one in grid]
    assert panel.cells[4]["label"] == "temperature 1.5, seed 2"
    frame = grid.to_frame()
    for cell in panel.cells:
        assert cell["measured"]["perplexity"] == pytest.approx(frame["perplexity"][cell["place"]])
        assert cell["measured"]["tokens"] == frame["tokens"][cell["place"]]
    assert (panel.status, panel.progress, panel.problem) == ("idle", {}, None)
    assert panel.across == "seed"
    assert panel.table["heads"] == ["seed 1", "seed 2", "seed 3"]
    assert [row["places"] for row in panel.table["rows"]] == [[0, 1, 2], [3, 4, 5]]
    assert json.dumps(panel.get_state(["cells", "table", "choices", "axes", "counted"]))


def test_rows_and_columns_are_rearranged(panel: GridPanel) -> None:
    panel.run("the quick").result(WAIT)
    say(panel, type="arrange", across="temperature")
    assert panel.table["down"] == ["seed"]
    assert [row["places"] for row in panel.table["rows"]] == [[0, 3], [1, 4], [2, 5]]
    say(panel, type="arrange", across="")
    assert [row["places"] for row in panel.table["rows"]] == [[place] for place in range(6)]
    assert panel.table["rows"][4]["labels"] == ["1.5", "2"]
    say(panel, type="arrange", across="top_k")
    assert "no axis 'top_k'" in panel.problem["message"]
    assert panel.across == ""


def test_a_cell_is_compared_with_the_others(panel: GridPanel) -> None:
    grid = panel.run("the quick").result(WAIT)
    say(panel, type="compare", place=3)
    assert panel.reference == 3
    assert panel.cells[3]["pieces"] == [[grid[3].text, True]]
    for cell, one in zip(panel.cells, grid, strict=True):
        assert "".join(text for text, _ in cell["pieces"]) == one.text
        assert all(same for _, same in cell["pieces"]) == (one.text == grid[3].text or one.place == 3)
    assert any(not same for cell in panel.cells for _, same in cell["pieces"])
    say(panel, type="compare", place=None)
    assert panel.reference == -1
    assert all(same for cell in panel.cells for _, same in cell["pieces"])
    say(panel, type="compare", place=99)
    assert "no cell 99" in panel.problem["message"]


def test_figures_colour_and_similarity_comes_when_asked(
    panel: GridPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidData, match="No grid was run"):
        panel.colour("tokens")
    grid = panel.run("the quick").result(WAIT)
    panel.colour("distinct_2").result(WAIT)
    assert (panel.colour_by, panel.problem) == ("distinct_2", None)
    assert "self_similarity" in panel.figures
    assert "self_similarity" not in panel.cells[0]["measured"]
    panel.colour("self_similarity").result(300)
    expected = inb.diversity(grid)["self_similarity"]
    got = [cell["measured"]["self_similarity"] for cell in panel.cells]
    assert got == pytest.approx(list(expected), abs=1e-6)
    assert panel.progress == {}
    with pytest.raises(InvalidData, match="no figure 'beauty'"):
        panel.colour("beauty")


def test_the_texts_are_mapped_below(panel: GridPanel) -> None:
    panel.run("the quick").result(WAIT)
    explorer = panel.map().result(300)
    assert panel.below.children == (explorer,)
    assert len(explorer.map.frame) == 6
    assert (panel.status, panel.progress) == ("idle", {})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("temperature", "0, 0.5; 1")], "3 cells"),
        ([("seed", "1..4"), ("top_k", "off, 40")], "4 × 2 = 8 cells"),
        ([("seed", "7")], "1 cell"),
        (
            [("stop", 'end\n["a", "b"]'), ("order", "temperature, top_p\ntop_p, temperature")],
            "2 × 2 = 4 cells",
        ),
        ([("system", "Be brief.\nBe kind, and long."), ("logit_bias", '{"5": -1}\n{}')], "2 × 2 = 4 cells"),
        ([("grammar", "json\noff")], "2 cells"),
    ],
)
def test_axes_are_read_as_they_are_typed(panel: GridPanel, rows: list[tuple[str, str]], words: str) -> None:
    typed = [{"name": name, "text": text} for name, text in rows]
    say(panel, type="axes", axes=typed, number=1)
    assert panel.counted == {"words": words, "problem": None}
    assert (panel.axes, panel.answered) == (typed, 1)
    again = grid_axes.written(grid_axes.read(typed))
    assert grid_axes.read(again) == grid_axes.read(typed)


@pytest.mark.parametrize(
    ("rows", "message", "field"),
    [
        ([], "needs an axis", None),
        ([("temperature", "")], "has no values", "temperature"),
        ([("temperature", "warm")], "'warm' is no value", "temperature"),
        ([("temperature", "-1")], "temperature", "temperature"),
        ([("seed", "1, 1")], "twice", "seed"),
        ([("seed", "1"), ("seed", "2")], "twice", "seed"),
        ([("seed", "0..99999999999")], "too many", "seed"),
        ([("seed", "1..300")], "300 cells", None),
        ([("order", "temperature, magic")], "magic", "order"),
        ([("logit_bias", "many")], "logit_bias", "logit_bias"),
    ],
)
def test_what_is_no_grid_is_said_at_its_axis(
    panel: GridPanel, rows: list[tuple[str, str]], message: str, field: str | None
) -> None:
    say(panel, type="axes", axes=[{"name": name, "text": text} for name, text in rows])
    problem = panel.counted["problem"]
    assert message in problem["message"]
    assert problem["hint"]
    assert problem["field"] == field
    with pytest.raises(InfluenceError):
        panel.run("the quick").result(WAIT)
    say(panel, type="run", prompt="the quick", chat=False, length=4)
    until(panel, lambda: panel.problem and message in panel.problem["message"], "problem")
    until(panel, lambda: panel.status == "idle", "status")
    assert panel.grid is None


def test_a_grid_that_fails_leaves_the_one_before(panel: GridPanel) -> None:
    before = panel.run("the quick").result(WAIT)
    panel.vary(temperature=[0.5], system=["Be brief."])
    with pytest.raises(InvalidData, match="chat template"):
        panel.run("the quick").result(WAIT)
    assert panel.grid is not None
    assert panel.grid.cells == before.cells
    assert len(panel.cells) == 6


def test_stop_keeps_what_is_done(panel: GridPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.vary(temperature=[1.0], min_new_tokens=[1, 60])
    panel.length = 60
    run = panel.run("the quick")
    until(panel, lambda: len(panel.cells) > 0, "cells")
    say(panel, type="stop")
    grid = run.result(WAIT)
    assert 1 <= len(grid) <= 2
    assert (panel.status, panel.progress) == ("idle", {})
    assert grid[0].completion.finish_reason != "cancelled"


def test_only_what_was_asked_last_is_run(panel: GridPanel) -> None:
    first = panel.run("the quick")
    second = panel.run("brown fox")
    assert second.result(WAIT).prompt == "brown fox"
    assert first.cancelled() or first.result(WAIT) is not None
    assert panel.grid is not None
    assert panel.grid.prompt == "brown fox"
    assert panel.status == "idle"


def test_what_may_be_varied_follows_the_model(panel: GridPanel) -> None:
    names = [choice["name"] for choice in panel.choices]
    assert {"temperature", "min_p", "seed", "order", "stop", "system", "model"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(choice["help"] and choice["label"] for choice in panel.choices)


def test_a_model_that_was_unloaded_is_loaded_again(panel: GridPanel, model: inb.Model) -> None:
    panel.run("the quick").result(WAIT)
    model.unload()
    say(panel, type="run", prompt="the", chat=False, length=4)
    assert panel.problem["load"]
    with pytest.raises(ModelNotFound, match="No model is loaded"):
        panel.run()
    panel.load().result(WAIT)
    assert panel.problem is None
    assert len(panel.run("the quick").result(WAIT)) == 6


def test_a_reader_without_a_kernel_finds_the_cells(panel: GridPanel) -> None:
    assert "No grid was run" in panel.static_html()
    panel.vary(temperature=[0.0])
    grid = panel.run("the <b>quick</b>").result(WAIT)
    page = panel.static_html()
    assert "the &lt;b&gt;quick&lt;/b&gt;" in page
    assert "<table" in page
    assert f"{grid[0].completion.usage.completion_tokens} tokens" in page


def test_what_the_page_must_not_ask(panel: GridPanel) -> None:
    for wrong in (
        {"type": "rm"},
        {"type": "axes", "axes": [3]},
        {"type": "open", "place": 0, "where": "X"},
        "x",
        None,
    ):
        panel._on_page(None, wrong, [])
        assert panel.problem["message"]
    assert panel.status == "idle"
    with pytest.raises(TypeError, match="does not know the keyword axis"):
        GridPanel(axis={})


def test_a_cell_opens_in_the_xray_and_in_the_chat(model: inb.Model) -> None:
    chat = ChatPanel(model=model, sampling=LONG)
    chat.send("Hello", max_new_tokens=2).result(WAIT)
    lab = SamplingLab(model=model, sampling=LONG, adopt=chat.adopt)
    lab.grid.vary(system=["Be brief.", "Be long."], seed=[1, 2])
    assert "not looked at yet" in lab.static_html()
    lab.grid.length = 5
    grid = lab.grid.run([{"role": "user", "content": "Say it."}]).result(WAIT)
    assert lab.grid.opens == ["X-ray", "Inspector", "Chat"]
    say(lab.grid, type="open", place=2, where="X-ray")
    until(lab.xray, lambda: lab.xray.xray is not None, "status", "view")
    assert lab.selected_index == 0
    assert lab.xray.xray is not None
    assert lab.xray.xray.completion.ids == grid[2].completion.ids
    say(lab.grid, type="open", place=3, where="Chat")
    assert chat.system == "Be long."
    shown = [(row["role"], row["content"], row["versions"]) for row in chat.messages]
    assert shown == [("user", "Say it.", 2), ("assistant", grid[3].text, 1)]
    assert chat.messages[1]["seed"] == 2
    chat.send("More.", max_new_tokens=2).result(WAIT)
    assert [row["content"] for row in chat.messages][:3] == ["Say it.", grid[3].text, "More."]
    chat.switch(chat.messages[0]["id"], 0)
    assert chat.messages[0]["content"] == "Hello"
    assert "Grid" in lab.static_html()
    lab.close()
    chat.close()


def test_a_text_that_was_gone_on_with_is_adopted_by_a_chat(model: inb.Model) -> None:
    chat = ChatPanel(model=model)
    completion = model.generate("the quick", LONG, max_new_tokens=6)
    chat.adopt("the quick", completion)
    assert [row["content"] for row in chat.messages] == ["the quick", completion.text]
    with pytest.raises(InvalidData, match="token ids"):
        chat.adopt([1, 2], completion)
    with pytest.raises(InvalidData, match="role 'tool'"):
        chat.adopt([{"role": "tool", "content": "x"}], completion)
    assert len(chat.messages) == 2
    chat.close()


def test_an_axis_that_the_model_has_not_is_said_before_anything_runs(panel: GridPanel) -> None:
    panel.vary(temperature=[0.5], foo=[1])
    assert panel.counted["problem"]["field"] == "foo"
    assert "There is no axis 'foo'." in panel.counted["problem"]["message"]
    assert "temperature" in panel.counted["problem"]["hint"]
    panel.vary(temperature=[0.5])
    assert panel.counted == {"words": "1 cell", "problem": None}


def test_settings_are_checked(panel: GridPanel) -> None:
    with pytest.raises(InvalidSampling):
        panel.vary(temperature=["hot"])
