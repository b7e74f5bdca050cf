"""How fast a model is, cell by cell; what cannot be measured is noted, and the rest goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import influence_nb as inb
from influence_nb.engine.benched import Cell
from influence_nb.errors import CapabilityMissing, InvalidData
from tests.chat_server import ChatServer

SMALL: dict[str, Any] = {"prompt_lengths": (8, 20), "batch_sizes": (1, 3), "new_tokens": 5, "repeats": 2}
PLACES = [(8, 1), (8, 3), (20, 1), (20, 3)]


@pytest.fixture(scope="module")
def result(load: Callable[..., inb.Model]) -> inb.Bench:
    return inb.bench(load(), **SMALL)


def test_every_cell_has_its_figures(model: inb.Model) -> None:
    seen: list[inb.BenchProgress] = []
    model.batch([[5], [6]], max_new_tokens=1)  # which tries, once, what can run together
    before = model.forwards
    result = inb.bench(model, **SMALL, on_progress=seen.append)
    assert model.forwards - before == 4 * (2 + 2 * 5), (
        "each batch runs as one: a pass a token, and two to warm up"
    )
    assert [(cell.prompt_length, cell.batch_size) for cell in result.cells] == PLACES
    for cell in result.cells:
        assert cell.note == ""
        assert cell.prefill is not None
        assert cell.decode is not None
        assert cell.first_token is not None
        assert cell.memory is not None
        assert min(cell.prefill, cell.decode, cell.first_token) > 0
        # The first token comes after the prompts have run, and no sooner than they do.
        assert cell.prefill >= cell.prompt_length * cell.batch_size / cell.first_token
    assert [one.cell for one in seen if one.cell is not None] == list(result.cells)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 8, 8)
    assert not result.cancelled


def test_it_says_what_was_measured_and_where(result: inb.Bench, model: inb.Model) -> None:
    assert result.model["name"] == model.name
    assert (result.model["dtype"], result.model["device"]) == ("float32", "cpu")
    assert result.model["weights"] == model.report()["weights"]
    assert result.hardware["threads"] == torch.get_num_threads()
    assert result.hardware["accelerator"] is None
    assert result.versions["torch"] == torch.__version__
    assert (result.new_tokens, result.repeats) == (5, 2)
    assert "4 of 4 cells" in repr(result)
    assert model.name in result._repr_html_()


def test_the_table_the_picture_and_the_file(result: inb.Bench, tmp_path: Path) -> None:
    frame = result.to_frame()
    assert list(frame.columns) == ["prefill", "decode", "first_token", "memory", "note"]
    assert list(frame.index) == PLACES
    figure = result.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "prefill (tokens/s)",
        "decode (tokens/s)",
        "first token (s)",
    ]
    lines = figure.axes[1].lines
    assert [line.get_label() for line in lines] == ["1", "3"]
    assert list(lines[1].get_ydata()) == [frame.loc[(8, 3), "decode"], frame.loc[(20, 3), "decode"]]
    path = result.save(tmp_path / "out.json")
    assert inb.Bench.load(path) == result


def test_a_notebook_shows_units_and_leaves_empty_what_was_not_measured(result: inb.Bench) -> None:
    cells = (
        Cell(1024, 4, 1234.56, 78.9, 0.25, 2_088_960),
        Cell(4096, 4, note="longer than the context"),
    )
    html = replace(result, cells=cells)._repr_html_()
    head, body = html.split("<tbody>")
    assert [
        name for name in ("prefill (tokens/s)", "decode (tokens/s)", "first token (s)") if name not in head
    ] == []
    assert [said for said in ("1,234.6", "78.9", "0.250", "2 MB") if f"<td>{said}</td>" not in body] == []
    assert "nan" not in body.lower()
    assert "None" not in body


def test_markers_at_the_maximum_are_whole(result: inb.Bench) -> None:
    cells = tuple(Cell(length, 1, 1000 + length / 100, 50.0, 0.2, 1) for length in (8, 64, 512))
    figure = replace(result, cells=cells).plot()
    figure.draw_without_rendering()
    for axes in figure.axes:
        [line] = axes.lines
        radius = line.get_markersize() / 2 * figure.dpi / 72
        places = axes.transData.transform(line.get_xydata())
        assert places[:, 1].max() + radius <= axes.bbox.y1
        assert places[:, 0].max() + radius <= axes.bbox.x1
        assert places[:, 0].min() - radius >= axes.bbox.x0


def test_two_are_compared_where_both_have_figures(result: inb.Bench, tmp_path: Path) -> None:
    state = json.loads(result.save(tmp_path / "out.json").read_text())
    state["cells"] = state["cells"][:2]
    state["cells"][0]["prefill"] *= 4
    state["cells"][1] |= {"prefill": None, "decode": None, "first_token": None, "memory": None, "note": "no"}
    (tmp_path / "other.json").write_text(json.dumps(state))
    other = inb.Bench.load(tmp_path / "other.json")
    ratios = result.compare(other)
    assert list(ratios.index) == PLACES[:2]
    assert ratios.loc[(8, 1), "prefill"] == pytest.approx(0.25)
    assert ratios.loc[(8, 1), "decode"] == pytest.approx(1.0)
    assert pd.isna(ratios.loc[(8, 3)]).all()
    with pytest.raises(InvalidData, match="no Bench"):
        result.compare(state)
    for change, words in (
        ({"cells": [{"prompt_length": 9, "batch_size": 1}]}, "in common"),
        ({"new_tokens": 6}, "the other 6"),
    ):
        (tmp_path / "other.json").write_text(json.dumps({**state, **change}))
        with pytest.raises(InvalidData, match=words):
            result.compare(inb.Bench.load(tmp_path / "other.json"))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"version": 2},
        {"cells": 3},
        {"cells": [{"prompt_length": 1}]},
        {"cells": [{"prompt_length": 1, "batch_size": "2"}]},
        {"cells": [{"prompt_length": 1, "batch_size": 2, "prefill": "fast"}]},
        {"colour": "blue"},
        {"hardware": None},
        {"repeats": None},
        {"asked": "all"},
    ],
)
def test_a_file_that_holds_none_is_refused(result: inb.Bench, tmp_path: Path, change: dict[str, Any]) -> None:
    path = result.save(tmp_path / "out.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InvalidData, match="does not hold a bench") as refused:
        inb.Bench.load(path)
    assert refused.value.hint
    with pytest.raises(InvalidData, match="There is no file"):
        inb.Bench.load(tmp_path / "missing.json")


def test_what_the_context_does_not_hold_is_left_out_with_a_note(model: inb.Model) -> None:
    result = inb.bench(model, (8, 252), (1,), new_tokens=5, repeats=1)
    assert [cell.note for cell in result.cells] == ["", "longer than the context of 256 tokens"]
    assert result.cells[1].prefill is None
    assert len(result.plot().axes[0].lines[0].get_xdata()) == 1
    alone = inb.bench(model, (300,), (1,))
    assert pd.isna(alone.to_frame()["prefill"]).all()
    assert len(alone.plot().axes) == 3


def test_out_of_memory_in_a_cell_is_noted_and_the_rest_goes_on(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = model.network.forward

    def failing(*args: Any, **options: Any) -> Any:
        if options["input_ids"].shape[0] == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", failing)
        result = inb.bench(model, **SMALL)
    assert [cell.note.partition(":")[0] for cell in result.cells] == [
        "",
        "out of memory",
        "",
        "out of memory",
    ]
    assert inb.bench(model, (8,), (3,), new_tokens=2, repeats=1).cells[0].decode


def test_more_than_a_cpu_has_is_not_tried(model: inb.Model) -> None:
    before = model.forwards
    [cell] = inb.bench(model, (200,), (10**9,), new_tokens=5, repeats=1).cells
    assert cell.note.startswith("out of memory: it would take about")
    assert model.forwards == before


def test_cancelling_keeps_the_cells_that_are_done(model: inb.Model) -> None:
    cancel = threading.Event()

    def after_the_second(progress: inb.BenchProgress) -> None:
        if progress.cell is not None and progress.done == 4:
            cancel.set()

    result = inb.bench(model, **SMALL, cancel=cancel, on_progress=after_the_second)
    assert result.cancelled
    assert len(result.cells) == 2
    assert list(result.to_frame().index) == PLACES[:2]
    assert "2 of 4 cells measured, cancelled" in repr(result)
    assert "Cancelled before its end" in result._repr_html_()
    none = inb.bench(model, **SMALL, cancel=cancel)
    assert none.cells == ()
    assert "0 of 4 cells measured, cancelled" in repr(none)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt_lengths": 8}, "prompt_lengths=8 is no list"),
        ({"prompt_lengths": ()}, "prompt_lengths"),
        ({"prompt_lengths": (0,)}, "prompt_lengths=0"),
        ({"batch_sizes": (True,)}, "batch_sizes=True"),
        ({"batch_sizes": "16"}, "batch_sizes='16'"),
        ({"new_tokens": 1}, "new_tokens=1"),
        ({"repeats": 1.5}, "repeats=1.5"),
        ({"cancel": 1}, "cancel=1"),
        ({"on_progress": 1}, "on_progress=1"),
        ({"model": "starter/chat"}, "no loaded model"),
    ],
)
def test_arguments_out_of_range_are_named(model: inb.Model, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words) as refused:
        inb.bench(**{"model": model, **change})
    assert refused.value.hint


def test_a_model_on_a_server_and_an_unloaded_one_are_refused(tiny_folder: Callable[..., Path]) -> None:
    with ChatServer() as server:
        there = inb.load(endpoint=server.url)
        with pytest.raises(CapabilityMissing, match="endpoint runtime"):
            inb.bench(there)
        there.unload()
    gone = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    gone.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        inb.bench(gone)
