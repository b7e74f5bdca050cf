"""A text token by token: the figures are those of scores and X-rays, and one can go on from every place."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

import influence_nb as inb
from influence_nb.engine.inspection import of_completion, of_scores, of_text, recorded
from influence_nb.errors import CapabilityMissing, InvalidData
from tests.chat_server import ChatServer

PROMPT = "The quick brown fox"
SEEDED = inb.Sampling(seed=11, temperature=0.9, top_p=0.8, min_new_tokens=9, max_new_tokens=9)


@pytest.fixture(scope="module")
def model(load: Callable[..., inb.Model]) -> inb.Model:
    return load()


def test_a_completions_tokens_have_the_figures_of_the_xray(model: inb.Model) -> None:
    completion = model.generate(PROMPT, SEEDED)
    looked = of_completion(completion)
    xray = model.xray(PROMPT, SEEDED, 9)
    assert looked.ids == completion.ids
    assert (looked.missing, looked.given, looked.has_sampled) == ("", 0, True)
    for place, step, event in zip(looked, xray, completion.tokens, strict=True):
        for measures, logprobs in ((place.raw, step.raw), (place.sampled, step.sampled)):
            own = float(logprobs[place.id])
            others = logprobs.clone()
            others[place.id] = -math.inf
            assert measures is not None
            assert measures.logprob == pytest.approx(own, abs=1e-5)
            assert measures.rank == int((logprobs > logprobs[place.id]).sum()) + 1
            assert measures.margin == pytest.approx(own - float(others.max()), abs=1e-5)
        assert place.raw.entropy == pytest.approx(step.stages[0].entropy_before, abs=1e-4)
        assert place.sampled.entropy == pytest.approx(step.stages[-1].entropy, abs=1e-4)
        assert event.logprob_raw == pytest.approx(place.raw.logprob, abs=1e-4)
        assert event.logprob_sampled == pytest.approx(place.sampled.logprob, abs=1e-4)
        assert [one.id for one in place.alternatives] == step.raw.topk(10).indices.tolist()
        for one in place.alternatives:
            assert one.raw == pytest.approx(float(step.raw[one.id]), abs=1e-5)
            assert one.sampled == pytest.approx(float(step.sampled[one.id]), abs=1e-5)


def test_at_temperature_0_one_token_has_all(model: inb.Model) -> None:
    looked = of_completion(model.generate(PROMPT, temperature=0, max_new_tokens=4, min_new_tokens=4))
    for place in looked:
        assert (place.sampled.logprob, place.sampled.rank, place.sampled.entropy) == (0, 1, 0)
        assert place.sampled.margin == math.inf
    assert looked.to_frame()["margin_sampled"].tolist() == [math.inf] * 4


def test_a_texts_tokens_have_the_figures_of_its_scores(model: inb.Model) -> None:
    scores = model.score(PROMPT, top=10)
    looked = of_text(model, PROMPT)
    frame = looked.to_frame()
    assert frame["logprob_raw"].tolist()[1:] == pytest.approx(scores.logprobs[1:])
    assert frame["rank_raw"].tolist()[1:] == list(scores.ranks[1:])
    assert frame["logprob_sampled"].isna().all()
    assert (looked.given, looked.has_sampled, looked[0].raw.logprob) == (len(looked), False, None)
    for place in looked.places[1:]:
        best = place.alternatives[0]
        led = place.raw.logprob - (place.alternatives[1] if best.id == place.id else best).raw
        assert place.raw.margin == pytest.approx(led)
    plain = of_scores(model.score(PROMPT), model)
    assert "top=10" in plain.missing
    assert plain[2].raw.margin is None


def test_a_long_text_says_how_it_was_scored(model: inb.Model) -> None:
    assert "windows" in of_text(model, PROMPT * 60).missing


def test_one_goes_on_from_any_place_of_a_text_and_again_from_there(model: inb.Model) -> None:
    looked = of_text(model, PROMPT)
    token = looked[3].alternatives[4].id
    once = of_completion(looked.branch(3, token, SEEDED).completion, given=looked.before(3))
    assert once.ids[:4] == [*looked.ids[:3], token]
    assert (once.given, len(once)) == (3, 12)
    assert once[3].raw.logprob == pytest.approx(looked[3].alternatives[4].raw, abs=1e-4)
    later = once[7].alternatives[3].id
    twice = of_completion(once.branch(7, later).completion, given=once.before(7))
    assert twice.ids[:8] == [*once.ids[:7], later]
    earlier = of_completion(twice.branch(2, 40, SEEDED).completion, given=twice.before(2))
    assert earlier.ids[:3] == [*looked.ids[:2], 40]


def test_what_cannot_be_is_refused(model: inb.Model) -> None:
    looked = of_text(model, PROMPT)
    with pytest.raises(InvalidData, match="Nothing stands before"):
        looked.branch(0, 5)
    with pytest.raises(InvalidData, match="index"):
        looked.branch(len(looked), 5)
    with pytest.raises(InvalidData, match="token"):
        looked.branch(2, model.vocabulary_size)
    with pytest.raises(InvalidData, match="token"):
        of_completion(model.generate(PROMPT, SEEDED)).branch(2, -1)


def test_a_server_leaves_out_what_it_does_not_tell() -> None:
    with ChatServer() as server:
        model = inb.load(endpoint=server.url)
        looked = of_completion(model.generate("Hi"))
        assert "".join(place.token for place in looked) == "Hello there."
        assert "server does not tell" in looked.missing
        assert looked.to_frame()["logprob_raw"].isna().all()
        with pytest.raises(CapabilityMissing, match="go on from"):
            looked.branch(0, 1)
        model.unload()


def test_what_was_recorded_stays_when_the_model_is_gone(load: Callable[..., inb.Model]) -> None:
    model = load()
    completion = model.generate(PROMPT, SEEDED)
    model.unload()
    with pytest.raises(CapabilityMissing):
        of_completion(completion)
    kept = recorded(completion)
    assert kept.to_frame()["logprob_raw"].notna().all()
    again = load()
    looked = of_completion(completion.on(again))
    assert looked.ids == completion.ids
    assert kept.branch(2, 7, model=again).completion.ids[:3] == [*completion.ids[:2], 7]
