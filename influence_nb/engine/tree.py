"""`model.tree`: what may come next, and after that, as a tree of tokens with the exact probability of each branch.

    tree = model.tree("The capital of France is", depth=3, width=4)
    tree.root.children[0].branch_probability, tree.root.rest
    tree.expand(tree.find([7042])), tree.prune(tree.root.children[-1])

It does not know how its nodes are computed (`growth.py`), nor sampling: all probabilities are the model's own.
"""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influence_nb.arguments import quoted, whole
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.engine.completion import Completion
    from influence_nb.engine.runtimes.transformers import TransformersModel

OnNodes = Callable[[int, int], object]
"""Called with how many nodes there are, and the most that there may be."""

_SHOWN = 200
"""Nodes in the picture that a notebook keeps."""


@dataclass(eq=False, repr=False)
class Node:
    """A token in a tree.

    Attributes:
        id: its id; None for the root, which is the end of the prompt.
        token: its text, special ones shown; a part of a character is "�".
        logprob: of this token after those before it (nats, <= 0), of the model's own distribution.
        parent: what it follows; None for the root.
        is_end: whether it ends a text, so that nothing follows it.
        is_open: whether what follows it has been looked at.
        children: the tokens after it that are shown, the most probable first.
    """

    id: int | None
    token: str
    logprob: float
    parent: Node | None = None
    is_end: bool = False
    is_open: bool = False
    children: list[Node] = field(default_factory=list)

    @property
    def probability(self) -> float:
        """Of this token after those before it, in [0, 1]."""
        return math.exp(self.logprob)

    @property
    def path(self) -> list[Node]:
        """The nodes of its branch, from the first token after the prompt to this one."""
        node, found = self, []
        while node.parent is not None:
            found.append(node)
            node = node.parent
        return found[::-1]

    @property
    def depth(self) -> int:
        """How many tokens its branch has; 0 for the root."""
        return len(self.path)

    @property
    def ids(self) -> list[int]:
        """The token ids of its branch."""
        return [node.id for node in self.path if node.id is not None]

    @property
    def branch_logprob(self) -> float:
        """Of the whole branch after the prompt (nats, <= 0): the sum of its tokens'."""
        return math.fsum(node.logprob for node in self.path)

    @property
    def branch_probability(self) -> float:
        """Of the whole branch after the prompt, in [0, 1]."""
        return math.exp(self.branch_logprob)

    @property
    def rest(self) -> float:
        """The mass of what may follow and is not shown, in [0, 1]: with the children's probabilities it sums to 1.

        0 for a token that ends a text.
        """
        return 0.0 if self.is_end else max(0.0, 1.0 - math.fsum(child.probability for child in self.children))

    def __iter__(self) -> Iterator[Node]:
        """Itself and all that stands below it, the most probable child first."""
        yield self
        for child in self.children:
            yield from child

    def __repr__(self) -> str:
        return f"Node({self.token!r}, {self.probability:.4f}, {len(self.children)} children, rest {self.rest:.4f})"


