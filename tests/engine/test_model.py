from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import influence_nb as inb
from influence_nb import Sampling
from influence_nb.engine.loop import Steps, decode
from influence_nb.engine.row import Row
from influence_nb.errors import (
    BrokenModel,
    CapabilityMissing,
    ContextTooLong,
    InfluenceError,
    InvalidData,
    InvalidSampling,
    OutOfMemory,
)

KINDS = ["llama", "qwen3", "gemma3_text", "mixtral", "gpt2", "mamba"]
GREEDY = Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=24)
PROMPT = "The quick brown fox jumps over"
MESSAGES = [{"role": "user", "content": "hello world"}]


def theirs(model: inb.Model, ids: list[int], tokens: int, **options: Any) -> list[int]:
    """transformers' own greedy generate, without the tokens that end it."""
    out = model.network.generate(torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, **options)
    return [int(token) for token in out[0, len(ids) :]]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_transformers_generate(load: Callable[..., inb.Model], kind: str) -> None:
    model = load(kind)
    completion = model.generate(PROMPT, GREEDY)
    assert completion.ids == theirs(model, model.encode(PROMPT), 24)
    assert completion.finish_reason in ("length", "stop")


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_each_row_what_it_gives_alone(load: Callable[..., inb.Model], kind: str) -> None:
    """Rows of different lengths and settings, leaving at different times, in float32."""
    model = load(kind)
    prompts = ["The quick", "user assistant system hello world, how", "lazy dog."]
    samplings = [
        GREEDY.replace(seed=0, max_new_tokens=5),
        Sampling(seed=1, temperature=1.0, max_new_tokens=20),
        Sampling(seed=2, temperature=0.8, top_k=20, max_new_tokens=12),
    ]
    ids = [model.encode(prompt) for prompt in prompts]
    rows = [Row(i, s, model.tokenizer, ()) for i, s in zip(ids, samplings, strict=True)]
    for _ in decode(Steps(model.network, ids), rows, (), lambda: False):
        pass
    for row, prompt, sampling in zip(rows, ids, samplings, strict=True):
        alone = Row(prompt, sampling, model.tokenizer, ())
        for _ in decode(Steps(model.network, [prompt]), [alone], (), lambda: False):
            pass
        assert [event.id for event in row.events] == [event.id for event in alone.events]


def test_events_add_up_to_the_completion(model: inb.Model) -> None:
    stream = model.stream(PROMPT, seed=5, max_new_tokens=12)
    events = list(stream)
    completion = stream.completion
    assert [event.index for event in events] == list(range(len(events)))
    assert [event.finish_reason for event in events[:-1]] == [None] * (len(events) - 1)
    assert "".join(event.text for event in events) == completion.text
    assert list(completion.tokens) == events
    assert completion.usage.prompt_tokens == len(model.encode(PROMPT))
    assert completion.usage.completion_tokens == len(events)
    assert completion.timings.total >= completion.timings.first_token >= completion.timings.prefill > 0
    assert list(completion.to_frame().columns) == ["id", "text", "logprob_raw", "logprob_sampled"]


def test_logprobs_are_the_models_own(model: inb.Model) -> None:
    completion = model.generate(
        PROMPT, temperature=0.5, top_p=None, repetition_penalty=1.0, seed=3, max_new_tokens=6
    )
    ids = model.encode(PROMPT)
    with torch.no_grad():
        logits = model.network(torch.tensor([ids + completion.ids])).logits[0, len(ids) - 1 : -1].float()
    for event, row in zip(completion.tokens, logits, strict=True):
        assert event.logprob_raw == pytest.approx(row.log_softmax(-1)[event.id].item(), abs=1e-4)
        assert event.logprob_sampled == pytest.approx((row / 0.5).log_softmax(-1)[event.id].item(), abs=1e-4)


def test_the_same_seed_gives_the_same_text_and_the_drawn_one_is_recorded(model: inb.Model) -> None:
    hot = Sampling(temperature=1.5, top_p=None, max_new_tokens=16)
    first = model.generate(PROMPT, hot)
    assert model.generate(PROMPT, hot, seed=first.receipt.seed).ids == first.ids
    assert len({tuple(model.generate(PROMPT, hot, seed=seed).ids) for seed in range(5)}) > 1


def test_the_receipt_says_everything(model: inb.Model) -> None:
    completion = model.generate(PROMPT, seed=11, max_new_tokens=4)
    receipt = completion.receipt
    assert receipt.prompt_ids == tuple(model.encode(PROMPT))
    assert receipt.output_ids == tuple(completion.ids)
    assert (receipt.seed, receipt.dtype, receipt.device) == (11, "float32", "cpu")
    assert Sampling.from_dict(dict(receipt.sampling)) == Sampling(seed=11, max_new_tokens=4)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(receipt.files)
    assert all(len(digest) == 64 for digest in receipt.files.values())
    assert receipt.versions["torch"] == torch.__version__
    assert receipt.template_sha256


