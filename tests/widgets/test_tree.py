"""The token tree view on a tiny model, without a browser: what it draws, what is asked of a branch, what goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import CapabilityMissing, ContextTooLong, InvalidData, ModelNotFound
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.tree import TokenTreeView
from tests.chat_server import ChatServer
from tests.widgets.waiting import WAIT, say, until

TEXT = "the quick brown fox"


@pytest.fixture
def view(model: inb.Model) -> Iterator[TokenTreeView]:
    made = TokenTreeView()
    made.length, made.width = 2, 3
    yield made
    made.close()


def settled(view: TokenTreeView) -> None:
    until(view, lambda: view.status == "idle", "status")


def test_a_tree_is_drawn_with_exact_probabilities_and_what_is_not_shown(
    view: TokenTreeView, model: inb.Model
) -> None:
    say(view, type="grow", prompt=TEXT, chat=False, length=2, width=3)
    settled(view)
    assert len(view.nodes) == 1 + 3 + 9
    prompt = list(view.tree.prompt)
    for node in view.nodes[1:]:
        scores = model.score([*prompt, *node["ids"]]).logprobs[len(prompt) :]
        assert node["branch"] == pytest.approx(math.exp(math.fsum(scores)), rel=1e-3)
        assert node["probability"] == pytest.approx(math.exp(scores[-1]), rel=1e-3)
    for node in view.nodes:
        below = [one for one in view.nodes if one["ids"][:-1] == node["ids"] and one["ids"]]
        assert len(below) == node["children"]
        if node["open"]:
            assert math.fsum([*(one["probability"] for one in below), node["rest"]]) == pytest.approx(1)
    assert (view.chosen, view.text, view.share) == ([], "", 1)
    json.dumps(view.get_state(), allow_nan=False, default=str)


def test_a_branch_is_chosen_looked_into_and_pruned(view: TokenTreeView, model: inb.Model) -> None:
    tree = view.grow(TEXT).result(WAIT)
    leaf = tree.root.children[1].children[0]
    say(view, type="choose", ids=leaf.ids, number=4)
    assert (view.answered, view.chosen, view.text) == (4, leaf.ids, model.decode(leaf.ids))
    assert view.share == pytest.approx(leaf.branch_probability)
    say(view, type="expand", ids=leaf.ids, width=5)
    settled(view)
    assert len(leaf.children) == 5
    assert len(view.nodes) == 1 + 3 + 9 + 5
    last = leaf.children[2].ids
    view.choose(last)
    before = leaf.rest
    say(view, type="prune", ids=last)
    assert view.chosen == leaf.ids
    assert leaf.rest > before
    assert len(view.nodes) == 1 + 3 + 9 + 4
    view.prune([])
    assert len(view.nodes) == 1
    view.expand([], 2).result(WAIT)
    assert len(view.nodes) == 3


def test_the_likeliest_way_is_followed(view: TokenTreeView, model: inb.Model) -> None:
    view.grow(TEXT).result(WAIT)
    say(view, type="follow", ids=[], length=4)
    settled(view)
    greedy = model.generate(TEXT, temperature=0, top_p=None, repetition_penalty=1, max_new_tokens=4).ids
    assert view.chosen == greedy[: len(view.chosen)]
    assert len(view.chosen) == 4 or view.tree.find(view.chosen).is_end


def test_a_branch_is_adopted_by_a_chat(model: inb.Model) -> None:
    chat = ChatPanel(model=model)
    view = TokenTreeView(model=model, prompt=TEXT, adopt=chat.adopt)
    settled(view)
    node = view.tree.root.children[0].children[1]
    assert view.adopts
    completion = view.adopt(node.ids).result(WAIT)
    assert completion.ids == node.ids
    assert view.adopted == completion.text
    assert [one["content"] for one in chat.messages] == [TEXT, completion.text]
    with pytest.raises(InvalidData, match="root"):
        view.adopt([])
    view.close()
    chat.close()


def test_a_tree_of_ones_own_is_shown_and_left_to_a_reader(model: inb.Model) -> None:
    tree = model.tree("<b>the", depth=2, width=2)
    view = TokenTreeView(tree)
    assert view.tree is tree
    assert len(view.nodes) == 1 + len(tree)
    page = view.static_html()
    assert "not shown" in page
    assert "&lt;b&gt;the" in page
    assert "<script" not in page
    assert view.adopt(tree.root.children[0].ids).result(WAIT).ids == tree.root.children[0].ids
    view.close()


def test_stop_keeps_what_has_grown(view: TokenTreeView) -> None:
    view.length, view.width = 12, 8
    future = view.grow(TEXT)
    until(view, lambda: view.progress.get("done", 0) > 0 or future.done(), "progress", "status")
    say(view, type="stop")
    assert len(future.result(WAIT)) > 0
    settled(view)
    assert len(view.nodes) == 1 + len(view.tree)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "choose", "ids": [10**6]}, "no token 1000000"),
        ({"type": "prune", "ids": ["x"]}, "no token"),
        ({"type": "adopt", "ids": []}, "root"),
        ({"type": "expand", "ids": [], "width": 0}, "width=0"),
        ({"type": "follow", "ids": [], "length": 0}, "steps=0"),
        ({"type": "grow", "prompt": "", "chat": False, "length": 2, "width": 2}, "prompt is empty"),
        ({"type": "grow", "prompt": "a", "chat": False, "length": 0, "width": 2}, "depth=0"),
        ({"type": "grow", "prompt": "a", "chat": False, "length": 900, "width": 2}, "context"),
        ({"type": "close"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_a_page_may_not_ask_is_said(view: TokenTreeView, message: dict[str, Any], words: str) -> None:
    view.grow(TEXT).result(WAIT)
    before = len(view.nodes)
    say(view, **message)
    until(view, lambda: view.problem is not None and view.status == "idle", "problem", "status")
    assert words in view.problem["message"]
    assert view.problem["hint"]
    assert len(view.nodes) == before
    view.expand([], 2).result(WAIT)
    assert view.problem is None


def test_an_unloaded_model_is_offered_again_and_the_tree_stays(view: TokenTreeView, model: inb.Model) -> None:
    tree = view.grow(TEXT).result(WAIT)
    leaf = tree.root.children[0].children[0].ids
    model.unload()
    view.choose(leaf)
    assert view.text
    with pytest.raises(CapabilityMissing, match="unloaded"):
        view.expand(leaf).result(WAIT)
    assert view.problem["load"]
    view.load().result(WAIT)
    assert view.problem is None
    view.expand(leaf).result(WAIT)
    assert len(tree.find(leaf).children) == 3


def test_what_cannot_be_is_refused(model: inb.Model) -> None:
    with pytest.raises(InvalidData, match="no TokenTree"):
        TokenTreeView("the")
    with pytest.raises(TypeError, match="heat"):
        TokenTreeView(heat=1)
    view = TokenTreeView()
    assert view.tree is None
    for ask in (view.expand, view.follow, view.prune, view.adopt, lambda: view.choose([])):
        with pytest.raises(InvalidData, match="No tree"):
            ask()
    view.length = 500
    with pytest.raises(ContextTooLong):
        view.grow(TEXT).result(WAIT)
    model.unload()
    with pytest.raises(ModelNotFound):
        view.grow(TEXT)
    view.close()


def test_a_server_says_that_it_cannot() -> None:
    with ChatServer() as server:
        view = TokenTreeView(model=inb.load(endpoint=server.url))
        with pytest.raises(CapabilityMissing, match="tree"):
            view.grow("Hi").result(WAIT)
        assert "runtime" in view.problem["hint"]
        view.state.selected.unload()
        view.close()