@dataclass(eq=False, repr=False)
class TokenTree:
    """A tree of continuations. `influence_nb` gives it from `model.tree`.

    Attributes:
        model: whose probabilities they are.
        prompt: its token ids.
        root: the end of the prompt.
        width: the most children that a node was given.
        mass: the share of the probability at which a node has children enough; None for no such share.
        cancelled: whether it was stopped before it was whole.
    """

    model: TransformersModel
    prompt: tuple[int, ...]
    root: Node
    width: int
    mass: float | None = None
    cancelled: bool = False

    def __iter__(self) -> Iterator[Node]:
        """All nodes but the root, each before what stands below it."""
        nodes = iter(self.root)
        next(nodes)
        return nodes

    def __len__(self) -> int:
        """How many nodes there are, without the root."""
        return sum(1 for _ in self)

    def find(self, ids: Sequence[int]) -> Node:
        """The node at the end of a branch.

        Args:
            ids: the token ids after the prompt; [] is the root.

        Raises:
            InvalidData: the tree shows no such branch.
        """
        node = self.root
        for place, token in enumerate(ids):
            below = next((child for child in node.children if child.id == token), None)
            if below is None:
                raise InvalidData(
                    f"The tree shows no token {quoted(token)} after {place} tokens of this branch.",
                    f"There are: {', '.join(str(child.id) for child in node.children) or 'none'}.",
                )
            node = below
        return node

    def text(self, node: Node) -> str:
        """What a branch says."""
        return self.model.decode(node.ids, special=True)

    def expand(
        self,
        node: Node,
        width: int | None = None,
        mass: float | None = None,
        depth: int = 1,
        limit: int = 500,
        cancel: threading.Event | None = None,
        on_progress: OnNodes | None = None,
    ) -> Node:
        """Look at what follows a node, in place of what is shown after it; `width` and `mass` by default the tree's.

        What stands below a token that is shown again stays, unless it is looked at anew.

        Arguments and errors as those of `Model.tree`, `limit` being of the nodes below this one.

        Raises:
            InvalidData: the node is of another tree or was pruned, or ends a text.
        """
        self._check(node)
        if node.is_end:
            raise InvalidData(
                f"Nothing follows {quoted(node.token)}: it ends a text.", "Expand another node."
            )
        from influence_nb.engine import growth

        wanted = growth.checked(
            self.width if width is None else width, self.mass if mass is None else mass, depth, limit
        )
        growth.below(self, node, wanted, cancel, on_progress)
        return node

    def follow(self, node: Node, steps: int = 1, cancel: threading.Event | None = None) -> Node:
        """Go on from a node along the most probable token each time, looking further where that was not done yet.

        Args:
            node: where to begin.
            steps: how many tokens at most, >= 1; a text that ends has fewer.
            cancel: set it, from any thread, to stop.

        Returns:
            The last node of the way.

        Raises:
            InvalidData: `steps` is no such number, or the node is of another tree or was pruned.
        """
        self._check(node)
        for _ in range(whole("steps", steps, 1)):
            if not (node.children or node.is_open or node.is_end):
                self.expand(node, cancel=cancel)
            if not node.children or (cancel is not None and cancel.is_set()):
                break
            node = node.children[0]
        return node

    def completion(self, node: Node) -> Completion:
        """A branch as a completion under the model's own distribution, to be gone on with or adopted by a chat.

        Its last token is run once more.

        Raises:
            InvalidData: the node is the root, which says nothing, is of another tree or was pruned.
            CapabilityMissing: the model was unloaded.
        """
        self._check(node)
        if node.parent is None:
            raise InvalidData("The root of a tree says nothing yet.", "Choose a token after it.")
        from influence_nb.engine.completion import TokenEvent
        from influence_nb.engine.sampling import Sampling

        begun = [
            TokenEvent(place, one.id, one.token, one.logprob, one.logprob)
            for place, one in enumerate(node.path[:-1])
        ]
        own = Sampling(temperature=1, top_p=None, repetition_penalty=1, seed=0, max_new_tokens=node.depth)
        token = node.ids[-1]
        return self.model.branch(self.prompt, begun, token, own).completion

    def prune(self, node: Node) -> None:
        """Take a node and what stands below it away: its mass goes to `rest` of the one before. Of the root, all.

        Raises:
            InvalidData: the node is of another tree, or was pruned.
        """
        self._check(node)
        if node.parent is None:
            node.children.clear()
        else:
            node.parent.children.remove(node)

    def to_frame(self) -> pd.DataFrame:
        """A row for each node: node (the index), parent, depth, id, token, logprob, probability, branch_logprob,
        branch_probability, rest, text. `parent` is -1 for the first tokens; log-probabilities are raw, in nats.
        """  # fmt: skip
        import pandas as pd

        places = {id(node): place for place, node in enumerate(self)}
        names = (
            "depth",
            "id",
            "token",
            "logprob",
            "probability",
            "branch_logprob",
            "branch_probability",
            "rest",
        )
        rows = [
            {
                "node": places[id(node)],
                "parent": places.get(id(node.parent), -1),
                **{name: getattr(node, name) for name in names},
                "text": self.text(node),
            }
            for node in self
        ]
        return pd.DataFrame(rows, columns=["node", "parent", *names, "text"]).set_index("node")

    def _check(self, node: Node) -> None:
        if not isinstance(node, Node) or not any(one is node for one in self.root):
            raise InvalidData(
                f"{quoted(node)} is no node of this tree.", "Give one that the tree still shows."
            )

    def __repr__(self) -> str:
        how = ", cancelled" if self.cancelled else ""
        return f"TokenTree({len(self)} nodes, depth {max((node.depth for node in self), default=0)}{how})"

    def _repr_html_(self) -> str:
        left = [_SHOWN]
        branches = "".join(_branch(child, left) for child in self.root.children)
        more = len(self) - _SHOWN
        note = f'<div style="opacity:.7">{more} nodes more are in to_frame()</div>' if more > 0 else ""
        return (
            '<div style="font-size:.9em">probabilities are the model\'s own (raw): of the token, of the branch'
            f"<ul style='list-style:none;padding-left:0'>{branches}{_rest(self.root)}</ul>{note}</div>"
        )


def _branch(node: Node, left: list[int]) -> str:
    """A node as an item of a list, with what stands below it; `left` is how many nodes may still be shown."""
    if left[0] <= 0:
        return ""
    left[0] -= 1
    bar = f'<span style="{_BAR};width:{6 * node.probability:.2f}em"></span>'
    token = html.escape(repr(node.token)[1:-1])
    said = f"{node.probability:.1%} · {node.branch_probability:.2%}{' · ends' if node.is_end else ''}"
    head = f'{bar} <code style="white-space:pre">{token}</code> <span style="opacity:.7">{said}</span>'
    if not node.children:
        return f"<li>{head}</li>"
    below = "".join(_branch(child, left) for child in node.children)
    return (
        f"<li><details{' open' if node.depth < 2 else ''}><summary>{head}</summary>"
        f"<ul style='list-style:none'>{below}{_rest(node)}</ul></details></li>"
    )


_BAR = "display:inline-block;height:.7em;background:currentColor;opacity:.5"


def _rest(node: Node) -> str:
    return f'<li style="opacity:.6">not shown: {node.rest:.1%}</li>'
