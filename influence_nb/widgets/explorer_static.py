"""What an explorer leaves in a saved notebook: a picture of the map, and the lists as tables.

It knows points, values and frames; it does not know the explorer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence_nb.embeddings import picture
from influence_nb.embeddings.project import Projection
from influence_nb.picture import image_html
from influence_nb.widgets.frames import rows_html
from influence_nb.widgets.picks import MOST_ROWS

MOST_DOTS = 20_000
"""A picture of more points shows so many of them, drawn by lot: a notebook is no place for a million."""


class StaticMap:
    """The picture, drawn anew only where something in it has changed."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._image = ""

    def html(
        self,
        layout: Projection,
        title: str,
        values: pd.Series[Any] | None,
        shown: NDArray[np.bool_] | None,
        mark: tuple[NDArray[np.float32], str] | None,
    ) -> str:
        """The picture as HTML.

        Args:
            layout: where the n points are.
            title: what the map is.
            values: what colours the points, (n,); None for one colour.
            shown: which are shown, (n,); None for all.
            mark: a place (2,) to ring and its words.
        """
        place = None if mark is None else (tuple(mark[0].tolist()), mark[1])
        key = (layout, title, place, shown, None if values is None else (values.name, id(values.array)))
        if not _same(key, self._key):
            rows = np.arange(len(layout.points)) if shown is None else np.flatnonzero(shown)
            if len(rows) > MOST_DOTS:
                rows = np.sort(np.random.default_rng(0).choice(rows, MOST_DOTS, replace=False))
                title = f"{len(rows):,} dots of the {title}"
            if values is not None:
                values = values.iloc[rows].reset_index(drop=True)
            marks = [] if mark is None else [mark]
            figure = picture.draw(layout.points[rows], layout.axes, title, values, marks=marks)
            self._key, self._image = key, image_html(figure, title, dpi=80)
        return self._image


def tables(near: pd.DataFrame | None, heading: str, chosen: pd.DataFrame) -> str:
    """What is near and what is chosen, as HTML; "" for neither."""
    found = ""
    if near is not None:
        shown = near.assign(similarity=near["similarity"].map("{:.3f}".format))
        found += rows_html(heading, shown, index=False, most=MOST_ROWS)
    if len(chosen):
        found += rows_html(chosen_words(len(chosen)), chosen, most=MOST_ROWS)
    return found


def chosen_words(count: int) -> str:
    """How many texts are chosen."""
    return f"{count:,} chosen text{'s' if count != 1 else ''}"


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two keys are one: what has points or is an array has to be the very same."""
    return len(one) == len(other) and all(
        a is b or (isinstance(a, (str, tuple)) and a == b) for a, b in zip(one, other, strict=True)
    )
