"""`model.likelihoods`: equal to a plain forward pass, whatever runs beside it, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

import influence_nb as inb
from influence_nb.errors import ContextTooLong, InfluenceError, InvalidData, OutOfMemory

PAIRS: list[tuple[Any, str]] = [
    ("The quick brown", " fox"),
    ("The quick brown", " dog jumps over"),
    ("The quick brown", " Zwölf"),
    ("hello world, how are ", "you today?"),
    ("", "The lazy dog."),
    ([{"role": "user", "content": "hello"}], "hello world"),
    ([{"role": "user", "content": "hello"}], "how are you"),
]


def by_hand(model: inb.Model, context: Any, continuation: str) -> tuple[float, int, bool]:
    """Parted as lm-evaluation-harness does, from one plain forward pass in float64."""
    if isinstance(context, str):
        trimmed = context.rstrip()
        whole = model.encode(trimmed + context[len(trimmed) :] + continuation)
        before = model.encode(trimmed) if trimmed else [0]
        ids = whole if trimmed else [0, *whole]
    else:
        before = model.encode(model.render(context), special=False)
        ids = before + model.encode(continuation, special=False)
    with torch.no_grad():
        logits = model.network(torch.tensor([ids])).logits[0].double()[len(before) - 1 : -1]
    targets = torch.tensor(ids[len(before) :])
    own = logits.log_softmax(-1)[torch.arange(len(targets)), targets]
    return own.sum().item(), len(targets), bool((logits.argmax(-1) == targets).all())


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "mamba", "granitemoehybrid+mamba", "gpt2"])
def test_they_equal_a_plain_forward_pass(load: Callable[..., inb.Model], kind: str) -> None:
    model = load(kind)
    found = model.likelihoods(PAIRS)
    for (context, continuation), one in zip(PAIRS, found, strict=True):
        logprob, tokens, greedy = by_hand(model, context, continuation)
        assert one.logprob == pytest.approx(logprob, abs=1e-4)
        assert (one.tokens, one.greedy) == (tokens, greedy)
        assert one.bytes == len(continuation.encode())


def test_the_most_probable_token_is_greedy(load: Callable[..., inb.Model]) -> None:
    model = load("llama")
    for context in range(50):
        with torch.no_grad():
            best = int(model.network(torch.tensor([[context, 7]])).logits[0, -1].argmax())
        text = model.decode([best])
        if text and model.encode(text, special=False) == [best]:
            break
    likely, unlikely = model.likelihoods([([context, 7], text), ([context, 7], " Zwölf")])
    assert (likely.greedy, unlikely.greedy) == (True, False)


def test_a_context_runs_once_for_all_its_continuations(load: Callable[..., inb.Model]) -> None:
    model = load("llama")
    model.likelihoods([("a b", " c"), ("a b", " d")])  # what rows can do is tried once
    shapes: list[tuple[int, ...]] = []
    hook = model.network.register_forward_pre_hook(
        lambda _, args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    model.likelihoods([("The quick brown", one) for one in (" a", " b", " c", " d")])
    hook.remove()
    assert shapes[0] == (1, len(model.encode("The quick brown")))
    assert {width for _, width in shapes[1:]} <= {1}


def test_a_group_that_finds_no_room_is_halved(
    load: Callable[..., inb.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("llama")
    expected = model.likelihoods(PAIRS)
    forward = model.network.forward

    def narrow(*args: Any, **given: Any) -> Any:
        if given["input_ids"].shape[0] > 1:
            raise MemoryError
        return forward(*args, **given)

    monkeypatch.setattr(model.network, "forward", narrow)
    found = model.likelihoods(PAIRS)
    assert [one.logprob for one in found] == pytest.approx([one.logprob for one in expected], abs=1e-4)
    monkeypatch.setattr(model.network, "forward", lambda *args, **given: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemory):
        model.likelihoods(PAIRS[:2])


def test_progress_and_cancel(load: Callable[..., inb.Model]) -> None:
    model = load("llama")
    seen: list[tuple[int, int]] = []
    model.likelihoods(PAIRS, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(PAIRS), len(PAIRS))
    stop = threading.Event()
    stop.set()
    with pytest.raises(InfluenceError, match="Stopped after 0 of 7"):
        model.likelihoods(PAIRS, cancel=stop)
    assert len(model.likelihoods(PAIRS)) == 7, "it goes on working"


@pytest.mark.parametrize(
    ("pairs", "error", "words"),
    [
        ("ab", InvalidData, "no pairs"),
        ([("a", "b", "c")], InvalidData, "no pairs"),
        ([("a", " b"), ("a", "")], InvalidData, "index 1"),
        ([("a", 7)], InvalidData, "index 0 is 7"),
        ([(7, " b")], InvalidData, "no prompt"),
        ([("hello " * 300, " b")], ContextTooLong, "context of 256"),
    ],
)
def test_what_is_refused(
    load: Callable[..., inb.Model], pairs: Any, error: type[InfluenceError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        load("llama").likelihoods(pairs)
    assert caught.value.hint


def test_none_are_none(load: Callable[..., inb.Model]) -> None:
    assert load("llama").likelihoods([]) == []
