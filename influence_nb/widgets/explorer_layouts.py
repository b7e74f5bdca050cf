"""Which layout of a map is shown, and the next one on its way.

It knows a map's projections; it does not know how points are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.project import TITLES, Projection, checked
from influence_nb.widgets.base import in_background
from influence_nb.widgets.newest import Newest, Turn


class Layouts:
    """Lays out in the background; of what is asked for meanwhile only the newest is laid out.

    Args:
        map: the map.
        projection: which is shown first.
        guarded: wraps the work, so that what goes wrong is said.
        say: told what is being done.
        laid: called once another layout is there, as `name` and `layout` have it.
    """

    def __init__(
        self,
        map: EmbeddingMap,
        projection: str,
        guarded: Callable[[Callable[..., Any]], Callable[..., Any]],
        say: Callable[[str], None],
        laid: Callable[[], object],
    ) -> None:
        self._map, self._guarded, self._say, self._laid = map, guarded, say, laid
        self._newest = Newest()
        self._asked_for: dict[str, dict[str, float]] = {}
        self.name, self.layout = projection, map.project(projection)
        self.done: Future[None] = in_background(lambda: None)

    def ask(self, name: str, parameters: Mapping[str, float]) -> bool:
        """Note what a projection is to be told; whether that is another thing than before.

        Raises:
            InvalidData: no such projection or parameter, or a value out of its range.
        """
        told = checked(name, self.parameters(name) | dict(parameters))
        anew = told != self.parameters(name)
        self._asked_for[name] = told
        return anew

    def parameters(self, name: str) -> dict[str, float]:
        """What a projection was told last, whether it is laid out already or not."""
        return self._asked_for.get(name) or self._map.parameters(name)

    def begin(self, name: str) -> None:
        """Lay out a projection by what it was told; `done` is its future."""
        told = self.parameters(name)

        def work(turn: Turn) -> None:
            try:
                layout = self._map.project(name, **told)
            except Exception:
                self._asked_for.pop(name, None)  # so that asking again tries again
                raise
            turn.if_newest(lambda: self._take(name, layout))

        words = f"Laying out {len(self._map):,} texts by {TITLES[name]} …"
        self.done = self._newest.ask(self._guarded(work), lambda: self._say(words))

    def _take(self, name: str, layout: Projection) -> None:
        self.name, self.layout = name, layout
        self._laid()
