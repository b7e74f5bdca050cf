"""The token inspector on a tiny model, without a browser: what it shows of a text, what it writes, what goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.engine.inspection import Measures
from influence_nb.engine.token_text import visible
from influence_nb.errors import CapabilityMissing, ContextTooLong, InvalidData, ModelNotFound
from influence_nb.widgets.inspector import TokenInspector
from influence_nb.widgets.inspector_picture import LEGENDS, level, percent
from tests import tiny
from tests.chat_server import ChatServer
from tests.widgets.waiting import WAIT, say, until

TEXT = "the quick brown fox"
SEEDED = inb.Sampling(seed=3, temperature=0.8, min_new_tokens=6)


@pytest.fixture
def inspector(model: inb.Model) -> Iterator[TokenInspector]:
    made = TokenInspector(sampling=SEEDED)
    made.length = 6
    yield made
    made.close()


def settled(panel: TokenInspector) -> None:
    until(panel, lambda: panel.status == "idle" and bool(panel.tokens), "status", "tokens")


def test_a_pasted_text_is_coloured_by_what_surprised_the_model(
    inspector: TokenInspector, model: inb.Model
) -> None:
    say(inspector, type="score", prompt=TEXT, chat=False, length=6)
    settled(inspector)
    scores = model.score(TEXT)
    assert inspector.tokens == list(scores.tokens)
    expected = [-1, *(level("logprob", Measures(one)) for one in scores.logprobs[1:])]
    assert inspector.levels == expected
    assert f"perplexity {scores.perplexity:.3g}" in inspector.summary
    assert (inspector.has_sampled, inspector.branches, inspector.note) == (False, ["the text"], "")
    json.dumps(inspector.get_state(), allow_nan=False, default=str)


def test_each_measure_has_its_steps() -> None:
    assert [level("logprob", Measures(math.log(p))) for p in (0.6, 0.3, 0.05, 0.005, 0.0005)] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert [level("rank", Measures(rank=one)) for one in (1, 5, 20, 100, 101)] == [0, 1, 2, 3, 4]
    assert [level("entropy", Measures(entropy=one)) for one in (0, 0.5, 2, 3, 9)] == [0, 1, 2, 3, 4]
    assert [level("margin", Measures(margin=one)) for one in (math.inf, 1, 0, -1, -math.inf)] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert level("margin", Measures()) == level("margin", None) == -1
    assert visible(" a\n\u200b") == "·a↵⟨200b⟩"


def test_a_completion_has_both_distributions(inspector: TokenInspector, model: inb.Model) -> None:
    completion = model.generate(TEXT, SEEDED, max_new_tokens=6)
    inspector.inspect(completion).result(WAIT)
    assert (inspector.has_sampled, inspector.given, len(inspector.tokens)) == (True, 0, 6)
    for measure in LEGENDS:
        for of in ("raw", "sampled"):
            say(inspector, type="colour", measure=measure, of=of)
            assert (inspector.measure, inspector.of) == (measure, of)
            assert inspector.legend == list(LEGENDS[measure])
            assert min(inspector.levels) >= 0
    say(inspector, type="at", index=2)
    xray = model.xray(TEXT, SEEDED, 6)
    for bar in inspector.view["bars"]:
        assert bar["raw"] == pytest.approx(float(xray[2].raw[bar["id"]].exp()))
        assert bar["sampled"] == pytest.approx(float(xray[2].sampled[bar["id"]].exp()))
    assert inspector.view["came"] == completion.ids[2]
    say(inspector, type="hint", index=4)
    assert (inspector.hint["index"], inspector.where) == (4, 2)
    assert 5 <= len(inspector.hint["bars"]) <= 6


def test_what_surprised_the_model_most_is_shown_first(inspector: TokenInspector, model: inb.Model) -> None:
    scores = model.score(TEXT)
    least = scores.logprobs.index(min(one for one in scores.logprobs if one is not None))
    inspector.inspect(TEXT).result(WAIT)
    assert inspector.where == least > 0
    assert inspector.summary.endswith(
        f"{visible(scores.tokens[least])} with {percent(scores.logprobs[least])}."
    )
    inspector.at(1)
    inspector.inspect(TEXT).result(WAIT)
    assert inspector.where == 1  # the same text again: who reads it stays where they were
    inspector.inspect(model.generate(TEXT, SEEDED, max_new_tokens=6)).result(WAIT)
    assert inspector.where == min(range(6), key=lambda at: inspector.inspected[at].raw.logprob)


def test_a_token_is_taken_and_branches_are_kept(inspector: TokenInspector, model: inb.Model) -> None:
    first = inspector.write(TEXT).result(WAIT)
    assert first.ids == model.generate(TEXT, SEEDED, max_new_tokens=6).ids
    other = next(one.id for one in first[2].alternatives if one.id != first.ids[2])
    say(inspector, type="take", id=other, index=2, length=4)
    until(
        inspector, lambda: len(inspector.branches) == 2 and inspector.status == "idle", "branches", "status"
    )
    second = inspector.inspected
    assert second.ids[:3] == [*first.ids[:2], other]
    assert len(second) == 6
    assert (inspector.branch, inspector.where, inspector.view["came"]) == (1, 2, other)
    assert inspector.branches[1] == f"token 2: {visible(second[2].token)} for {visible(first[2].token)}"
    say(inspector, type="show", branch=0)
    assert inspector.tokens == [place.token for place in first]
    back = inspector.take(first.ids[2], 2).result(WAIT)
    assert back.ids[:3] == first.ids[:3]
    assert inspector.branch == 2


def test_one_goes_on_from_a_pasted_text(inspector: TokenInspector) -> None:
    text = inspector.inspect(TEXT).result(WAIT)
    other = text[2].alternatives[3].id
    branch = inspector.take(other, 2).result(WAIT)
    assert branch.ids[:3] == [*text.ids[:2], other]
    assert (branch.given, len(branch), inspector.has_sampled) == (2, 8, True)
    assert inspector.given == 2
    say(inspector, type="at", index=0)
    assert inspector.view["fixed"]
    with pytest.raises(InvalidData, match="Nothing stands before"):
        inspector.take(5, 0)


def test_scores_are_shown_as_they_are_or_filled_in(model: inb.Model) -> None:
    scores = model.score(TEXT)
    filled = TokenInspector(scores)
    settled(filled)
    until(filled, lambda: bool(filled.view) and filled.note == "", "view", "note")
    filled.at(3)
    assert filled.view["bars"]
    model.unload()
    alone = TokenInspector(scores)
    alone.at(3)
    assert alone.view["bars"] == []
    assert alone.view["fixed"]
    assert "top=10" in alone.note
    assert alone.levels[3] == level("logprob", Measures(scores.logprobs[3]))
    filled.close()
    alone.close()


def test_stop_keeps_what_has_come(inspector: TokenInspector) -> None:
    inspector.length = 200
    future = inspector.write(TEXT)
    until(inspector, lambda: len(inspector.tokens) >= 2, "tokens")
    say(inspector, type="stop")
    assert 1 <= len(future.result(WAIT)) <= 200
    assert inspector.status == "idle"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "at", "index": 900}, "no token 900"),
        ({"type": "hint", "index": -1}, "no token -1"),
        ({"type": "take", "id": 10**6, "index": 2, "length": 3}, "token=1000000"),
        ({"type": "take", "id": 5, "index": 99, "length": 3}, "no token 99"),
        ({"type": "take", "id": 5, "index": 2, "length": 0}, "max_new_tokens"),
        ({"type": "show", "branch": 7}, "branch=7"),
        ({"type": "colour", "measure": "heat", "of": "raw"}, "heat"),
        ({"type": "colour", "measure": "rank", "of": "sampled"}, "Nothing was drawn"),
        ({"type": "score", "prompt": "", "chat": False, "length": 3}, "prompt is empty"),
        ({"type": "write", "prompt": "", "chat": False, "length": 3}, "prompt is empty"),
        ({"type": "export", "suffix": "exe"}, "unknown"),
        ({"type": "close"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_a_page_may_not_ask_is_said(
    inspector: TokenInspector, message: dict[str, Any], words: str
) -> None:
    inspector.inspect(TEXT).result(WAIT)
    before = inspector.tokens
    say(inspector, **message)
    until(
        inspector, lambda: inspector.problem is not None and inspector.status == "idle", "problem", "status"
    )
    assert words in inspector.problem["message"]
    assert inspector.problem["hint"]
    assert inspector.tokens == before
    assert inspector.take(7, 2).result(WAIT).ids[2] == 7
    assert inspector.problem is None


def test_a_text_longer_than_the_context_is_scored_in_windows(
    inspector: TokenInspector, model: inb.Model
) -> None:
    looked = inspector.inspect(TEXT * 60).result(WAIT)
    assert len(looked) > model.context_length
    assert "windows" in inspector.note
    with pytest.raises(ContextTooLong):
        inspector.take(5, len(looked) - 1)
    assert inspector.take(5, 3).result(WAIT).ids[3] == 5


def test_an_unloaded_model_is_offered_again_and_one_goes_on(
    inspector: TokenInspector, model: inb.Model
) -> None:
    completion = model.generate(TEXT, SEEDED, max_new_tokens=6)
    model.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        inspector.inspect(completion).result(WAIT)
    assert inspector.problem["load"]
    assert len(inspector.tokens) == 6
    assert inspector.note
    assert min(inspector.levels) >= 0
    say(inspector, type="load")
    until(inspector, lambda: inspector.note == "" and inspector.status == "idle", "note", "status")
    assert inspector.problem is None
    assert inspector.take(9, 2).result(WAIT).ids[:3] == [*completion.ids[:2], 9]


def test_a_server_without_logprobs_says_what_is_missing() -> None:
    with ChatServer() as server:
        panel = TokenInspector(model=inb.load(endpoint=server.url))
        panel.write("Hi").result(WAIT)
        assert "".join(panel.tokens) == "Hello there."
        assert "server does not tell" in panel.note
        assert set(panel.levels) == {-1}
        assert panel.view["fixed"]
        with pytest.raises(CapabilityMissing, match="go on from"):
            panel.take(3, 0)
        with pytest.raises(CapabilityMissing, match="score"):
            panel.inspect("Hi there").result(WAIT)
        assert panel.problem["hint"]
        assert "".join(panel.tokens) == "Hello there."
        panel.close()
        panel.state.selected.unload()


def test_the_model_of_a_text_is_offered_again_where_another_is_selected(
    model: inb.Model, folder: Path, tmp_path: Path
) -> None:
    other = inb.load(tiny.build(tmp_path / "other", "llama"), device="cpu", dtype="float32")
    inspector = TokenInspector(model=model, sampling=SEEDED)
    completion = inspector.write(TEXT).result(WAIT).completion
    inspector.state.selected = other
    model.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        inspector.take(9, 2).result(WAIT)
    assert inspector.problem["load"]
    inspector.load().result(WAIT)
    assert [one.name for one in inb.loaded()] == [other.name, model.name]
    assert inspector.take(9, 2).result(WAIT).ids[:3] == [*completion.ids[:2], 9]
    with pytest.raises(InvalidData, match="empty"):
        inspector.inspect("").result(WAIT)
    assert not inspector.problem["load"]
    inspector.close()


def test_without_a_model_it_says_what_to_do() -> None:
    with pytest.raises(ModelNotFound, match="No model is loaded"):
        TokenInspector("a text")
    panel = TokenInspector()
    assert panel.inspected is None
    assert "No text was looked at yet" in panel.static_html()
    for ask in (
        panel.to_frame,
        panel.to_html,
        lambda: panel.at(0),
        lambda: panel.take(1),
        lambda: panel.show(0),
    ):
        with pytest.raises(InvalidData, match="No text"):
            ask()
    with pytest.raises(TypeError, match="heat"):
        TokenInspector(heat=1)
    panel.close()


def test_it_is_saved_as_a_page_and_as_a_frame(
    inspector: TokenInspector, model: inb.Model, tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script> the\n"
    looked = inspector.inspect(evil).result(WAIT)
    page = inspector.save(tmp_path / "tokens.html").read_text()
    assert "<script" not in page
    assert "http" not in page
    assert page.count('class="t"') == len(looked)
    assert visible(looked[3].alternatives[0].token) in page.replace("&lt;", "<").replace("&gt;", ">")
    assert inspector.save(tmp_path / "tokens.csv").read_text().count("logprob_raw") == 1
    assert inspector.to_frame()["token"].tolist() == inspector.tokens
    with pytest.raises(InvalidData, match="cannot be written"):
        inspector.save(tmp_path / "none" / "tokens.html")
    static = inspector.static_html()
    assert "<script" not in static
    assert "perplexity" in static
    sent: list[dict[str, Any]] = []
    inspector.send = lambda message, buffers=None: sent.append(message)
    say(inspector, type="export", suffix="html")
    assert sent[0]["text"] == inspector.to_html()
