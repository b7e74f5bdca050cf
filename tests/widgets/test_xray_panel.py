"""The X-ray panel on a tiny model, without a browser: what the page is told, what it may ask, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, InvalidSampling, ModelNotFound
from influence_nb.widgets.lab import SamplingLab
from influence_nb.widgets.xray import XrayPanel
from tests.widgets.waiting import WAIT, say, until

SEEDED = inb.Sampling(seed=3, temperature=0.8, min_new_tokens=6)


@pytest.fixture
def panel(model: inb.Model) -> Iterator[XrayPanel]:
    made = XrayPanel(sampling=SEEDED)
    yield made
    made.close()


def settled(panel: XrayPanel) -> None:
    until(panel, lambda: panel.judged and panel.status == "idle", "judged", "status")


def test_a_text_is_written_and_its_first_choice_shown(panel: XrayPanel, model: inb.Model) -> None:
    xray = panel.look("the quick brown", 6).result(WAIT)
    assert [step.place.id for step in xray] == model.generate("the quick brown", SEEDED, max_new_tokens=6).ids
    assert panel.tokens == [xray.trace.name(step.place.id) for step in xray]
    assert (panel.status, panel.where, panel.changed, panel.flips) == ("idle", 0, [], [])
    step = xray[0]
    assert panel.view["drawn"] == panel.view["came"] == step.place.id
    assert panel.view["vocabulary"] == model.vocabulary_size
    for bar in panel.view["bars"]:
        assert bar["raw"] == pytest.approx(float(step.raw[bar["id"]].exp()))
        assert bar["sampled"] == pytest.approx(float(step.sampled[bar["id"]].exp()))
        assert bar["cut"] == step.cut_by(bar["id"])
    json.dumps(panel.get_state(), allow_nan=False, default=str)


def test_sliders_move_without_a_forward_pass_and_flips_follow(panel: XrayPanel, model: inb.Model) -> None:
    panel.look("the quick brown", 6).result(WAIT)
    passes = model.forwards
    say(panel, type="set", values={"temperature": 2.5, "top_p": None}, number=7)
    assert panel.answered == 7
    assert panel.changed == ["temperature", "top_p"]
    settled(panel)
    what = panel.xray.completion.what_if(temperature=2.5, top_p=None)
    assert [flip["index"] for flip in panel.flips] == [flip.index for flip in what.flips]
    assert panel.flips
    assert model.forwards == passes
    say(panel, type="reset")
    settled(panel)
    assert (panel.changed, panel.flips, panel.sampling["temperature"]) == ([], [], 0.8)


def test_stages_are_put_in_another_order_and_compared(panel: XrayPanel) -> None:
    panel.look("the quick brown", 6).result(WAIT)
    say(panel, type="set", values={"temperature": 3.0, "top_p": 0.5}, number=1)
    say(panel, type="pin")
    before = panel.view["stages"][-1]["kept"]
    order = ["top_p", *(name for name in panel.sampling["order"] if name != "top_p")]
    say(panel, type="order", order=order, number=2)
    assert [stage["name"] for stage in panel.view["stages"]] == order
    assert panel.view["stages"][-1]["kept"] < before == panel.view["pinned"]["kept"]
    assert all(bar["pinned"] is not None for bar in panel.view["bars"])
    assert "order" in panel.changed
    say(panel, type="unpin")
    assert panel.view["pinned"] is None


def test_what_would_come_is_written_and_one_can_go_back(panel: XrayPanel, model: inb.Model) -> None:
    first = panel.look("the quick brown", 6).result(WAIT)
    say(panel, type="set", values={"temperature": 2.5, "top_p": None}, number=1)
    settled(panel)
    second = panel.regenerate().result(WAIT)
    assert second.completion.ids == model.generate("the quick brown", second.sampling).ids
    assert (panel.earlier, panel.changed) == (1, [])
    say(panel, type="back")
    assert panel.tokens == [first.trace.name(step.place.id) for step in first]
    assert panel.earlier == 0


def test_another_token_is_taken(panel: XrayPanel) -> None:
    first = panel.look("the quick brown", 6).result(WAIT)
    say(panel, type="at", index=2)
    other = next(bar["id"] for bar in panel.view["bars"] if bar["id"] != panel.view["came"])
    branch = panel.take(other).result(WAIT)
    assert branch.completion.ids[:3] == [*first.completion.ids[:2], other]
    assert panel.where == 2
    assert panel.view["came"] == other
    third = panel.take(first.completion.ids[2]).result(WAIT)
    assert third.completion.ids == first.completion.ids


def test_a_chat_message_goes_through_the_template(panel: XrayPanel, model: inb.Model) -> None:
    say(panel, type="look", prompt="hello", chat=True, length=3)
    until(panel, lambda: panel.status == "idle" and bool(panel.view), "status", "view")
    shown = model.decode(panel.xray.trace.places[0].prompt, special=True)
    assert shown == model.render([{"role": "user", "content": "hello"}])


def test_stop_keeps_what_has_come(panel: XrayPanel) -> None:
    future = panel.look("the quick brown", 200)
    until(panel, lambda: len(panel.tokens) >= 2, "tokens")
    say(panel, type="stop")
    assert 2 <= len(future.result(WAIT)) <= 200
    assert panel.status == "idle"
    assert panel.view["bars"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "at", "index": 0}, "not looked at"),
        ({"type": "regenerate"}, "not looked at"),
        ({"type": "take", "id": 5}, "not looked at"),
        ({"type": "set", "values": {"temperature": -1}, "number": 1}, "temperature=-1"),
        ({"type": "set", "values": {"heat": 1}, "number": 1}, "heat"),
        ({"type": "order", "order": ["top_q"], "number": 1}, "top_q"),
        ({"type": "look", "prompt": "", "chat": False, "length": 3}, "prompt is empty"),
        ({"type": "look", "prompt": "a", "chat": False, "length": 0}, "steps"),
        ({"type": "look", "prompt": 5, "chat": False, "length": 3}, "unknown"),
        ({"type": "close"}, "unknown"),
        ({"type": "__init__"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_a_page_may_not_ask_is_said(panel: XrayPanel, message: dict[str, Any], words: str) -> None:
    say(panel, **message)
    until(panel, lambda: panel.problem is not None and panel.status == "idle", "problem", "status")
    assert words in panel.problem["message"]
    assert panel.problem["hint"]
    assert len(panel.look("the quick", 2).result(WAIT)) == 2
    assert panel.problem is None


def test_an_unloaded_model_is_offered_again_and_what_was_looked_at_stays(
    panel: XrayPanel, model: inb.Model, folder: Path
) -> None:
    panel.look("the quick brown", 4).result(WAIT)
    model.unload()
    assert panel.model == ""
    say(panel, type="set", values={"temperature": 0}, number=1)
    assert panel.view["greedy"]
    say(panel, type="look", prompt="the", chat=False, length=2)
    assert panel.problem["load"]
    panel.load().result(WAIT)
    assert panel.problem is None
    assert panel.model == model.name
    assert len(panel.look("the", 2).result(WAIT)) == 2


def test_without_a_model_it_says_what_to_do() -> None:
    panel = XrayPanel()
    with pytest.raises(ModelNotFound, match="No model is loaded"):
        panel.look("the")
    with pytest.raises(InvalidData, match="not looked at"):
        panel.regenerate()
    with pytest.raises(InvalidSampling):
        panel.set(temperature=-1)
    with pytest.raises(InvalidSampling, match="max_new_tokens does not decide"):
        panel.set(max_new_tokens=3)
    with pytest.raises(TypeError, match="heat"):
        XrayPanel(heat=1)
    panel.close()


def test_the_saved_notebook_has_the_text_and_the_choice(model: inb.Model) -> None:
    lab = SamplingLab(sampling=SEEDED)
    assert "not looked at yet" in lab.static_html()
    lab.xray.look("the quick brown", 4).result(WAIT)
    page = lab.static_html()
    assert "raw: the model itself" in page
    assert f"[{lab.xray.tokens[0]}]" in page
    assert "<script" not in page
    lab.close()


def test_a_text_that_was_written_elsewhere_is_looked_at(panel: XrayPanel, model: inb.Model) -> None:
    completion = model.generate("the quick brown", temperature=1.3, seed=8, max_new_tokens=5)
    looked = panel.inspect(completion).result(WAIT)
    assert [step.place.id for step in looked] == completion.ids
    assert (len(panel.tokens), panel.sampling["temperature"], panel.flips) == (len(completion.ids), 1.3, [])
    panel.at(2)
    assert panel.view["drawn"] == panel.view["came"] == completion.ids[2]
