"""`model.tree`: branch probabilities are those of `score`, and what is not shown is a number on each node."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.engine import groups
from influence_nb.engine.sampling import STAGES
from influence_nb.errors import CapabilityMissing, ContextTooLong, InvalidData

TEXT = "The quick brown fox"


def agrees(model: inb.Model, tree: inb.TokenTree) -> None:
    """Every branch has the probability of a plain score, and every node's mass is one."""
    for node in tree:
        scores = model.score([*tree.prompt, *node.ids]).logprobs[len(tree.prompt) :]
        assert node.branch_logprob == pytest.approx(math.fsum(scores), abs=2e-4)
        assert node.logprob == pytest.approx(scores[-1], abs=1e-4)
    for node in (tree.root, *tree):
        if not node.is_end:
            assert math.fsum([*(child.probability for child in node.children), node.rest]) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["llama", "mamba2", "gemma3_text", "granitemoehybrid+mamba", "gpt2"])
def test_branches_have_the_probabilities_of_a_score(load: Callable[..., inb.Model], kind: str) -> None:
    model = load(kind)
    tree = model.tree(TEXT, depth=3, width=3)
    assert len(tree) == 3 + 9 + 27
    agrees(model, tree)
    greedy = model.generate(TEXT, temperature=0, top_p=None, repetition_penalty=1, max_new_tokens=3).ids
    node, path = tree.root, []
    while node.children:
        node = node.children[0]
        path.append(node.id)
    assert path == greedy


