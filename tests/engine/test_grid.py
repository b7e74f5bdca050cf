"""`model.grid`: each cell is a generation of its own, and what cannot be a grid is refused before anything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import influence_nb as inb
from influence_nb import Grid, Sampling
from influence_nb.errors import (
    BatchIncomplete,
    CapabilityMissing,
    ContextTooLong,
    InvalidData,
    InvalidSampling,
)

TEXT = "The quick brown fox"
TURNS = [{"role": "user", "content": "hello world"}]
SHORT = Sampling(max_new_tokens=8, top_p=None)


def test_each_cell_equals_a_generation_by_itself(model: inb.Model) -> None:
    grid = model.grid(TEXT, SHORT, temperature=[0, 1.0, 2.0], top_k=(None, 5), seed=range(2))
    assert (len(grid), grid.total, grid.is_complete) == (12, 12, True)
    assert grid.axes == {"temperature": (0.0, 1.0, 2.0), "top_k": (None, 5), "seed": (0, 1)}
    for place, cell in enumerate(grid):
        assert cell.place == place
        alone = model.generate(TEXT, SHORT, **cell.values)
        assert (cell.completion.ids, cell.text) == (alone.ids, alone.text)
        assert cell.completion.receipt.batch_shape[0] == 12
    assert grid.cell(temperature=1, top_k=5, seed=1) is grid[7]


@pytest.mark.parametrize("kind", ["mamba2", "gemma3_text", "granitemoehybrid+mamba", "deepseek_v3"])
def test_cells_equal_generations_where_caches_are_of_other_kinds(
    load: Callable[..., inb.Model], kind: str
) -> None:
    model = load(kind)
    for cell in model.grid(TEXT * 3, SHORT, temperature=[0.0, 1.5], seed=[1, 2]):
        assert cell.completion.ids == model.generate(TEXT * 3, SHORT, **cell.values).ids


def test_the_prompt_is_run_once(model: inb.Model) -> None:
    model.together()
    shapes: list[tuple[int, ...]] = []
    watch = model.network.register_forward_pre_hook(
        lambda _, inputs, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    model.grid([5] * 30, SHORT, seed=range(5))
    watch.remove()
    assert shapes == [(1, 30), *[(5, 1)] * 7]


def test_without_a_seed_all_cells_see_the_same_noise(model: inb.Model) -> None:
    grid = model.grid(TEXT, SHORT, temperature=[1.0, 1.5], top_k=[40, 41])
    assert len({cell.completion.receipt.seed for cell in grid}) == 1
    other = model.grid(TEXT, SHORT, temperature=[1.0])
    assert other[0].completion.receipt.seed != grid[0].completion.receipt.seed


def test_system_prompts_template_variables_and_lists_of_lists_are_axes(model: inb.Model) -> None:
    seen = model.grid(
        TURNS,
        SHORT,
        temperature=0,
        enable_thinking=[True, False],
        system=[None, "Be brief."],
        stop=[[], ["e"]],
    )
    assert len(seen) == 8
    for cell in seen:
        session = model.session(
            cell.values["system"], switches={"enable_thinking": cell.values["enable_thinking"]}
        )
        alone = session.send("hello world", SHORT, temperature=0, stop=cell.values["stop"])
        assert cell.completion.ids == alone.ids
    mended = model.grid(
        [{"role": "system", "content": "Be long."}, *TURNS], SHORT, system=["Be brief."], seed=1
    )
    plain = model.grid(TURNS, SHORT, system=["Be brief."], seed=1)
    assert mended[0].completion.receipt.prompt_ids == plain[0].completion.receipt.prompt_ids
    assert model.grid(TEXT, SHORT, stop=["a", "b"], seed=[1])[0].completion.receipt.sampling["stop"] == [
        "a",
        "b",
    ]


def test_models_run_in_turn(load: Callable[..., inb.Model]) -> None:
    one, other = load("llama"), load("qwen3")
    grid = one.grid(TEXT, SHORT, temperature=0, model=[one.name, other], top_k=[1, 2])
    assert list(grid.to_frame()["model"]) == [one.name] * 2 + [other.name] * 2
    assert (
        grid.cell(model=other.name, top_k=2).completion.ids == other.generate(TEXT, SHORT, temperature=0).ids
    )
    with pytest.raises(InvalidData, match="no loaded model called 'gone'") as told:
        one.grid(TEXT, model=["gone"])
    assert "inb.load('gone')" in told.value.hint


def test_cells_come_as_they_finish(model: inb.Model) -> None:
    told: list[Any] = []
    heard: list[int] = []
    endless = dict.fromkeys(model.ends, float("-inf"))  # else a text may end before its limit
    grid = model.grid(
        TEXT,
        SHORT,
        max_new_tokens=[6, 2, 4],
        on_progress=told.append,
        on_cell=lambda cell: heard.append(cell.place),
        logit_bias=endless,
    )
    assert heard == [1, 2, 0]
    assert [cell.place for cell in grid] == [0, 1, 2]
    assert (told[-1].done, told[-1].total) == (3, 3)
    stream = model.grid_stream(TEXT, SHORT, max_new_tokens=[100, 2], logit_bias=endless)
    assert next(stream).values == {"max_new_tokens": 2}
    before = model.forwards
    stream.close()
    assert model.forwards <= before + 1
    assert model.generate(TEXT, SHORT).ids


def test_a_cancel_keeps_what_is_done(model: inb.Model) -> None:
    cancel = threading.Event()
    grid = model.grid(
        TEXT,
        SHORT,
        cancel,
        on_cell=lambda _: cancel.set(),
        max_new_tokens=[2, 100],
        seed=3,
        logit_bias={0: -100.0},
    )
    assert [cell.completion.finish_reason for cell in grid] == ["length", "cancelled"]
    assert not grid.is_complete
    assert (
        grid[0].completion.ids
        == model.generate(TEXT, SHORT, max_new_tokens=2, seed=3, logit_bias={0: -100}).ids
    )
    nothing = model.grid(TEXT, cancel=cancel, seed=[1, 2])
    assert (len(nothing), nothing.total) == (0, 2)
    assert nothing.to_frame().empty
    assert "0 of 2 cells" in nothing._repr_html_()


def test_too_little_memory_makes_more_batches(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [cell.completion.ids for cell in model.grid(TEXT, SHORT, seed=range(6))]
    forward = model.network.forward

    def failing(*args: Any, **options: Any) -> Any:
        if options["input_ids"].shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **options)

    monkeypatch.setattr(model.network, "forward", failing)
    assert [cell.completion.ids for cell in model.grid(TEXT, SHORT, seed=range(6))] == expected


def test_a_grid_is_saved_with_its_receipts_and_read_by_anyone(model: inb.Model, tmp_path: Path) -> None:
    grid = model.grid(
        TURNS,
        SHORT,
        temperature=[0.0, 1.0],
        logit_bias=[{}, {7: -float("inf")}],
        system=[None, "Brief."],
        seed=1,
    )
    again = Grid.load(grid.save(tmp_path / "study.parquet"))
    assert (again.axes, again.prompt, again.total) == (grid.axes, grid.prompt, 8)
    pd.testing.assert_frame_equal(again.to_frame(), grid.to_frame())
    for ours, theirs in zip(again, grid, strict=True):
        assert ours == theirs
        assert ours.completion.receipt == theirs.completion.receipt
    assert model.replay(again[3].completion.receipt).identical
    frame = pd.read_parquet(tmp_path / "study.parquet")
    assert list(frame["text"]) == [cell.text for cell in grid]
    assert list(frame["temperature"]) == [0.0] * 4 + [1.0] * 4
    assert frame["logit_bias"][2] == '{"7": "-inf"}'
    with pytest.raises(CapabilityMissing):
        again[0].completion.what_if(temperature=2)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more", "frame"])
def test_what_is_no_grid_is_not_read(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "study.parquet"
    if content == "frame":
        pd.DataFrame({"text": ["a"]}).to_parquet(path)
    elif content is not None:
        path.write_bytes(content)
    words = "There is no file" if content is None else "does not hold a grid"
    with pytest.raises(InvalidData, match=words) as told:
        Grid.load(path)
    assert "grid.save()" in told.value.hint


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({}, InvalidData, "needs an axis"),
        ({"temperature": 1.0}, InvalidData, "needs an axis"),
        ({"temperature": []}, InvalidData, "temperature has no values"),
        ({"temperature": {0.1, 0.2}}, InvalidData, "no length or no order"),
        ({"seed": iter([1, 2])}, InvalidData, "no length or no order"),
        ({"tempratur": [1]}, InvalidData, "no axis 'tempratur'"),
        ({"seed": [1], "top_q": 1}, InvalidData, "no axis 'top_q'"),
        ({"temperature": [0.5, -1]}, InvalidSampling, "temperature=-1"),
        ({"temperature": [1, 1.0]}, InvalidData, "holds 1.0 twice"),
        ({"seed": [None, 1]}, InvalidSampling, "cannot hold None"),
        ({"seed": range(10**9)}, InvalidData, "make 1,000,000,000 cells"),
        (
            {"seed": range(20), "top_k": range(1, 21)},
            InvalidData,
            "make 400 cells .20 x 20.; the limit is 256",
        ),
        ({"seed": [1], "limit": 0}, InvalidData, "limit=0"),
        ({"system": ["a", "b"]}, InvalidData, "system goes through the chat template"),
        ({"seed": [1], "sampling": {"temperature": 0}}, InvalidSampling, "is no Sampling"),
        ({"seed": [1], "cancel": True}, InvalidData, "cancel=True"),
        ({"seed": [1], "on_cell": 5}, InvalidData, "on_cell=5"),
        ({"model": [5]}, InvalidData, "model=5 is no model"),
    ],
)
def test_bad_axes_are_refused_before_anything_runs(
    model: inb.Model, values: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = model.forwards
    with pytest.raises(error, match=words) as refused:
        model.grid(TEXT, **values)
    assert refused.value.hint
    assert model.forwards == before
    assert model.generate(TEXT, SHORT, max_new_tokens=1).ids


def test_bad_prompts_are_refused_and_cells_that_fail_do_so_alone(model: inb.Model) -> None:
    with pytest.raises(ContextTooLong):
        model.grid([5] * 300, seed=[1, 2])
    for prompt in (None, "", 5, []):
        with pytest.raises(InvalidData):
            model.grid(prompt, seed=[1])
    with pytest.raises(InvalidData, match="cannot be given"):
        model.grid(TURNS, enable_thinking=[["x"]])
    nothing = dict.fromkeys(range(model.vocabulary_size), float("-inf"))
    with pytest.raises(BatchIncomplete, match="1 of 2 cells failed; the first is logit_bias") as told:
        model.grid(TEXT, SHORT, temperature=0, logit_bias=[{}, nothing])
    assert told.value.completions[0].ids == model.generate(TEXT, SHORT, temperature=0).ids
    with pytest.raises(InvalidSampling, match="leave no token"):
        model.grid(TEXT, SHORT, logit_bias=[nothing])


def test_what_a_grid_shows_and_finds(model: inb.Model) -> None:
    grid = model.grid([7, 8, 9], SHORT, temperature=np.array([0.5, 1.0]), top_p=[None, 0.5], seed=2)
    frame = grid.to_frame()
    assert list(frame.columns) == [
        "temperature", "top_p", "text", "finish_reason", "tokens", "logprob_raw_mean", "perplexity",
    ]  # fmt: skip
    done = grid[1].completion
    ids = [7, 8, 9, *done.ids]
    scored = model.score(ids).logprobs[3:]
    assert frame["logprob_raw_mean"][1] == pytest.approx(np.mean(scored), abs=1e-4)
    assert frame["perplexity"][1] == pytest.approx(np.exp(-np.mean(scored)), rel=1e-3)
    page = grid._repr_html_()
    assert page.count("<tr>") == 3
    assert "temperature 0.5" in page
    assert "top_p off" in page
    assert repr(grid) == "Grid(temperature: 2, top_p: 2; 4 cells)"
    for values, words in (
        ({"seed": 2}, "no axis 'seed'"),
        ({"temperature": 3}, "no value 3"),
        ({"temperature": 1}, "2 cells have these values"),
    ):
        with pytest.raises(InvalidData, match=words):
            grid.cell(**values)


def test_what_a_model_writes_is_no_markup(model: inb.Model) -> None:
    page = model.grid("<b>", SHORT, logit_bias=[{int(t): 90.0} for t in model.encode("<&")])._repr_html_()
    assert "&lt;" in page
    assert "<<" not in page
