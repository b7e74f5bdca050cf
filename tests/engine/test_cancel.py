"""A cancel is seen within a token, between the layers of a long prefill, and leaves model and session as they were."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import influence_nb as inb
from influence_nb import Sampling
from tests import tiny

GREEDY = Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=24)
PROMPT = "The quick brown fox jumps over"


def theirs(model: inb.Model, ids: list[int], tokens: int, **options: Any) -> list[int]:
    """transformers' own greedy generate, without the tokens that end it."""
    out = model.network.generate(torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, **options)
    return [int(token) for token in out[0, len(ids) :]]


def test_after_a_cancel_is_seen_no_forward_pass_starts(model: inb.Model) -> None:
    cancel = threading.Event()
    stream = model.stream(PROMPT, GREEDY.replace(max_new_tokens=200), cancel)
    shown = "".join(next(stream).text for _ in range(3))
    cancel.set()
    rest = list(stream)
    seen = model.forwards
    assert rest[-1].finish_reason == "cancelled"
    completion = stream.completion
    assert completion.finish_reason == "cancelled"
    assert completion.text.startswith(shown)
    assert completion.usage.completion_tokens < 200
    assert model.generate(PROMPT, GREEDY).finish_reason == "length"
    assert model.forwards == seen + 24, "one pass a token, and none left over from the cancelled stream"


def test_a_cancel_before_the_start_runs_nothing(model: inb.Model) -> None:
    cancel = threading.Event()
    cancel.set()
    before = model.forwards
    completion = model.generate(PROMPT, GREEDY, cancel)
    assert (completion.finish_reason, completion.text, completion.ids) == ("cancelled", "", [])
    assert model.forwards == before


def test_a_long_prompt_runs_in_pieces_and_a_cancel_is_seen_after_one(tmp_path: Path) -> None:
    model = inb.load(
        tiny.build(tmp_path / "long", max_position_embeddings=4096), device="cpu", dtype="float32"
    )
    prompt = [5 + place % 200 for place in range(1700)]
    assert model.generate(prompt, GREEDY).ids == theirs(model, prompt, 24)
    cancel = threading.Event()
    passes: list[int] = []

    def cancel_in_the_second_piece(*_: object) -> None:
        passes.append(1)
        if len(passes) == 2:
            cancel.set()

    hook = model.network.register_forward_pre_hook(cancel_in_the_second_piece)
    completion = model.generate(prompt, GREEDY, cancel)
    hook.remove()
    assert (completion.finish_reason, completion.ids, len(passes)) == ("cancelled", [], 2)
    assert model.generate(prompt, GREEDY).ids == theirs(model, prompt, 24)
    model.unload()


def test_a_cancel_in_a_prefill_is_seen_between_layers(tmp_path: Path) -> None:
    model = inb.load(tiny.build(tmp_path / "deep", num_hidden_layers=4), device="cpu", dtype="float32")
    cancel = threading.Event()
    ran: list[int] = []

    def note(place: int) -> Callable[..., None]:
        def ran_and_cancels(*_: object) -> None:
            ran.append(place)
            if place == 1:
                cancel.set()

        return ran_and_cancels

    hooks = [layer.register_forward_hook(note(n)) for n, layer in enumerate(model.network.model.layers)]
    session = model.session()
    with contextlib.closing(session.stream("hello there", GREEDY, cancel)) as stream:
        assert list(stream)[-1].finish_reason == "cancelled"
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1]
    assert session.messages == []
    assert session.send("hello there", GREEDY).ids == model.session().send("hello there", GREEDY).ids
    model.unload()


def test_a_dropped_stream_stops(model: inb.Model) -> None:
    stream = model.stream(PROMPT, GREEDY.replace(max_new_tokens=200))
    next(stream)
    stream.close()
    seen = model.forwards
    assert model.generate("hello", GREEDY, max_new_tokens=1).ids
    assert model.forwards == seen + 1
