"""The X-ray of the sampler: what each stage did, the same moment under other settings, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessor,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

import influence_nb as inb
from influence_nb.engine.sampling import STAGES
from influence_nb.engine.trace import MOST, Place
from influence_nb.errors import CapabilityMissing, ContextTooLong, InvalidData, InvalidSampling, OutOfMemory

PROMPT = "The quick brown fox jumps over the lazy dog"
ALL = inb.Sampling(
    seed=5, temperature=1.3, top_k=40, top_p=0.8, min_p=0.01, typical_p=0.9, repetition_penalty=1.3,
    presence_penalty=0.5, frequency_penalty=0.4, logit_bias={7: 2.5}, min_new_tokens=3, max_new_tokens=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def xray(load: Callable[..., inb.Model]) -> inb.Xray:
    return load().xray(PROMPT, ALL, steps=12)


def test_it_shows_the_tokens_that_are_generated(model: inb.Model, xray: inb.Xray) -> None:
    ids = model.generate(PROMPT, ALL).ids
    assert [step.place.id for step in xray] == ids
    assert [step.drawn for step in xray] == ids
    assert [step.index for step in xray] == list(range(len(ids)))
    events = model.generate(PROMPT, ALL).tokens
    for step, event in zip(xray, events, strict=True):
        assert float(step.raw[event.id]) == pytest.approx(event.logprob_raw, abs=1e-5)
        assert float(step.sampled[event.id]) == pytest.approx(event.logprob_sampled, abs=1e-5)


def test_counts_mass_and_entropy_are_those_of_the_whole_vocabulary(xray: inb.Xray) -> None:
    for step in xray:
        assert [stage.name for stage in step.stages] == list(STAGES)
        before = step.raw.double().numpy()
        for stage in step.stages:
            after = stage.logprobs.double().numpy()
            possible = np.isfinite(after)
            assert stage.kept == possible.sum()
            assert stage.cut == np.isfinite(before).sum() - possible.sum()
            assert stage.mass == pytest.approx(np.exp(before[possible]).sum(), abs=1e-6)
            assert np.exp(after).sum() == pytest.approx(1, abs=1e-5)
            for entropy, logprobs in ((stage.entropy_before, before), (stage.entropy, after)):
                mass = np.exp(logprobs[np.isfinite(logprobs)])
                assert entropy == pytest.approx(-(mass * np.log(mass)).sum(), abs=1e-6)
            before = after


@pytest.mark.parametrize(
    ("stage", "change", "theirs"),
    [
        ("temperature", {"temperature": 0.6}, TemperatureLogitsWarper(0.6)),
        ("top_k", {"top_k": 5}, TopKLogitsWarper(5)),
        ("top_p", {"top_p": 0.7}, TopPLogitsWarper(0.7)),
        ("min_p", {"min_p": 0.4}, MinPLogitsWarper(0.4)),
        ("typical_p", {"typical_p": 0.5}, TypicalLogitsWarper(0.5)),
        ("repetition_penalty", {"repetition_penalty": 1.5}, RepetitionPenaltyLogitsProcessor(1.5)),
    ],
)
def test_a_stage_alone_is_transformers_processor_of_that_name(
    xray: inb.Xray, stage: str, change: dict[str, float], theirs: LogitsProcessor
) -> None:
    plain = inb.Sampling(temperature=1, top_p=None, repetition_penalty=1, seed=1)
    for step in xray.under(plain, **change):
        [effect] = [one for one in step.stages if one.on]
        assert effect.name == stage
        ids = torch.tensor([[*step.place.prompt, *step.place.before]])
        expected = theirs(ids, step.place.logits.unsqueeze(0).clone())[0].log_softmax(-1)
        torch.testing.assert_close(effect.logprobs, expected, atol=1e-5, rtol=0)


def test_the_order_of_stages_changes_what_is_kept(xray: inb.Xray) -> None:
    hot = xray.under(inb.Sampling(seed=1, temperature=3, top_p=0.5, repetition_penalty=1))
    late = hot.under(order=("top_p", "temperature"))
    assert [stage.name for stage in late[0].stages] == ["top_p", "temperature"]
    kept = [step.stages[-1].kept for step in hot], [step.stages[-1].kept for step in late]
    assert all(one > other for one, other in zip(*kept, strict=True))


def test_other_settings_take_no_forward_pass_and_agree_with_generating(
    model: inb.Model, xray: inb.Xray
) -> None:
    passes = model.forwards
    cold = xray.under(temperature=0)
    assert model.forwards == passes
    assert cold.sampling.seed == 5
    assert cold[0].drawn == model.generate(PROMPT, ALL, temperature=0).ids[0]
    assert float(cold[0].sampled.exp().max()) == 1.0
    other = xray.under(seed=6, temperature=2, top_p=None)
    assert other[0].drawn == model.generate(PROMPT, other.sampling).ids[0]


def test_frames_say_raw_and_sampled(model: inb.Model, xray: inb.Xray) -> None:
    frame = xray[0].to_frame(10)
    on = [stage.name for stage in xray[0].stages if stage.on]
    assert list(frame) == ["token", "id", "rank", "raw", *on, "sampled", "cut_by", "drawn"]
    assert frame["raw"].head(10).is_monotonic_decreasing
    assert frame.loc[frame["drawn"], "id"].tolist() == [xray[0].place.id]
    cut = frame[frame["cut_by"].notna()]
    assert (cut["sampled"] == 0).all()
    assert set(cut["cut_by"]) <= set(on)
    whole = xray.to_frame()
    assert len(whole) == len(xray) * len(STAGES)
    assert set(whole.loc[~whole["on"], "cut"]) <= {0}
    page = xray._repr_html_()
    assert "raw: the model itself" in page
    assert "post-sampler: drawn from" in page


def test_a_grammar_is_the_first_stage(model: inb.Model) -> None:
    xray = model.xray(PROMPT, ALL, steps=4, grammar="json")
    ids = model.generate(PROMPT, ALL, grammar="json").ids[:4]
    assert [step.place.id for step in xray] == ids
    for step in xray:
        assert step.stages[0].name == "grammar"
        assert step.stages[0].cut > 0
        assert step.cut_by(next(iter(step.raw.argsort()[:1].tolist()))) == "grammar"
    with pytest.raises(InvalidSampling, match="grammar"):
        xray.under(grammar=None)


def test_it_stops_at_the_end_of_the_text_and_when_told(model: inb.Model, xray: inb.Xray) -> None:
    end = min(model.ends)
    assert len(model.xray(PROMPT, temperature=0, logit_bias={end: 1e6}, steps=5)) == 1
    cancel = threading.Event()
    seen: list[tuple[int, int]] = []

    def stop(place: Place, total: int) -> None:
        seen.append((place.index, total))
        if place.index == 1:
            cancel.set()

    part = model.xray(PROMPT, ALL, steps=100, cancel=cancel, on_place=stop)
    assert 2 <= len(part) < 100
    assert seen[:2] == [(0, 100), (1, 100)]
    assert part.completion.finish_reason == "cancelled"
    assert part.completion.ids == [step.place.id for step in part]


def test_what_it_shows_is_a_completion(model: inb.Model, xray: inb.Xray) -> None:
    generated = model.generate(PROMPT, ALL)
    assert xray.completion.text == generated.text
    assert xray.completion.finish_reason == generated.finish_reason
    assert xray.completion.receipt == generated.receipt
    again = model.xray(PROMPT, ALL, steps=12).completion
    passes = model.forwards
    assert again.what_if().flips == ()
    assert model.forwards == passes


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"steps": 0}, InvalidData, "steps"),
        ({"steps": "two"}, InvalidData, "steps"),
        ({"top_q": 1}, InvalidSampling, "top_q"),
        ({"temperature": -1}, InvalidSampling, "temperature"),
        ({"max_new_tokens": 3}, InvalidSampling, "max_new_tokens does not decide"),
        ({"stop": ["a"]}, InvalidSampling, "stop does not decide"),
        ({"steps": MOST}, OutOfMemory, "at most 2.1 GB"),
        ({"logit_bias": {10**7: 1.0}}, InvalidSampling, "10000000"),
    ],
)
def test_what_is_refused(
    model: inb.Model, options: dict[str, object], error: type[inb.InfluenceError], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        model.xray(PROMPT, **options)
    assert refused.value.hint
    assert len(model.xray(PROMPT)) == 1


def test_where_a_text_ends_is_no_setting_to_look_under(xray: inb.Xray) -> None:
    with pytest.raises(InvalidSampling, match="max_new_tokens does not decide") as refused:
        xray.under(max_new_tokens=1)
    assert "steps=" in refused.value.hint


def test_prompts_that_do_not_fit_and_counts_that_are_none(model: inb.Model, xray: inb.Xray) -> None:
    with pytest.raises(ContextTooLong, match="has a context of"):
        model.xray([5] * 10_000)
    with pytest.raises(InvalidData, match="count=0"):
        xray[0].to_frame(0)


def test_an_unloaded_model_says_so_and_what_was_looked_at_stays(tiny_folder: Callable[..., object]) -> None:
    model = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    xray = model.xray(PROMPT, seed=1)
    model.unload()
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.xray(PROMPT)
    assert xray.under(temperature=0)[0].drawn == int(xray[0].raw.argmax())
