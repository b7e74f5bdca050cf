"""How a tree of tokens grows: level by level, a row for each node, from the KV caches of those before them.

It knows logits and how rows are run (`loop.py`); it does not know how a tree is shown (`tree.py`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influence_nb.arguments import expect_call, expect_event, quoted, whole
from influence_nb.engine import groups, prompts
from influence_nb.engine.loop import SHORT, Cancelled, Steps
from influence_nb.engine.runtimes.transformers import TransformersModel
from influence_nb.engine.tree import Node, OnNodes, TokenTree
from influence_nb.errors import ContextTooLong, InvalidData

if TYPE_CHECKING:
    import torch

    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt


@dataclass(frozen=True)
class Growth:
    """How far a tree is to grow; see `Model.tree`."""

    width: int
    mass: float | None
    depth: int
    limit: int


def plant(
    model: Model,
    prompt: Prompt,
    depth: int,
    width: int,
    mass: float | None,
    limit: int,
    cancel: threading.Event | None,
    on_progress: OnNodes | None,
) -> TokenTree:
    """Arguments and errors as those of `Model.tree`."""
    if not isinstance(model, TransformersModel):
        model._lacks("grow a tree of tokens")
    model.loaded()
    growth = checked(width, mass, depth, limit)
    ids = prompts.ids(prompt, model)
    tree = TokenTree(model, tuple(ids), Node(None, "", 0.0), growth.width, growth.mass)
    below(tree, tree.root, growth, cancel, on_progress)
    return tree


def checked(width: int, mass: float | None, depth: int, limit: int) -> Growth:
    """The numbers, once it is sure that they can be; errors as those of `Model.tree`."""
    depth, width = whole("depth", depth, 1), whole("width", width, 1)
    limit = whole("limit", limit, 1)
    if width > limit:
        raise InvalidData(
            f"A node alone would have width={width:,} children, and the tree has room for limit={limit:,} nodes.",
            "Choose a smaller width, or a larger limit.",
        )
    if mass is not None and (
        isinstance(mass, bool) or not isinstance(mass, int | float) or not 0 < mass <= 1
    ):
        raise InvalidData(
            f"mass={quoted(mass)} cannot be.", "Give a number above 0 and at most 1, or leave it out."
        )
    return Growth(width, mass, depth, limit)


def _check_room(model: TransformersModel, tokens: int) -> None:
    if model.context_length is not None and tokens > model.context_length:
        raise ContextTooLong(
            f"The prompt and the tree are {tokens} tokens deep; {model.name} has a context of "
            f"{model.context_length}.",
            "Shorten the prompt, or give a smaller depth.",
        )


def below(
    tree: TokenTree, node: Node, growth: Growth, cancel: threading.Event | None, on_progress: OnNodes | None
) -> None:
    """Grow below `node`, on the model's worker thread; when something is raised, the tree is as before."""
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    model = tree.model
    model.loaded()
    _check_room(model, len(tree.prompt) + node.depth + growth.depth)
    most = groups.most_rows(model, len(tree.prompt) + node.depth + growth.depth)
    ways = model.together()
    rows = most if ways.copies else 1
    before, node.children = node.children, []
    tree.cancelled = True
    growing = model.on_worker(
        lambda stopped: _grow(tree, node, growth, rows, stopped), "growing a tree", cancel
    )
    try:
        with closing(growing):
            for count in growing:
                if count is None:
                    tree.cancelled = False
                elif on_progress is not None:
                    on_progress(count, growth.limit)
    except BaseException:
        node.children = before
        raise
    if tree.cancelled and not node.children:
        node.children = before
    known = {child.id: child for child in before}
    node.children = [child if child.is_open else known.get(child.id, child) for child in node.children]


def _grow(
    tree: TokenTree, top: Node, growth: Growth, most: int, stopped: Callable[[], bool]
) -> Iterator[int | None]:
    """Level by level, the most probable branches first; yields the count of nodes, and None at the end."""
    import torch

    begun = [*tree.prompt, *top.ids]
    steps: Steps | None = None
    rows: dict[int, int] = {}  # the nodes that `steps` holds, and their places there
    count, pending = 0, [top]
    try:
        while pending and (room := (growth.limit - count) // growth.width):
            depth = min(node.depth for node in pending)
            level = [node for node in pending if node.depth == depth]
            level = sorted(level, key=lambda node: -node.branch_logprob)[: min(room, most)]
            chosen = {id(node) for node in level}
            pending = [node for node in pending if id(node) not in chosen]
            with torch.no_grad():
                if stopped():
                    raise Cancelled
                if steps is not None and all(id(node.parent) in rows for node in level):
                    steps.keep([rows[id(node.parent)] for node in level])
                    logits = steps.step([_id(node) for node in level])
                else:
                    paths = [node.ids[top.depth :] for node in level]
                    steps, logits = _again(tree.model, begun, paths, stopped)
                _open(tree, level, logits, growth)
            rows = {id(node): place for place, node in enumerate(level)}
            below = [child for node in level for child in node.children]
            count += len(below)
            pending += [one for one in below if not one.is_end and one.depth - top.depth < growth.depth]
            yield count
    except Cancelled:
        return
    yield None


def _again(
    model: TransformersModel, begun: list[int], paths: list[list[int]], stopped: Callable[[], bool]
) -> tuple[Steps, torch.Tensor]:
    """Rows that begin alike and go on by paths of one length: what they share runs once."""
    network, at_once = model.loaded(), len(begun) <= SHORT or model.goes_on()
    if len(paths) == 1:
        steps = Steps(network, [[*begun, *paths[0]]], at_once=at_once)
        return steps, steps.prefill(stopped)
    steps = Steps(network, [begun] * len(paths), at_once=at_once, copies=True)
    logits = steps.prefill(stopped)
    for column in zip(*paths, strict=True):
        if stopped():
            raise Cancelled
        logits = steps.step(column)
    return steps, logits


def _open(tree: TokenTree, nodes: Sequence[Node], logits: torch.Tensor, growth: Growth) -> None:
    """Give each node its children from its row of raw logits."""
    model = tree.model
    for node, row in zip(nodes, logits, strict=True):
        exact = row.double().log_softmax(-1)
        best = exact.topk(min(growth.width, len(row)))
        before = 0.0
        for token, logprob in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            if growth.mass is not None and before >= growth.mass:
                break
            text = model.decode([token], special=True)
            node.children.append(Node(token, text, min(logprob, 0.0), node, token in model.ends))
            before += math.exp(logprob)
        node.is_open = True


def _id(node: Node) -> int:
    assert node.id is not None
    return node.id
