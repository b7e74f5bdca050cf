"""RunBrowser without a browser: what it lists, opens, compares, draws, replays and exports, and what it refuses."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import on_page
import pandas as pd
import pytest

import influence_nb as inb
from influence_nb import api
from influence_nb.errors import InvalidData, ModelNotFound
from influence_nb.evaluation.intervals import Metric
from influence_nb.evaluation.runs import Run
from influence_nb.widgets import RunBrowser, run_words

WAIT = 60
CHOOSING = [{"q": f"hello {n}", "choices": ["world", "you"], "answer": n % 2} for n in range(6)]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


@pytest.fixture
def browser() -> Iterator[Any]:
    """Makes run browsers that have looked, and closes them."""
    made: list[RunBrowser] = []

    def make() -> RunBrowser:
        made.append(RunBrowser())
        made[-1].refreshed.result(WAIT)
        return made[-1]

    yield make
    for panel in made:
        panel.close()


def choosing(model: inb.Model, seed: int = 0) -> Run:
    return inb.evaluate(model, inb.Task(CHOOSING, "{{ q }}", inb.MultipleChoice(), "choosing"), seed=seed).run


def generating(model: inb.Model) -> Run:
    task = inb.Task([{"q": "hello", "answer": "x"}], "{{ q }}", inb.ExactMatch(), "generating",
                    sampling=inb.Sampling(temperature=0, max_new_tokens=4))  # fmt: skip
    return inb.evaluate(model, task).run


def listed(number: int, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": f"{number:016x}", "kind": "task", "name": f"task-{number % 2}", "model": f"m{number % 3}",
        "status": "done", "started": f"2026-01-01T00:{number:02}:00.000+00:00", "seconds": 1.0, "determined_by": {},
        "parameters": {"temperature": number / 10}, "metrics": {"acc": Metric("acc", number / 100, 0, 1, 5)},
    }  # fmt: skip
    return Run(**(values | changes)).save()


def ids(panel: RunBrowser) -> list[str]:
    return [row.row["id"] for row in panel._list.rows if row.row is not None]


def text(panel: RunBrowser) -> str:
    return on_page.text(panel, hidden=False)


def test_nothing_yet(browser: Any) -> None:
    panel = browser()
    assert "There are no runs yet" in text(panel)
    assert "None." in panel.static_html()
    assert on_page.button(panel, "Compare the ticked runs").disabled


def test_rows_are_filtered_sorted_and_paged(browser: Any) -> None:
    made = [listed(number) for number in range(15)]
    failed = listed(20, status="failed", error="It <broke>.", metrics={}, kind="notebook")
    panel = browser()
    assert ids(panel)[:2] == [failed.id, made[14].id]
    assert "16 runs on this machine" in text(panel)
    on_page.button(panel, "Next page of runs").click()
    assert ids(panel)[-1] == made[0].id
    on_page.field(panel, "Status").value = "failed"
    assert ids(panel) == [failed.id]
    on_page.field(panel, "Status").value = "all"
    on_page.field(panel, "Kind").value = "task"
    on_page.field(panel, "Task").value = "task-1"
    on_page.field(panel, "Filter").value = "M2"
    assert ids(panel) == [made[11].id, made[5].id]
    assert "2 of them match" in text(panel)
    for name in ("Kind", "Task"):
        on_page.field(panel, name).value = "all"
    on_page.field(panel, "Filter").value = ""
    on_page.field(panel, "Order").value = "acc, lowest first"
    assert ids(panel)[0] == made[0].id
    on_page.field(panel, "Order").value = "acc, highest first"
    assert ids(panel)[0] == made[14].id
    on_page.button(panel, "Next page of runs").click()
    assert ids(panel)[-1] == failed.id, "those without a value come last"
    panel.show(failed.id).result(WAIT)
    assert "It &lt;broke&gt;." in text(panel)


def test_runs_of_a_sweep_are_told_apart_and_found_by_their_parameters(browser: Any) -> None:
    for number in range(4):
        given = {"temperature": 0.7 * (number // 2), "seed": number % 2, "limit": None, "stop": ["x" * 99]}
        listed(number, name="sum", model="m", parameters=given)
    panel = browser()
    told = "temperature 0.7, seed 1, stop "
    assert told in text(panel)
    assert told in panel.static_html()
    assert "limit" not in text(panel), "what was not asked for is not told"
    assert "x" * 30 not in text(panel), "a long value is shortened"
    on_page.field(panel, "Filter").value = "Seed=1"
    assert ids(panel) == [f"{number:016x}" for number in (3, 1)]
    on_page.field(panel, "Filter").value = "sum, temperature 0.7, seed 1"
    assert ids(panel) == [f"{3:016x}"]


def test_the_time_of_a_run_is_said_to_be_that_of_utc(browser: Any) -> None:
    listed(1)
    panel = browser()
    assert "started (UTC)" in text(panel)
    assert "started (UTC)" in panel.static_html()


def test_what_stands_above_the_rows_comes_before_them_by_tab(browser: Any) -> None:
    for number in range(15):
        listed(number)
    panel = browser()
    order = on_page.controls(panel)
    first = order.index(panel._list.rows[0].box)
    for tooltip in ("Compare the ticked runs", "Plot a metric over a parameter", "Next page of runs"):
        assert order.index(on_page.button(panel, tooltip)) < first


def test_refresh_finds_what_came_and_keeps_what_is_ticked(browser: Any) -> None:
    one = listed(1)
    panel = browser()
    panel.choose(one.id)
    listed(2)
    panel.refresh().result(WAIT)
    assert len(ids(panel)) == 2
    assert "1 ticked" in text(panel)
    with pytest.raises(InvalidData, match="no run"):
        panel.choose("zzz")


def test_a_run_and_its_items_are_opened(browser: Any, model: inb.Model) -> None:
    run = choosing(model)
    panel = browser()
    on_page.button(panel, f"Open choosing by {model.name}, {run.id[:8]}").click()
    panel._detail.asked.result(WAIT)
    assert panel.run == run
    assert "acc_norm" in text(panel)
    right = [item for item in run.items() if item["values"]["acc"]]
    on_page.field(panel, "Items").value = "wrong"
    offered = on_page.field(panel, "Open item").options
    assert set(offered) == {"(none)"} | {item["id"] for item in run.items()} - {item["id"] for item in right}
    item = panel.item(right[0]["id"])
    shown = text(panel)
    assert f"hello {item['id']}" in shown
    assert f"{item['detail']['logprobs'][0]:.3f}" in shown
    assert "chosen, right" in shown
    assert "Opened" in panel.static_html()
    with pytest.raises(InvalidData, match="no item 'zzz'"):
        panel.item("zzz")
    with pytest.raises(InvalidData, match="No item with a receipt"):
        panel.replay()
    with pytest.raises(InvalidData, match="no run"):
        panel.show("zzz").result(WAIT)
    assert "There is no run" in text(panel)


def test_all_items_are_read_page_by_page_with_what_was_asked_and_what_is_right(
    browser: Any, model: inb.Model
) -> None:
    rows = [{"q": f"{'often ' * 30}hello {n}.", "answer": [f"right {n}", "other"]} for n in range(15)]
    task = inb.Task(rows, "{{ q }}", inb.ExactMatch(), sampling=inb.Sampling(temperature=0, max_new_tokens=1))
    run = inb.evaluate(model, task).run
    panel = browser()
    panel.show(run.id).result(WAIT)
    shown = text(panel)
    assert "1 to 12 of 15" in shown
    assert "right 0, other" in shown
    assert "hello 0." in shown, "the end of a long prompt, by which items differ"
    assert "often " * 20 not in shown, "a long prompt is shortened"
    assert "right 12, other" not in shown
    assert on_page.field(panel, "Open item").options[-1] == "11"
    on_page.button(panel, "Next page of items").click()
    assert "13 to 15 of 15" in text(panel)
    assert "right 14, other" in text(panel)
    assert "max-height" not in panel._detail._table.value, "no row is cut at an edge"
    panel.item("3")
    assert "1 to 12 of 15" in text(panel), "the page of the item that is opened"
    on_page.field(panel, "Items").value = "without a value"
    assert "0 of 15 items" in text(panel)
    assert "<table" not in panel._detail._table.value


@pytest.mark.parametrize("written", [int, str], ids=["number", "text, as CSV gives it"])
def test_the_right_choice_is_shown_as_its_text(browser: Any, model: inb.Model, written: type) -> None:
    panel = browser()
    rows = [{**row, "answer": written(row["answer"])} for row in CHOOSING]
    panel.show(inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.MultipleChoice())).run.id).result(WAIT)
    table = panel._detail._table.value
    assert ">answer</th>" in table
    assert re.search(r">hello 1</td><td[^>]*>you</td>", table), "its text, not its place"


def test_a_notebook_has_no_table_of_items_and_no_model(browser: Any) -> None:
    study = listed(1, kind="notebook", name="study", model="", parameters={})
    panel = browser()
    panel.show(study.id).result(WAIT)
    shown = text(panel)
    assert "<strong>study</strong> (a notebook)" in shown
    assert "no model" not in shown
    assert "0 items" not in shown
    assert on_page.button(panel, f"Open study (a notebook), {study.id[:8]}")


def test_items_that_flipped_have_round_values_and_a_signed_change() -> None:
    columns = ["id", "prompt", "first", "second", "first acc", "second acc", "change"]
    rows = [["0", "a", "b", "c", 0.0, 1.0, 1.0], ["1", "a", "b", "c", 0.3, 0.1 + 0.1, -0.1 - 1e-9],
            ["2", "a", "b", "c", 1.0, math.nan, math.nan]]  # fmt: skip
    told = run_words.flips_html(pd.DataFrame(rows, columns=columns).set_index("id"), "acc")
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", told)
    assert cells[4:7] == ["0", "1", "+1"]
    assert cells[11:14] == ["0.3", "0.2", "-0.1"]
    assert cells[18:] == ["1", "–", "–"]
    assert "3 items with another acc" in told


def test_two_runs_are_compared_and_the_fact_is_named(browser: Any, model: inb.Model) -> None:
    one, other = choosing(model), choosing(model, seed=5)
    panel = browser()
    for run in (one, other):
        row = next(row for row in panel._list.rows if row.row and row.row["id"] == run.id)
        row.box.value = True
    on_page.button(panel, "Compare the ticked runs").click()
    found = panel._comparison.asked.result(WAIT)
    assert panel.comparison is found
    assert [each.run.id for each in found.results] == [one.id, other.id]
    shown = text(panel)
    assert "First recorded difference: <code class='inb-fact'>sampling.seed</code> is <code>0</code>" in shown
    assert "McNemar" in shown
    assert "0 items with another acc" in shown
    assert "sampling.seed" in panel.static_html()
    on_page.button(panel, "Close the comparison").click()
    assert panel.comparison is None


def test_unlike_runs_show_their_facts_and_are_compared_when_told(browser: Any, model: inb.Model) -> None:
    one = choosing(model)
    less = inb.evaluate(model, one.task(), limit=3).run
    panel = browser()
    with pytest.raises(InvalidData, match="different data"):
        panel.compare(one.id, less.id).result(WAIT)
    assert "First recorded difference" in text(panel)
    on_page.button(panel, "Compare the items that both have, though the data differ").click()
    panel._comparison.asked.result(WAIT)
    assert panel.comparison is not None
    assert panel.comparison.tests[0].count == 3


def test_a_metric_is_drawn_over_a_parameter(browser: Any) -> None:
    made = [listed(number) for number in range(4)]
    panel = browser()
    figure = panel.plot("acc", "temperature")
    assert len(figure.axes[0].lines) >= 3
    panel.choose(*(run.id for run in made[:2]))
    assert on_page.field(panel, "Over").value == "temperature"
    assert list(panel.plot().axes[0].get_xticklabels())
    assert 'alt="acc of runs over temperature"' in text(panel)
    assert panel.plot("speed") is None
    assert "has both a metric" in text(panel)


def test_replay_with_the_loaded_model_or_an_offer_to_load_it(
    browser: Any, model: inb.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = generating(model)
    panel = browser()
    panel.show(run.id).result(WAIT)
    panel.item("0")
    assert panel.replay().result(WAIT).identical
    assert "Identical: all 4 tokens came again" in text(panel)
    model.unload()
    on_page.button(panel, "Generate it once more and compare").click()
    with pytest.raises(ModelNotFound, match="is not loaded"):
        panel.replay().result(WAIT)
    asked: list[Any] = []
    real = api.load

    def load(name: str, **how: Any) -> inb.Model:
        asked.append((name, how))
        return real(folder, **how)

    monkeypatch.setattr(api, "load", load)
    on_page.button(panel, "Load the model of this receipt", hidden=False).click()
    panel._detail.asked.result(WAIT)
    assert asked == [(model.name, {"runtime": "transformers", "device": "cpu", "dtype": "float32"})]
    assert panel.replay().result(WAIT).identical


def test_a_run_is_exported_and_an_executed_notebook_copied(
    browser: Any, model: inb.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = choosing(model)
    study = listed(1, kind="notebook", name="study")
    (study.folder / "notebook.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    panel = browser()
    with pytest.raises(InvalidData, match="No run is open"):
        panel.export()
    panel.show(run.id).result(WAIT)
    on_page.button(panel, "Write the whole run as one zip file here").click()
    assert f"{run.id}/items.jsonl" in zipfile.ZipFile(tmp_path / f"run-{run.id}.zip").namelist()
    panel.show(study.id).result(WAIT)
    on_page.button(panel, "Copy the executed notebook here, to be opened").click()
    assert (tmp_path / f"study-{study.id[:8]}.ipynb").read_text() == "{}"


def test_what_the_constructor_refuses() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        RunBrowser(nonsense=1)