def test_streams_from_several_threads_take_turns(model: inb.Model) -> None:
    alone = [model.generate(PROMPT, seed=seed, max_new_tokens=10).ids for seed in range(4)]
    found: dict[int, list[int]] = {}

    def ask(seed: int) -> None:
        found[seed] = model.generate(PROMPT, seed=seed, max_new_tokens=10).ids

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(4)] == alone


def test_two_streams_read_in_turns_do_not_block_each_other(model: inb.Model) -> None:
    first, second = (
        model.stream(PROMPT, seed=1, max_new_tokens=6),
        model.stream(PROMPT, seed=1, max_new_tokens=6),
    )
    pairs = list(zip(first, second, strict=True))
    assert all(a.id == b.id for a, b in pairs)


def test_a_prompt_may_be_text_ids_or_messages(model: inb.Model) -> None:
    ids = model.encode(PROMPT)
    assert model.generate(ids, GREEDY).ids == model.generate(PROMPT, GREEDY).ids
    rendered = model.render(MESSAGES)
    chat = model.generate(MESSAGES, GREEDY)
    assert list(chat.receipt.prompt_ids) == model.encode(rendered, special=False)


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("", InvalidData, "empty"),
        ([5, 10**6], InvalidData, "1000000"),
        ("half a \ud800 character", InvalidData, "not text"),
        ([{"role": "user"}], InvalidData, "Message 0"),
        ([{"role": "user", "content": 3}], InvalidData, "not text"),
        (None, InvalidData, "prompt=None is no prompt"),
        (5, InvalidData, "prompt=5 is no prompt"),
        ([], InvalidData, "The prompt is empty"),
        (b"abc", InvalidData, "no prompt"),
        ({"role": "user", "content": "hi"}, InvalidData, "no prompt"),
        ([1, 2.5], InvalidData, "no prompt"),
        ([True], InvalidData, "no prompt"),
        ([1, "a"], InvalidData, "no prompt"),
    ],
)
def test_a_bad_prompt_is_refused(
    model: inb.Model, prompt: Any, error: type[InfluenceError], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        model.generate(prompt)
    assert refused.value.hint
    assert model.generate("hello", GREEDY, max_new_tokens=1).ids


def test_a_prompt_longer_than_the_context_says_both_numbers(model: inb.Model) -> None:
    with pytest.raises(ContextTooLong, match=r"300 tokens.*256"):
        model.generate([5] * 300)
    full = model.generate([5] * 250, GREEDY)
    assert (full.finish_reason, len(full.ids)) == ("length", 6)


def test_a_bad_parameter_is_refused_before_anything_runs(model: inb.Model) -> None:
    before = model.forwards
    with pytest.raises(InvalidSampling, match="temperature"):
        model.stream("hello", temperature=-1)
    with pytest.raises(InvalidSampling, match="top_q"):
        model.generate("hello", top_q=1)
    assert model.forwards == before


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_running_out_of_memory_leaves_the_model_usable(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    expected = model.generate(PROMPT, GREEDY).ids
    forward, calls = model.network.forward, []

    def failing(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise failure
        return forward(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", failing)
        stream = model.stream(PROMPT, GREEDY)
        with pytest.raises(OutOfMemory, match="generating") as refused:
            list(stream)
    assert refused.value.hint
    assert model.generate(PROMPT, GREEDY).ids == expected


def test_any_sequence_of_ids_is_a_prompt(model: inb.Model) -> None:
    ids = model.encode(PROMPT)
    assert model.generate(torch.tensor(ids), GREEDY).ids == model.generate(ids, GREEDY).ids
    assert model.generate(np.array(ids), GREEDY).ids == model.generate(tuple(ids), GREEDY).ids


def test_logits_that_are_no_numbers_are_an_error_and_no_answer(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = model.network.lm_head.register_forward_hook(lambda module, inputs, output: output * float("nan"))
    for temperature in (0, 1):
        with pytest.raises(BrokenModel, match="not numbers"):
            model.generate(PROMPT, temperature=temperature)
    hook.remove()
    assert model.generate(PROMPT, GREEDY).ids


def test_a_failure_inside_the_network_is_told_in_the_one_tree(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError("a kernel failed")

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", broken)
        with pytest.raises(InfluenceError, match="a kernel failed"):
            model.generate(PROMPT)
    assert model.generate(PROMPT, GREEDY).ids


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_parameters_that_leave_no_token_say_so(model: inb.Model, temperature: float) -> None:
    nothing = dict.fromkeys(range(len(model.tokenizer)), float("-inf"))
    with pytest.raises(InvalidSampling, match="no token"):
        model.generate(PROMPT, temperature=temperature, logit_bias=nothing)


def test_the_coldest_temperature_is_argmax(model: inb.Model) -> None:
    coldest = GREEDY.replace(temperature=1e-40, seed=1)
    assert model.generate(PROMPT, coldest).ids == model.generate(PROMPT, GREEDY).ids


def test_an_unloaded_model_leaves_no_network_behind_a_waiting_stream(
    tiny_folder: Callable[..., Path],
) -> None:
    model = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    begun, unread = model.stream(PROMPT), model.stream(PROMPT)
    next(begun)
    network = weakref.ref(model.network)
    model.unload()
    gc.collect()
    assert network() is None
    with pytest.raises(CapabilityMissing, match="unloaded"):
        next(unread)


def test_stop_strings_and_the_end_of_turn(model: inb.Model) -> None:
    whole = model.generate(PROMPT, GREEDY.replace(max_new_tokens=40)).text
    stop = whole[5:8]
    cut = model.generate(PROMPT, GREEDY.replace(max_new_tokens=40, stop=stop))
    assert (cut.text, cut.finish_reason) == (whole[: whole.index(stop)], "stop")
    end = model.tokenizer.convert_tokens_to_ids("<|im_end|>")
    ended = model.generate(PROMPT, GREEDY.replace(logit_bias={end: 1000.0}))
    assert (ended.ids, ended.text, ended.finish_reason) == ([end], "", "stop")


def test_the_templates_own_switches_are_found(model: inb.Model) -> None:
    assert model.template_switches() == {"enable_thinking": True}
    assert model.render(MESSAGES, {"enable_thinking": False}).endswith("<think></think>")


def test_unloading_ends_what_runs_and_says_so_afterwards(tiny_folder: Callable[..., Path]) -> None:
    model = inb.load(tiny_folder("qwen3"), device="cpu", dtype="float32")
    stream = model.stream(PROMPT, GREEDY.replace(max_new_tokens=200))
    next(stream)
    model.unload()
    model.unload()
    assert list(stream)[-1].finish_reason == "cancelled"
    assert model not in inb.loaded()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        model.generate(PROMPT)
    again = inb.load(tiny_folder("qwen3"), device="cpu", dtype="float32")
    assert again is not model
    assert again.generate(PROMPT, GREEDY).ids
    again.unload()


@pytest.mark.starter
def test_the_starter_equals_transformers_generate_token_for_token() -> None:
    model = inb.load(device="cpu")
    ids = model.encode(model.render([{"role": "user", "content": "Name three colours."}]), special=False)
    assert model.generate(ids, GREEDY).ids == theirs(model, ids, 24)
    penalised = GREEDY.replace(repetition_penalty=1.3)
    assert model.generate(ids, penalised).ids == theirs(model, ids, 24, repetition_penalty=1.3)


@pytest.mark.starter
def test_unloading_gives_the_memory_back() -> None:
    """Resident size within 5% of before, over five cycles, in a process of its own."""
    code = """
import influence_nb as inb, psutil
size = lambda: psutil.Process().memory_info().rss

def cycle():
    model = inb.load()
    held = size()
    model.session().send("Hello", max_new_tokens=4)
    model.unload()
    return held

for _ in range(2):
    cycle()  # imports and thread pools stay; they are no model
before = size()
for _ in range(5):
    assert cycle() > before + 100e6
    assert size() < before * 1.05, (size(), before)
print("given back")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "given back", done.stderr


def test_an_unloaded_model_holds_no_session_and_keeps_nothing_alive(tiny_folder: Callable[..., Path]) -> None:
    model = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    model.unload()
    with pytest.raises(CapabilityMissing, match="was unloaded") as refused:
        model.session()
    assert "inb.load(" in refused.value.hint
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.keep_alive = 5
    with pytest.raises(InvalidData, match="keep_alive='soon'"):
        model.keep_alive = "soon"
    assert model.keep_alive is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"quality": "yes"}, "quality='yes'"),
        ({"quality": 1}, "quality=1"),
        ({"text": ""}, "text='' is empty"),
        ({"text": " ", "quality": True}, "text=' ' is empty"),
        ({"text": 3}, "text=3 is not text"),
    ],
)
def test_a_report_refuses_what_it_cannot_measure(model: inb.Model, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words) as refused:
        model.report(**asked)
    assert refused.value.hint
    assert model.report()["quality"] is None
