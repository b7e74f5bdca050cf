"""How far the map that is shown can be trusted: said in a sentence, and shaded by.

It knows the map's quality; it does not know how points are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted
from influence_nb.embeddings.columns import is_numeric, scaled
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.quality import Quality
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.widgets.base import answer_on_own_loop, readable
from influence_nb.widgets.form import labelled, message
from influence_nb.widgets.newest import Newest, Turn

SHADES = {
    "": "(none)",
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "kept": "neighbours kept",
}
"""What points may be shaded by beside the columns of numbers, and how the control calls it."""
AT_ONCE = 5000
"""A map of so many texts is measured without being asked: every pair is compared."""
_FEWEST = 3
_FAINT = {
    "": "",
    "trustworthiness": "Faint points stand among strangers. ",
    "continuity": "Faint points were torn from their neighbours. ",
    "kept": "Faint points keep few neighbours. ",
}


class Trust:
    """Measures a map in the background, says what came of it, and shades its points.

    Args:
        map: the map.
        shade: called with the measure of each point, 0 to 1 (n,), or None for no shading.
        said: called when the sentence has changed.

    Attributes:
        control: what a person chooses the shading with.
        line: the sentence.
        quality: what was measured of the projection that is shown; None before it was.
    """

    def __init__(
        self,
        map: EmbeddingMap,
        shade: Callable[[NDArray[np.float32] | None], object],
        said: Callable[[], object],
    ) -> None:
        self._map, self._shade, self._said = map, shade, said
        self._newest = Newest()
        self._projection = map.projection
        self.quality: Quality | None = None
        self.measured: Future[Quality | None] = Future()
        self.measured.set_result(None)
        columns = [name for name in map.columns if name not in SHADES and is_numeric(map.frame[name])]
        self._shades = SHADES | {name: f"column: {name}" for name in columns}
        options = [(words, one) for one, words in self._shades.items()]
        self.control = labelled(ipywidgets.Dropdown, "Shade by", options)
        self.line = ipywidgets.HTML()
        answer_on_own_loop(self.control)
        self.control.observe(lambda _: self._chosen(), "value")

    @property
    def shade(self) -> str:
        """What the points are shaded by: one of `SHADES`, or a column of numbers."""
        return str(self.control.value)

    @shade.setter
    def shade(self, name: str) -> None:
        if name not in self._shades:
            raise InvalidData(
                f"Points are not shaded by {quoted(name)}.",
                f"Choose one of {', '.join(filter(None, self._shades))}, or ''.",
            )
        self.control.value = name

    def follow(self, projection: str) -> None:
        """Measure the projection that is shown now, unless that takes long and nobody asked for it."""
        self._projection, self.quality = projection, None
        self._paint()
        if len(self._map) < _FEWEST:
            self._newest.cancel()
            self.line.value = ""
        elif self._by_measure or len(self._map) <= AT_ONCE:
            self.measure()
        else:
            self._newest.cancel()
            self._say(
                f"How far this map of {len(self._map):,} texts can be trusted is measured when it is shaded by it."
            )

    def measure(self) -> Future[Quality | None]:
        """Measure the projection that is shown, in the background, and shade by what is chosen.

        Returns:
            A future of the quality; of None where another projection was shown meanwhile, cancelled where that was
            before it could begin.
        """
        name = self._projection

        def work(turn: Turn) -> Quality | None:
            def progress(done: int, total: int) -> None:
                turn.if_newest(
                    lambda: self._say(
                        f"Measuring how far the map can be trusted: {done:,} of {total:,} texts."
                    )
                )

            try:
                found = self._map.quality(projection=name, on_progress=progress, cancel=turn.over)
            except Exception as error:
                if turn.over.is_set():
                    return None
                said: InfluenceError = readable(error)
                self.line.value = message(said.message, said.hint, "problem")
                raise said from error
            turn.if_newest(lambda: self._found(found))
            return None if turn.over.is_set() else found

        self.measured = self._newest.ask(work)
        return self.measured

    def words(self) -> str:
        """The sentence; "" before it was measured."""
        found = self.quality
        if found is None:
            return ""
        return f"{found.words} {_FAINT.get(self.shade, '')}{found.warning}".rstrip()

    @property
    def _by_measure(self) -> bool:
        return bool(self.shade) and self.shade in SHADES

    def _chosen(self) -> None:
        if self._by_measure and self.quality is None and len(self._map) >= _FEWEST:
            if self.measured.done():  # else what is measured now is shaded by once it is there
                self.measure()
        else:
            self._paint()

    def _found(self, quality: Quality) -> None:
        self.quality = quality
        self._paint()

    def _paint(self) -> None:
        found, faded = self.quality, None
        if self.shade and not self._by_measure:
            faded = scaled(self._map.frame[self.shade]).astype(np.float32)
        elif self._by_measure and found is not None:
            faded = getattr(found, self.shade) ** 2  # most measures lie near 1
        self._shade(faded)
        if found is not None:
            self._say(self.words(), "problem" if found.warning else "note")

    def _say(self, words: str, kind: str = "note") -> None:
        self.line.value = message(words, kind=kind)
        self._said()
