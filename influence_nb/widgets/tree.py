"""`TokenTreeView`: what may follow a text as a tree of tokens: looked further into, pruned, followed, adopted.

It knows trees and the page's messages; how a tree grows is the engine's business, how it is painted the page's
(`widgets/tree/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from influence_nb import api
from influence_nb.engine.tree import Node, TokenTree
from influence_nb.errors import InvalidData
from influence_nb.widgets.base import MUTED, escape, static_block, strict
from influence_nb.widgets.newest import Turn
from influence_nb.widgets.painter import Painter
from influence_nb.widgets.tree_traits import TreeTraits, drawn

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.widgets.state import State

_NOTHING = "No tree was grown yet."


class TokenTreeView(TreeTraits):
    """What may follow a text, as a tree of tokens with the exact probability of each branch under the model itself.

    `grow` makes a tree. `expand` looks at what follows a branch, `follow` goes on along the most probable tokens,
    `prune` takes a branch away, `adopt` takes one as it is. The page has a control for each.

    Args:
        tree: a `TokenTree` to show; None grows one.
        model: a loaded `Model` or its name; None follows what is selected. A tree is looked further into by its own.
        prompt: what to grow a tree after at once, as `Model.tree` takes it; None waits for the page.
        adopt: takes the prompt and the completion of a branch that is to be gone on with, such as the `adopt` of a
            `ChatPanel`.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        tree: what is shown, a `TokenTree`; None before the first.

    Raises:
        TypeError: an unknown keyword.
        InvalidData: `tree` is none.
        ModelNotFound: `model` is a name, and no loaded model has it; or there is a prompt and no model is loaded.
    """

    @strict
    def __init__(
        self,
        tree: TokenTree | None = None,
        *,
        model: Model | str | None = None,
        prompt: Any = None,
        adopt: Callable[[Prompt, Completion], object] | None = None,
        state: State | None = None,
    ) -> None:
        if tree is not None and not isinstance(tree, TokenTree):
            raise InvalidData(
                f"{tree!r} is no TokenTree.", "Give what model.tree(prompt) returns, or a prompt."
            )
        self.tree: TokenTree | None = None
        self._grown_after: Any = None
        self._adopt = adopt
        self._painter = Painter(self._paint)
        super().__init__(model, state, adopts=adopt is not None)
        if tree is not None:
            self._grown_after = tree.model.decode(list(tree.prompt), special=True)
            self._put(prompt=self._grown_after)
            self._plant(tree)
        elif prompt is not None:
            self.grow(prompt)

    # -- from Python and from the page -----------------------------------------------------------------------------

    def grow(self, prompt: Any = None) -> Future[TokenTree]:
        """Grow a tree `length` tokens deep and `width` wide, in the background.

        Args:
            prompt: as `Model.tree` takes it; None for what the page says.

        Raises:
            ModelNotFound: no model is loaded.
        """
        asked = self._prompt(prompt)
        model, depth, width = self._present(), self.length, self.width

        def make(stop: threading.Event) -> TokenTree:
            with api.awake(model) as present:
                tree = present.tree(asked, depth, width, cancel=stop, on_progress=self._progressed)
            with self._lock:
                self._grown_after = asked
                self._plant(tree)
            return tree

        return self._work(make)

    def expand(self, ids: Sequence[int] | None = None, width: int | None = None) -> Future[TokenTree]:
        """Look at what follows a branch, in the background; what stands below a token that is shown again stays.

        Args:
            ids: the branch's token ids; None for the one that is chosen, [] for the root.
            width: how many tokens at most; None for what the page says.

        Raises:
            InvalidData: the tree shows no such branch.
        """
        node, most = self._node(ids), self.width if width is None else width

        def make(tree: TokenTree, stop: threading.Event) -> None:
            tree.expand(node, most, cancel=stop, on_progress=self._progressed)

        return self._further(make)

    def follow(self, ids: Sequence[int] | None = None, steps: int | None = None) -> Future[TokenTree]:
        """Go on from a branch along the most probable tokens, in the background, and choose what that gives.

        Args:
            ids: the branch's token ids; None for the one that is chosen.
            steps: how many tokens at most; None for what the page says.

        Raises:
            InvalidData: the tree shows no such branch.
        """
        node, most = self._node(ids), self.length if steps is None else steps

        def make(tree: TokenTree, stop: threading.Event) -> None:
            last = tree.follow(node, most, stop)
            with self._lock:
                self.chosen = last.ids

        return self._further(make)

    def prune(self, ids: Sequence[int] | None = None) -> None:
        """Take a branch away: its mass counts as not shown. Of the root, all.

        Args:
            ids: the branch's token ids; None for the one that is chosen.

        Raises:
            InvalidData: the tree shows no such branch.
        """
        with self._lock:
            node = self._node(ids)
            self._shown().prune(node)
            gone = node.ids
            if self.chosen[: len(gone)] == gone:
                self.chosen = gone[:-1]
            self._put(problem=None)
            self._paint()
        self.update_static()

    def choose(self, ids: Sequence[int]) -> None:
        """Choose a branch by its token ids; [] is the root.

        Raises:
            InvalidData: the tree shows no such branch.
        """
        with self._lock:
            self.chosen = self._node(ids).ids
            self._tell()

    def adopt(self, ids: Sequence[int] | None = None) -> Future[Completion]:
        """Take a branch as a completion, in the background, and hand it to who goes on with it, if somebody does.

        Args:
            ids: the branch's token ids; None for the one that is chosen.

        Raises:
            InvalidData: the tree shows no such branch, or it is the root.
        """
        node, after = self._node(ids), self._grown_after
        if node.parent is None:
            raise InvalidData("The root of a tree says nothing yet.", "Choose a token after it.")
        found: list[Completion] = []

        def make(tree: TokenTree, stop: threading.Event) -> None:
            found.append(tree.completion(node))
            if self._adopt is not None:
                self._adopt(after, found[0])
            self._put(adopted=found[0].text)

        done: Future[Completion] = Future()

        def over(work: Future[TokenTree]) -> None:
            if work.cancelled():
                done.cancel()
            elif error := work.exception():
                done.set_exception(error)
            else:
                done.set_result(found[0])

        self._further(make).add_done_callback(over)
        return done

    def static_html(self) -> str:
        """The tree as nested lists, for a reader without a kernel."""
        with self._lock:
            if self.tree is None:
                return static_block("Token tree", f"<p>{escape(_NOTHING)}</p>")
            before = self.tree.model.decode(list(self.tree.prompt), special=True)
            said = f'<p style="{MUTED};white-space:pre-wrap">after: {escape(before)}</p>'
            return static_block(f"Token tree · {self.tree.model.name}", said, self.tree._repr_html_())

    # -- work --------------------------------------------------------------------------------------------------------

    def _work(self, make: Callable[[threading.Event], TokenTree]) -> Future[TokenTree]:
        stop = self._begin()

        def work(turn: Turn) -> TokenTree:
            with self._running():
                try:
                    return make(stop)
                finally:
                    self._put(progress={})
                    self._painter.now()
                    self.update_static()

        return self._asking.ask(work, lambda: self._put(status="running", problem=None))

    def _further(self, make: Callable[[TokenTree, threading.Event], None]) -> Future[TokenTree]:
        tree = self._shown()

        def work(stop: threading.Event) -> TokenTree:
            with api.awake(self._own(tree.model)) as present:
                tree.model = present
                make(tree, stop)
            return tree

        return self._work(work)

    def _progressed(self, done: int, total: int) -> None:
        self._put(progress={"done": done, "total": total})
        self._painter.ask()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _plant(self, tree: TokenTree) -> None:
        with self._lock:
            self.tree = tree
            self._put(chosen=[], adopted="")
            self._paint()
        self.update_static()

    def _paint(self) -> None:
        with self._lock:
            if self.tree is not None:
                self._put(nodes=drawn(self.tree))
                self._tell()

    def _tell(self) -> None:
        try:
            node = self._node(self.chosen)
        except InvalidData:  # it was in what has been looked at anew
            self.chosen, node = [], self._shown().root
        self._put(text=self._shown().text(node), share=node.branch_probability)

    def _source(self) -> Model | None:
        return None if self.tree is None else self.tree.model

    # -- asking ------------------------------------------------------------------------------------------------------

    def _shown(self) -> TokenTree:
        if self.tree is None:
            raise InvalidData(_NOTHING, "Press Grow first: view.grow(prompt).")
        return self.tree

    def _node(self, ids: Sequence[int] | None) -> Node:
        return self._shown().find(self.chosen if ids is None else ids)

    def _asked(self, content: Any) -> None:
        match content:
            case {
                "type": "grow",
                "prompt": str(prompt),
                "chat": bool(chat),
                "length": int(length),
                "width": int(width),
            }:
                self._put(prompt=prompt, chat=chat, length=length, width=width)
                self.grow()
            case {"type": "expand", "ids": list(ids), "width": int(width)}:
                self.expand(ids, width)
            case {"type": "follow", "ids": list(ids), "length": int(steps)}:
                self.follow(ids, steps)
            case {"type": "choose" | "prune" | "adopt" as kind, "ids": list(ids)}:
                getattr(self, kind)(ids)
            case _:
                super()._asked(content)