def test_levels_that_do_not_fit_at_once_run_in_parts(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [(node.id, node.logprob) for node in model.tree(TEXT, depth=4, width=3)]
    monkeypatch.setattr(groups, "_MOST", {"cpu": 4})
    found = [(node.id, node.logprob) for node in model.tree(TEXT, depth=4, width=3)]
    assert [one for one, _ in found] == [one for one, _ in expected]
    assert [one for _, one in found] == pytest.approx([one for _, one in expected], abs=1e-4)


def test_a_level_takes_one_pass(model: inb.Model) -> None:
    model.together()
    before = model.forwards
    model.tree(TEXT, depth=4, width=2)
    assert model.forwards == before + 4


def test_mass_and_limit_shape_it(model: inb.Model) -> None:
    tree = model.tree(TEXT, depth=2, width=20, mass=0.3)
    agrees(model, tree)
    for node in (tree.root, *(one for one in tree if one.depth == 1)):
        shown = [child.probability for child in node.children]
        assert math.fsum(shown[:-1]) < 0.3 <= math.fsum(shown) or len(shown) == 20
    assert len(tree) < 500
    small = model.tree(TEXT, depth=6, width=3, limit=30)
    assert 27 < len(small) <= 30
    level = [one for one in small if one.depth == 2]
    opened = [one.branch_probability for one in level if one.is_open]
    closed = [one.branch_probability for one in level if not one.is_open]
    assert not opened or not closed or min(opened) >= max(closed)


def test_nodes_are_expanded_pruned_and_followed(model: inb.Model) -> None:
    tree = model.tree(TEXT, depth=2, width=2)
    leaf = tree.root.children[0].children[1]
    assert not leaf.is_open
    assert leaf.rest == 1
    assert tree.expand(leaf, width=4, depth=2) is leaf
    assert (len(leaf.children), len(leaf.children[0].children)) == (4, 4)
    agrees(model, tree)
    assert tree.find(leaf.ids) is leaf
    assert tree.text(leaf) == model.decode(leaf.ids, special=True)
    assert model.generate([*tree.prompt, *leaf.ids], max_new_tokens=1).ids
    gone = tree.root.children[0]
    mass, count = gone.probability, tree.root.rest
    tree.prune(gone)
    assert tree.root.rest == pytest.approx(count + mass)
    assert len(tree) == 3
    with pytest.raises(InvalidData, match="no node of this tree"):
        tree.expand(leaf)
    with pytest.raises(InvalidData, match="shows no token"):
        tree.find(leaf.ids)
    tree.prune(tree.root)
    assert (len(tree), tree.root.rest) == (0, 1)
    tree.expand(tree.root)
    assert len(tree) == 2


def test_an_end_of_text_has_nothing_after_it(model: inb.Model) -> None:
    tree = model.tree(TEXT, depth=2, width=model.vocabulary_size, limit=2 * model.vocabulary_size)
    end = next(node for node in tree if node.is_end)
    assert (end.children, end.rest) == ([], 0)
    assert tree.root.rest == pytest.approx(0, abs=1e-9)
    with pytest.raises(InvalidData, match="ends a text"):
        tree.expand(end)


def test_what_it_shows(model: inb.Model) -> None:
    tree = model.tree(TEXT, depth=2, width=3)
    frame = tree.to_frame()
    assert len(frame) == 12
    assert list(frame.columns) == [
        "parent", "depth", "id", "token", "logprob", "probability", "branch_logprob", "branch_probability", "rest",
        "text",
    ]  # fmt: skip
    for place, row in frame[frame["depth"] == 2].iterrows():
        above = frame.loc[row["parent"]]
        assert row["branch_probability"] == pytest.approx(above["branch_probability"] * row["probability"]), (
            place
        )
    page = tree._repr_html_()
    assert page.count("<li") == 12 + 4
    assert page.count("not shown") == 4
    assert repr(tree) == "TokenTree(12 nodes, depth 2)"


def test_a_cancel_keeps_what_there_is(model: inb.Model) -> None:
    cancel = threading.Event()
    told: list[int] = []

    def hear(count: int, limit: int) -> None:
        told.append(count)
        if count > 3:
            cancel.set()

    tree = model.tree(TEXT, depth=100, width=1, cancel=cancel, on_progress=hear)
    assert tree.cancelled
    assert 3 < len(tree) < 100
    kept = len(tree)
    tree.expand(tree.root.children[0], cancel=cancel)
    assert len(tree) == kept
    assert not model.tree(TEXT, depth=2).cancelled


@pytest.mark.parametrize(
    ("prompt", "options", "error", "words"),
    [
        (TEXT, {"depth": 0}, InvalidData, "depth=0"),
        (TEXT, {"width": 1.5}, InvalidData, "width=1.5"),
        (TEXT, {"mass": 0}, InvalidData, "mass=0"),
        (TEXT, {"mass": "0.5"}, InvalidData, "mass='0.5'"),
        (TEXT, {"width": 9, "limit": 5}, InvalidData, "width=9.*limit=5"),
        (TEXT, {"limit": 0}, InvalidData, "limit=0"),
        (TEXT, {"cancel": 1}, InvalidData, "cancel=1"),
        ("", {}, InvalidData, "prompt is empty"),
        ([5] * 255, {}, ContextTooLong, "259 tokens deep"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(
    model: inb.Model, prompt: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = model.forwards
    with pytest.raises(error, match=words) as refused:
        model.tree(prompt, **options)
    assert refused.value.hint
    assert model.forwards == before
    assert len(model.tree(TEXT, depth=1)) == 3


def test_after_an_unload_it_says_so_and_keeps_what_it_shows(load: Callable[..., inb.Model]) -> None:
    model = load("mistral")
    tree = model.tree(TEXT, depth=1)
    model.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        tree.expand(tree.root.children[0])
    assert len(tree.to_frame()) == 3


def test_the_most_probable_way_is_followed_and_looked_further_at(load: Callable[..., inb.Model]) -> None:
    model = load()
    tree = model.tree(TEXT, depth=1, width=2)
    last = tree.follow(tree.root, 4)
    greedy = model.generate(TEXT, temperature=0, top_p=None, repetition_penalty=1, max_new_tokens=4)
    assert last.ids == greedy.ids[: last.depth]
    assert last.depth == 4 or last.is_end
    assert tree.follow(last, 1) in [last, *last.children]
    agrees(model, tree)
    stop = threading.Event()
    stop.set()
    assert tree.follow(tree.root, 3, stop) is tree.root
    with pytest.raises(InvalidData, match="steps"):
        tree.follow(tree.root, 0)


def test_a_branch_becomes_a_completion_to_go_on_with(load: Callable[..., inb.Model]) -> None:
    model = load()
    tree = model.tree(TEXT, depth=3, width=2)
    node = tree.root.children[1].children[1].children[0]
    completion = tree.completion(node)
    assert completion.ids == node.ids
    assert completion.text == model.decode(node.ids)
    for event, one in zip(completion.tokens, node.path, strict=True):
        assert event.logprob_raw == pytest.approx(one.logprob, abs=1e-4)
        assert event.logprob_sampled == pytest.approx(one.logprob, abs=1e-4)
    assert completion.receipt.prompt_ids == tree.prompt
    assert completion.receipt.sampling["order"] == list(STAGES), "so that a stage can be tried on it"
    further = completion.branch(3, 7, max_new_tokens=5).completion
    assert further.ids[:4] == [*node.ids, 7]
    with pytest.raises(InvalidData, match="root"):
        tree.completion(tree.root)


def test_a_node_that_gets_more_children_keeps_what_stands_below_them(load: Callable[..., inb.Model]) -> None:
    tree = load().tree(TEXT, depth=2, width=2)
    leaf = tree.root.children[1].children[0]
    tree.expand(leaf)
    tree.expand(tree.root, width=4)
    assert len(tree.root.children) == 4
    assert tree.find(leaf.ids) is leaf
    assert len(leaf.children) == 2
    assert len(tree) == 4 + 4 + 2
    agrees(tree.model, tree)
    tree.expand(tree.root, depth=2)
    assert len(tree) == 2 + 4
