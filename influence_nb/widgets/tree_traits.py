"""What the page of a `TokenTreeView` sees: the traits, each with its meaning. It does not know how they come about."""

from __future__ import annotations

from typing import Any

import traitlets

from influence_nb.engine.tree import Node, TokenTree
from influence_nb.widgets.model_panel import ModelPanel
from influence_nb.widgets.page_panel import STATIC

MOST = 2000
"""Nodes that the page draws."""


class TreeTraits(ModelPanel):
    """The synced state of a `TokenTreeView`; only Python sets it."""

    _esm = STATIC / "tree.js"
    _css = STATIC / "tree.css"

    prompt = traitlets.Unicode("The capital of France is").tag(sync=True)
    """What the tree begins after, or the message that is answered."""

    length = traitlets.Int(3).tag(sync=True)
    """How many tokens deep a tree is grown, and how many are followed."""

    width = traitlets.Int(4).tag(sync=True)
    """How many tokens a node is given at most."""

    nodes = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The tree, each node before what stands below it, the root first; see `drawn`. Empty where there is none."""

    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    """The token ids of the branch that is chosen; empty is the root."""

    text = traitlets.Unicode().tag(sync=True)
    """What the chosen branch says."""

    share = traitlets.Float(1.0).tag(sync=True)
    """Its probability after the prompt, of the model's own distribution."""

    adopts = traitlets.Bool(False).tag(sync=True)
    """Whether a branch can be gone on with elsewhere."""

    adopted = traitlets.Unicode().tag(sync=True)
    """The text of the branch that was adopted last; "" for none."""

    progress = traitlets.Dict().tag(sync=True)
    """How far the tree is: {"done", "total"} in nodes, the total being the most there may be; empty for nothing."""


def drawn(tree: TokenTree) -> list[dict[str, Any]]:
    """What the page draws of each node: {"ids", "text", "probability", "branch", "end", "open", "rest", "children"}.

    `branch` is the probability of the whole branch, `rest` the mass after the node that is not shown, `children` how
    many nodes stand directly below it. Beyond `MOST` nodes, branches end without their children.
    """
    found: list[dict[str, Any]] = []

    def add(node: Node, ids: list[int], branch: float) -> None:
        share = branch * node.probability
        below = node.children if len(found) < MOST else []
        found.append(
            {
                "ids": ids,
                "text": node.token,
                "probability": node.probability,
                "branch": share,
                "end": node.is_end,
                "open": node.is_open,
                "rest": node.rest,
                "children": len(below),
            }
        )
        for child in below:
            add(child, [*ids, child.id or 0], share)

    add(tree.root, [], 1.0)
    return found
