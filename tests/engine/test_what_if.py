"""A finished text under other settings: what would flip, why and how clearly; and going on from another token."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import influence_nb as inb
from influence_nb.errors import CapabilityMissing, InvalidData, InvalidSampling

PROMPT = "The quick brown fox jumps over the lazy dog"
THEN = inb.Sampling(seed=11, temperature=0.9, top_p=0.9, min_new_tokens=24, max_new_tokens=24)


@pytest.fixture(scope="module")
def completion(load: Callable[..., inb.Model]) -> inb.Completion:
    return load().generate(PROMPT, THEN)


def test_the_original_settings_change_nothing(completion: inb.Completion) -> None:
    for same in (completion.what_if(), completion.what_if(THEN), completion.what_if(temperature=0.9)):
        assert same.flips == ()
        assert same.first_flip is None
        assert same.unsure == ()
        assert same.changed == {}
        assert same.regenerate() is completion
        assert "all 24 tokens come again" in repr(same)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    change=some.fixed_dictionaries(
        {},
        optional={
            "temperature": some.sampled_from([0, 0.3, 0.8, 1.5]),
            "top_p": some.sampled_from([None, 0.3, 0.7]),
            "top_k": some.sampled_from([None, 1, 10]),
            "min_p": some.sampled_from([None, 0.05, 0.5]),
            "repetition_penalty": some.sampled_from([1.0, 1.5]),
            "frequency_penalty": some.sampled_from([0.0, 1.0]),
            "seed": some.sampled_from([11, 12]),
        },
    )
)
def test_the_first_flip_is_where_generating_really_parts(
    completion: inb.Completion, change: dict[str, float | None]
) -> None:
    model = completion._origin.model
    what = completion.what_if(**change)
    really = model.generate(PROMPT, what.sampling).ids
    parted = [
        place for place, (one, other) in enumerate(zip(completion.ids, really, strict=True)) if one != other
    ]
    if not parted:
        assert what.first_flip is None
        return
    flip = what.first_flip
    assert flip is not None
    assert (flip.index, flip.now) == (parted[0], really[parted[0]])
    assert flip.recorded == completion.ids[flip.index]
    assert flip.stage in what.changed
    assert flip.margin > 0
    assert what.regenerate().ids == really


def test_the_stage_named_is_the_change_that_does_it(completion: inb.Completion) -> None:
    for change in ({"top_k": 1}, {"seed": 99}, {"temperature": 0}):
        flips = completion.what_if(**change).flips
        assert flips
        assert {flip.stage for flip in flips} == set(change)
    both = completion.what_if(top_k=1, min_p=0.0001)
    assert {flip.stage for flip in both.flips} == {"top_k"}
    assert all(math.isinf(flip.margin) and flip.cut for flip in both.flips)
    assert "is cut (top_k)" in repr(both)


def test_margins_are_differences_in_the_draw(completion: inb.Completion) -> None:
    cold = completion.what_if(temperature=0, top_p=None)
    for flip in cold.flips:
        scores = cold.trace.places[flip.index].logits
        seen = {*cold.trace.places[flip.index].prompt, *cold.trace.places[flip.index].before}
        penalised = {
            token: scores[token] * (1.1 if scores[token] < 0 else 1 / 1.1) if token in seen else scores[token]
            for token in (flip.now, flip.recorded)
        }
        expected = float(penalised[flip.now] - penalised[flip.recorded])
        assert flip.margin == pytest.approx(expected, abs=1e-4)


def test_asking_again_takes_no_forward_pass(completion: inb.Completion) -> None:
    completion.what_if()
    model = completion._origin.model
    passes = model.forwards
    what = completion.what_if(temperature=1.4)
    assert what.under(top_p=0.2).changed.keys() == {"top_p"}
    assert len(what.to_frame()) == 24
    assert what.to_frame()["flips"].sum() == len(what.flips)
    assert model.forwards == passes
    page = what._repr_html_()
    assert page.count("<u ") == len(what.flips)


def test_a_branch_takes_the_token_and_goes_on(model: inb.Model, completion: inb.Completion) -> None:
    token = next(one for one in range(50, 90) if one != completion.ids[5])
    stream = completion.branch(5, token)
    events = list(stream)
    branch = stream.completion
    assert branch.ids[:6] == [*completion.ids[:5], token]
    assert [event.index for event in events] == list(range(5, 24))
    assert branch.tokens[:5] == completion.tokens[:5]
    assert branch.text == model.decode(branch.ids)
    assert branch.receipt.given == 6
    again = model.replay(branch.receipt)
    assert again.identical
    assert again.compared == 24
    assert inb.Receipt.from_dict(branch.receipt.to_dict()) == branch.receipt
    score = model.score([*model.encode(PROMPT), *branch.ids])
    assert [event.logprob_raw for event in branch.tokens[5:]] == pytest.approx(score.logprobs[-19:], abs=1e-4)
    assert completion.branch(5, completion.ids[5]).completion.ids == completion.ids


def test_a_branch_can_be_branched_and_what_iffed(completion: inb.Completion) -> None:
    first = completion.branch(3, 60, min_new_tokens=0).completion
    second = first.branch(10, 61).completion
    assert second.ids[:11] == [*first.ids[:10], 61]
    assert second.branch(24, 62, max_new_tokens=30).completion.ids[:25] == [*second.ids, 62]
    what = second.what_if(temperature=0.9)
    assert set(what.unsure) <= {3, 10}
    assert what.flips == ()


def test_cancel_keeps_what_was_looked_at(load: Callable[..., inb.Model]) -> None:
    other = load().generate(PROMPT, THEN, seed=4)
    cancel = threading.Event()
    part = other.what_if(
        temperature=0, cancel=cancel, on_place=lambda place, _: cancel.set() if place.index == 2 else None
    )
    assert 3 <= len(part.trace.places) < 24
    assert len(other.what_if(temperature=0).trace.places) == 24


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_new_tokens": 3}, "max_new_tokens does not decide"),
        ({"stop": ("a",)}, "stop does not decide"),
        ({"grammar": "json"}, "grammar does not decide"),
        ({"top_p": 2}, "top_p"),
        ({"heat": 2}, "heat"),
    ],
)
def test_what_decides_nothing_is_refused(
    completion: inb.Completion, change: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidSampling, match=words) as refused:
        completion.what_if(**change)
    assert refused.value.hint
    assert completion.what_if().first_flip is None


@pytest.mark.parametrize(
    ("index", "token", "words"),
    [(25, 1, "index"), (-1, 1, "index"), (0, 10**7, "token"), (0, "a", "token"), (0.5, 1, "index")],
)
def test_branches_that_cannot_be(
    completion: inb.Completion, index: object, token: object, words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        completion.branch(index, token)


def test_a_stop_string_that_has_come_before_is_refused(completion: inb.Completion) -> None:
    with pytest.raises(InvalidSampling, match="stop string"):
        completion.branch(20, 5, stop=(completion.text[:2],))


def test_an_unloaded_model_says_so(tiny_folder: Callable[..., object]) -> None:
    model = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    done = model.generate(PROMPT, max_new_tokens=4)
    model.unload()
    for ask in (lambda: done.what_if(temperature=0), lambda: done.branch(0, 5)):
        with pytest.raises(CapabilityMissing, match="was unloaded"):
            ask()
