"""`model.score`: equal to a hand computation, whole and in windows, and what it refuses."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

import influence_nb as inb
from influence_nb import TokenScores
from influence_nb.engine import score as scoring
from influence_nb.errors import CapabilityMissing, InfluenceError, InvalidData

TEXT = (
    "The quick brown fox jumps over the lazy dog. Zwölf Boxkämpfer jagen Viktor, "
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 hello world."
)


def by_hand(model: inb.Model, ids: list[int]) -> tuple[list[float], list[int], list[float]]:
    """From all logits of one plain forward pass, in float64."""
    with torch.no_grad():
        logits = model.network(torch.tensor([ids])).logits[0].double()
    logprobs, ranks, entropies = [], [], []
    for row, target in zip(logits[:-1], ids[1:], strict=True):
        own = row.log_softmax(-1)
        logprobs.append(own[target].item())
        ranks.append(1 + sum(1 for other in own.tolist() if other > own[target].item()))
        entropies.append(-sum(math.exp(one) * one for one in own.tolist()))
    return logprobs, ranks, entropies


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "granitemoehybrid+mamba", "mamba", "gpt2"])
def test_it_equals_a_hand_computation(
    load: Callable[..., inb.Model], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(kind)
    ids = model.encode(TEXT)
    logprobs, ranks, entropies = by_hand(model, ids)
    for entries in (scoring._ENTRIES, 7 * model.vocabulary_size):  # at once, and in pieces of seven tokens
        monkeypatch.setattr(scoring, "_ENTRIES", entries)
        found = model.score(TEXT)
        assert list(found.ids) == ids
        assert (found.logprobs[0], found.ranks[0], found.entropies[0]) == (None, None, None)
        assert found.logprobs[1:] == pytest.approx(logprobs, abs=1e-4)
        assert list(found.ranks[1:]) == ranks
        assert found.entropies[1:] == pytest.approx(entropies, abs=1e-4)
        assert found.perplexity == pytest.approx(math.exp(-sum(logprobs) / len(logprobs)), rel=1e-4)
        size = len(TEXT.encode()) - len(model.decode(ids[:1]).encode())
        assert found.bits_per_byte == pytest.approx(-sum(logprobs) / math.log(2) / size, rel=1e-4)


def strided(model: inb.Model, ids: list[int], window: int, stride: int) -> float:
    """Perplexity as transformers' documentation of fixed-length models computes it, from the models' own loss."""
    total, scored, before = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        inputs = torch.tensor([ids[begin:end]])
        targets = inputs.clone()
        targets[:, : -(end - before)] = -100
        with torch.no_grad():
            loss = model.network(inputs, labels=targets).loss
        count = int((targets[:, 1:] != -100).sum())
        total, scored = total + loss.item() * count, scored + count
        before = end
        if end == len(ids):
            break
    return math.exp(total / scored)


@pytest.mark.parametrize("kind", ["llama", "mamba"])
@pytest.mark.parametrize(("window", "stride"), [(20, 10), (16, 15), (30, 1), (9, 4)])
def test_long_texts_in_windows_equal_the_published_recipe(
    load: Callable[..., inb.Model], kind: str, window: int, stride: int
) -> None:
    model = load(kind)
    ids = model.encode(TEXT)
    found = model.score(TEXT, window=window, stride=stride)
    assert (found.scored, found.window, found.stride) == (len(ids) - 1, window, stride)
    assert found.perplexity == pytest.approx(strided(model, ids, window, stride), rel=1e-4)


def test_a_text_longer_than_the_context_is_scored(model: inb.Model) -> None:
    ids = [5 + place % 200 for place in range(700)]
    told: list[tuple[int, int]] = []
    found = model.score(ids, on_progress=lambda done, total: told.append((done, total)))
    assert (found.window, found.stride, found.scored) == (256, 128, 699)
    assert told[-1] == (700, 700)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert found.perplexity == pytest.approx(strided(model, ids, 256, 128), rel=1e-4)
    assert not found.cancelled


def test_logits_are_never_held_together(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    hook = model.network.lm_head.register_forward_hook(
        lambda module, inputs, output: sizes.append(output.shape[1])
    )
    monkeypatch.setattr(scoring, "_ENTRIES", 16 * model.vocabulary_size)
    model.score([5 + place % 200 for place in range(400)], window=128, stride=64)
    hook.remove()
    assert max(sizes) <= 16


def test_the_frame(model: inb.Model) -> None:
    found = model.score("hello world")
    frame = found.to_frame()
    assert list(frame.columns) == ["token", "id", "logprob", "rank", "entropy"]
    assert "".join(frame["token"]) == "hello world"
    assert list(frame["id"]) == list(found.ids)
    assert frame["rank"].isna().tolist() == [True] + [False] * (len(found.ids) - 1)
    assert pd.isna(frame["logprob"].iloc[0])
    assert frame["logprob"].iloc[1] == found.logprobs[1]


def test_a_token_that_begins_every_text_is_what_the_first_stands_behind(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    beginning, encode = model.tokenizer.bos_token_id, type(model).encode
    monkeypatch.setattr(
        type(model),
        "encode",
        lambda self, text, special=True: [beginning] * special + encode(self, text, special),
    )
    found = model.score("hello world")
    assert (found.ids[0], found.logprobs[0]) == (beginning, None)
    assert found.scored == len(encode(model, "hello world"))
    assert found.bytes == len("hello world")


def test_a_conversation_is_scored_as_it_stands(model: inb.Model) -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hello world"}]
    text = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhello world<|im_end|>\n"
    found = model.score(messages)
    assert list(found.ids) == model.encode(text, special=False)
    assert found.logprobs == model.score(list(found.ids)).logprobs


def test_generated_tokens_score_as_they_were_generated(model: inb.Model) -> None:
    made = model.generate("The quick", temperature=1.0, seed=3, max_new_tokens=12)
    found = model.score([*made.receipt.prompt_ids, *made.ids])
    raw = [event.logprob_raw for event in made.tokens]
    assert found.logprobs[-len(raw) :] == pytest.approx(raw, abs=1e-4)


@pytest.mark.parametrize(
    ("prompt", "options", "words"),
    [
        ("", {}, "empty"),
        ([], {}, "prompt is empty"),
        ("a", {}, "single token"),
        ([5], {}, "single token"),
        ("half a \ud800 character", {}, "not text"),
        (None, {}, "no prompt"),
        (5, {}, "no prompt"),
        (b"abc", {}, "no prompt"),
        ([5, 10**6], {}, "1000000"),
        ([{"role": "user"}], {}, "Message 0"),
        ("hello world", {"window": 1}, "window=1 "),
        ("hello world", {"window": 257}, "window=257 "),
        ("hello world", {"window": 2.5}, "window=2.5 "),
        ("hello world", {"window": True}, "window=True "),
        ("hello world", {"window": 8, "stride": 8}, "stride=8 "),
        ("hello world", {"stride": 0}, "stride=0 "),
        ("hello world", {"stride": "x"}, "stride='x' "),
    ],
)
def test_what_cannot_be_scored(model: inb.Model, prompt: Any, options: dict[str, Any], words: str) -> None:
    before = model.forwards
    with pytest.raises(InvalidData, match=words) as refused:
        model.score(prompt, **options)
    assert refused.value.hint
    assert model.forwards == before


def test_a_million_characters_can_be_stopped(model: inb.Model) -> None:
    text = "hello world, how are you? " * 40_000
    cancel = threading.Event()
    found = model.score(text, cancel=cancel, on_progress=lambda done, total: done > 1000 and cancel.set())
    assert found.cancelled
    assert 1000 < len(found.ids) < 20_000
    assert found.scored == len(found.ids) - 1
    assert text.startswith("".join(found.tokens))
    assert found.perplexity > 1
    seen = model.forwards
    assert model.score("hello world").scored
    assert model.forwards == seen + 1, "nothing is left over from what was stopped"


def test_a_cancel_before_the_start_scores_nothing(model: inb.Model) -> None:
    cancel = threading.Event()
    cancel.set()
    found = model.score("hello world", cancel=cancel)
    assert isinstance(found, TokenScores)
    assert (found.cancelled, found.scored) == (True, 0)
    assert math.isnan(found.perplexity)
    assert math.isnan(found.bits_per_byte)


def test_a_failure_leaves_the_model_usable(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("not enough memory: you tried to allocate 8 bytes")

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", broken)
        with pytest.raises(inb.errors.OutOfMemory, match="scoring"):
            model.score("hello world")
    with pytest.raises(InfluenceError):
        model.score("hello world", on_progress=lambda *_: (_ for _ in ()).throw(InvalidData("stop")))
    assert model.score("hello world").scored


def test_an_unloaded_model_says_so(load: Callable[..., inb.Model]) -> None:
    model = load("granite")
    model.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        model.score("hello world")


@pytest.mark.starter
def test_the_starter_finds_sense_less_surprising_than_nonsense() -> None:
    model = inb.load(device="cpu", dtype="float32")
    sense = model.score("The capital of France is Paris, and the capital of Italy is Rome.")
    nonsense = model.score("Paris the of and Rome, is capital Italy is of France capital The.")
    assert sense.perplexity < nonsense.perplexity / 3
    assert 0 < sense.bits_per_byte < nonsense.bits_per_byte
    logprobs, ranks, _ = by_hand(model, list(sense.ids))
    assert sense.logprobs[1:] == pytest.approx(logprobs, abs=1e-3)
    assert list(sense.ranks[1:]) == ranks
