"""`model.batch`: each completion equals that of a call by itself, and what goes wrong stays with its prompt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers.cache_utils import DynamicLayer

import influence_nb as inb
from influence_nb import BatchProgress, Sampling
from influence_nb.engine import device as devices
from influence_nb.engine.model import Model
from influence_nb.errors import (
    BatchIncomplete,
    CapabilityMissing,
    ContextTooLong,
    InvalidData,
    InvalidSampling,
    OutOfMemory,
)

GREEDY = Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=12)
PROMPTS: list[Any] = [
    "The quick",
    "user assistant system hello world, how are you today? The lazy dog",
    [{"role": "user", "content": "hello world"}],
    [7, 8, 9],
    "她说你好世界 " * 4,
    "lazy dog.",
]
SAMPLINGS = [
    GREEDY,
    Sampling(seed=1, temperature=1.0, max_new_tokens=20),
    Sampling(seed=2, temperature=0.8, top_k=20, max_new_tokens=9),
    GREEDY.replace(max_new_tokens=3),
    Sampling(seed=4, order=("top_k", "temperature"), top_k=9, max_new_tokens=15),
    GREEDY.replace(repetition_penalty=1.3, frequency_penalty=0.5),
]


def singles(model: inb.Model, prompts: list[Any] = PROMPTS, samplings: Any = SAMPLINGS) -> list[list[int]]:
    return [model.generate(prompt, sampling).ids for prompt, sampling in zip(prompts, samplings, strict=True)]


def watched(model: inb.Model) -> tuple[list[int], Any]:
    """(rows of each forward pass from now on, what ends the watch)."""
    rows: list[int] = []

    def count(module: Any, inputs: Any, options: dict[str, Any]) -> None:
        rows.append(options["input_ids"].shape[0])

    return rows, model.network.register_forward_pre_hook(count, with_kwargs=True)


def test_each_completion_equals_that_of_a_call_by_itself(model: inb.Model) -> None:
    told: list[BatchProgress] = []
    found = model.batch(PROMPTS, SAMPLINGS, on_progress=told.append)
    assert [one.ids for one in found] == singles(model)
    for one, prompt, sampling in zip(found, PROMPTS, SAMPLINGS, strict=True):
        alone = model.generate(prompt, sampling)
        assert (one.text, one.finish_reason, one.usage) == (alone.text, alone.finish_reason, alone.usage)
        assert one.receipt.batch_shape[0] == len(PROMPTS)
        assert replace(one.receipt, batch_shape=(0, 0), seed=0, sampling={}) == replace(
            alone.receipt, batch_shape=(0, 0), seed=0, sampling={}
        )
        for ours, theirs in zip(one.tokens, alone.tokens, strict=True):
            assert ours.logprob_raw == pytest.approx(theirs.logprob_raw, abs=1e-3)
        assert one.timings.total >= one.timings.first_token >= one.timings.prefill > 0
    assert (told[-1].done, told[-1].total, told[-1].failed) == (6, 6, 0)
    assert told[-1].tokens == sum(len(one.ids) for one in found)
    assert [one.done for one in told] == sorted(one.done for one in told)


def test_one_sampling_serves_all_and_a_missing_seed_is_drawn_for_each(model: inb.Model) -> None:
    hot = Sampling(temperature=1.5, top_p=None, max_new_tokens=10)
    found = model.batch(["hello"] * 5, hot)
    assert len({one.receipt.seed for one in found}) == 5
    again = model.batch(["hello"] * 2, hot, seed=found[3].receipt.seed)
    assert [one.ids for one in again] == [found[3].ids] * 2
    assert model.batch(iter(["hello"]), GREEDY)[0].ids == model.generate("hello", GREEDY).ids
    assert model.batch([]) == []


def test_rows_that_have_ended_leave(model: inb.Model) -> None:
    model.batch(["a", "b"], GREEDY)  # whether rows can run together has been tried
    rows, watch = watched(model)
    model.batch(["a b c", "d e f", "g h i"], [GREEDY.replace(max_new_tokens=n) for n in (2, 5, 9)])
    watch.remove()
    assert rows == [3, 3, 2, 2, 2, 1, 1, 1, 1]


def test_equal_prompts_are_run_once_and_their_cache_is_copied(model: inb.Model) -> None:
    prompts = [[5] * 9, [6] * 9, [5] * 9, [5] * 9]
    samplings = [Sampling(seed=1, temperature=heat, max_new_tokens=6) for heat in (0.0, 1.0, 1.0, 2.0)]
    model.batch(["a", "b"], GREEDY)
    shapes: list[tuple[int, ...]] = []
    watch = model.network.register_forward_pre_hook(
        lambda _, inputs, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    found = model.batch(prompts, samplings)
    watch.remove()
    assert shapes == [(2, 9), *[(4, 1)] * 5]
    assert [one.ids for one in found] == singles(model, prompts, samplings)
    assert [one.receipt.batch_shape for one in found] == [(4, 9)] * 4


def test_a_cache_that_cannot_be_copied_costs_speed_and_nothing_else(
    load: Callable[..., inb.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("qwen3")
    reorder = DynamicLayer.reorder_cache

    def only_fewer(layer: Any, places: torch.Tensor) -> None:
        if len(places) > layer.keys.shape[0]:
            raise NotImplementedError
        reorder(layer, places)

    with monkeypatch.context() as patch:
        patch.setattr(DynamicLayer, "reorder_cache", only_fewer)
        patch.setattr(model, "_together", None)
        found = model.batch([[5] * 9] * 3, SAMPLINGS[:3])
        ways = model.together()
    assert (ways.rows, ways.copies) == (True, False)
    assert [one.ids for one in found] == singles(model, [[5] * 9] * 3, SAMPLINGS[:3])


def test_a_bad_prompt_fails_alone(model: inb.Model) -> None:
    prompts = ["hello", "", [5] * 300, "half a \ud800 character", None, "lazy dog.", []]
    with pytest.raises(
        BatchIncomplete, match=r"5 of 7 prompts failed; the first is number 1: .*empty"
    ) as told:
        model.batch(prompts, GREEDY)
    found = told.value
    assert {place: type(error) for place, error in found.failures.items()} == {
        1: InvalidData,
        2: ContextTooLong,
        3: InvalidData,
        4: InvalidData,
        6: InvalidData,
    }
    assert found.failures[6].message == "The prompt is empty."
    assert [one is None for one in found.completions] == [False, True, True, True, True, False, True]
    assert [found.completions[place].ids for place in (0, 5)] == singles(
        model, ["hello", "lazy dog."], [GREEDY] * 2
    )
    assert ".completions" in found.hint


def test_a_row_that_cannot_go_on_fails_alone(model: inb.Model) -> None:
    nothing = GREEDY.replace(logit_bias=dict.fromkeys(range(model.vocabulary_size), float("-inf")))
    samplings = [*SAMPLINGS[:2], nothing, *SAMPLINGS[3:]]
    with pytest.raises(BatchIncomplete) as told:
        model.batch(PROMPTS, samplings)
    assert list(told.value.failures) == [2]
    assert isinstance(told.value.failures[2], InvalidSampling)
    expected = singles(model)
    assert all(told.value.completions[place].ids == expected[place] for place in (0, 1, 3, 4, 5))


def short_of_memory(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch, most: int, after: int = 0
) -> list[int]:
    """From the forward pass `after` on, more than `most` rows are too many. Returns the rows of each pass."""
    forward, rows = model.network.forward, []

    def failing(*args: Any, **options: Any) -> Any:
        rows.append(options["input_ids"].shape[0])
        if len(rows) > after and rows[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **options)

    monkeypatch.setattr(model.network, "forward", failing)
    return rows


@pytest.mark.parametrize("after", [0, 5])
def test_when_memory_runs_out_the_group_is_halved(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    expected = singles(model)
    model.batch(["a", "b"], GREEDY)
    with monkeypatch.context() as patch:
        rows = short_of_memory(model, patch, 2, after)
        told: list[BatchProgress] = []
        found = model.batch(PROMPTS, SAMPLINGS, on_progress=told.append)
    assert [one.ids for one in found] == expected
    assert max(rows) == 6
    assert max(rows[after + 2 :]) <= 3
    assert told[-1].tokens == sum(len(ids) for ids in expected)


def test_a_prompt_for_which_there_is_no_room_fails_alone(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.batch(["a", "b"], GREEDY)
    forward = model.network.forward

    def failing(*args: Any, **options: Any) -> Any:
        if options["input_ids"].shape[1] > 150:
            raise MemoryError
        return forward(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", failing)
        with pytest.raises(BatchIncomplete) as told:
            model.batch(["hello", [5] * 200, "lazy dog."], GREEDY)
    assert isinstance(told.value.failures[1], OutOfMemory)
    assert [one is None for one in told.value.completions] == [False, True, False]


def test_a_group_takes_no_more_memory_than_there_is(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = singles(model)
    model.batch(["a", "b"], GREEDY)
    shape = model.shape
    width = max(len(model.encode(PROMPTS[1])), 40) + 20
    few = shape.cache(width, 2, "float32") * 8
    real = devices.budget
    monkeypatch.setattr(devices, "budget", lambda name: replace(real(name), free=few))
    rows, watch = watched(model)
    assert [one.ids for one in model.batch(PROMPTS, SAMPLINGS)] == expected
    watch.remove()
    assert max(rows) < len(PROMPTS)
    monkeypatch.setattr(devices, "budget", lambda name: replace(real(name), free=0))
    assert [one.ids for one in model.batch(PROMPTS, SAMPLINGS)] == expected


def test_a_cancel_keeps_what_is_done(model: inb.Model) -> None:
    cancel = threading.Event()
    samplings = [GREEDY.replace(max_new_tokens=2), *[GREEDY.replace(max_new_tokens=150)] * 5]
    found = model.batch(
        PROMPTS, samplings, cancel, on_progress=lambda so_far: cancel.set() if so_far.done else None
    )
    assert found[0].ids == model.generate(PROMPTS[0], samplings[0]).ids
    assert [one.finish_reason for one in found[1:]] == ["cancelled"] * 5
    assert all(len(one.ids) < 150 for one in found[1:])
    assert model.generate("hello", GREEDY).ids


def test_a_cancel_before_the_start_runs_nothing(load: Callable[..., inb.Model]) -> None:
    model, cancel = load("mistral"), threading.Event()
    cancel.set()
    before = model.forwards
    found = model.batch(["hello", "lazy dog."], GREEDY, cancel)
    assert [(one.finish_reason, one.ids) for one in found] == [("cancelled", [])] * 2
    assert model.forwards == before


def test_a_listener_that_fails_stops_the_batch(model: inb.Model) -> None:
    def broken(progress: BatchProgress) -> None:
        raise RuntimeError("a listener of somebody's")

    with pytest.raises(RuntimeError, match="listener"):
        model.batch(PROMPTS, GREEDY, max_new_tokens=150, on_progress=broken)
    seen = model.forwards
    assert model.generate("hello", GREEDY, max_new_tokens=1).ids
    assert model.forwards == seen + 1


def test_a_network_that_minds_padding_gets_rows_of_one_length(
    load: Callable[..., inb.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("qwen3")
    forward, passes = model.network.forward, []

    def without_mask(*args: Any, **options: Any) -> Any:
        passes.append(options["input_ids"].shape)
        return forward(*args, **options | {"attention_mask": None, "position_ids": None})

    prompts = [[5, 6, 7, 8], [9, 10, 11], [12, 13, 14, 15], [16, 17], [18, 19, 20]]
    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", without_mask)
        patch.setattr(model, "_together", None)
        ways = model.together()
        passes.clear()
        found = model.batch(prompts, GREEDY)
        firsts = [shape for shape in passes if shape[1] > 1]
        assert [one.ids for one in found] == singles(model, prompts, [GREEDY] * 5)
    assert (ways.rows, ways.mixed) == (True, False)
    assert firsts == [(2, 4), (2, 3), (1, 2)]


@pytest.mark.parametrize(
    ("prompts", "options", "error", "words"),
    [
        ("hello", {}, InvalidData, "prompts=.hello. is not a list"),
        (None, {}, InvalidData, "prompts=None is not a list"),
        (5, {}, InvalidData, "prompts=5 is not a list"),
        ([1, 2, 3], {}, InvalidData, "single prompt"),
        ([{"role": "user", "content": "hi"}], {}, InvalidData, "single prompt"),
        (["a", "b"], {"sampling": [GREEDY]}, InvalidSampling, "1 samplings for 2 prompts"),
        (["a"], {"sampling": {"temperature": 0}}, InvalidSampling, "is no Sampling"),
        (["a"], {"sampling": "greedy"}, InvalidSampling, "is no Sampling"),
        (["a"], {"sampling": [0.7]}, InvalidSampling, "is no Sampling"),
        (["a"], {"temperature": -1}, InvalidSampling, "temperature"),
        (["a"], {"top_q": 1}, InvalidSampling, "top_q"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(
    model: inb.Model, prompts: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = model.forwards
    with pytest.raises(error, match=words) as refused:
        model.batch(prompts, **options)
    assert refused.value.hint
    assert model.forwards == before


def test_unloading_ends_a_batch_and_says_so(load: Callable[..., inb.Model]) -> None:
    model = load("phi3")
    before_that = GREEDY.replace(max_new_tokens=2)
    unloading: list[threading.Thread] = []

    def unload(progress: BatchProgress) -> None:
        if not unloading:
            unloading.append(threading.Thread(target=model.unload))
            unloading[0].start()

    found = model.batch(
        [[5] * 4, [6] * 4], [before_that, GREEDY.replace(max_new_tokens=200)], on_progress=unload
    )
    unloading[0].join()
    assert found[0].finish_reason == "length"
    assert found[1].finish_reason == "cancelled"
    with pytest.raises(CapabilityMissing, match="unloaded"):
        model.batch(["hello"])


def test_any_runtime_has_batches(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, by the model's own stream, where a runtime has nothing better."""
    expected = [one.ids for one in model.batch(PROMPTS, SAMPLINGS)]
    monkeypatch.setattr(type(model), "_batch", Model._batch)
    assert [one.ids for one in model.batch(PROMPTS, SAMPLINGS)] == expected
    with pytest.raises(BatchIncomplete) as told:
        model.batch(["hello", ""], GREEDY)
    assert list(told.value.failures) == [1]


@pytest.mark.starter
def test_on_the_starter_a_batch_equals_single_calls() -> None:
    model = inb.load(device="cpu", dtype="float32")
    asked = ["Name three colours.", "What is the capital of France? Answer in one sentence.", "Hi"]
    prompts = [[{"role": "user", "content": text}] for text in asked] + ["1, 2, 3,", "Once upon a time " * 30]
    samplings = [
        Sampling(seed=3, max_new_tokens=16),
        GREEDY,
        Sampling(seed=5, max_new_tokens=7),
        GREEDY,
        GREEDY,
    ]
    assert [one.ids for one in model.batch(prompts, samplings)] == singles(model, prompts, samplings)
