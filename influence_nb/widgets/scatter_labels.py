"""Words on the plot: a few places and what is written there, as jupyter-scatter's page draws them.

It does not know what the words mean. jupyter-scatter's own placement looks for room at each step of the zoom among
thousands of labels; here there are some tens, and each stays at the middle of what it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_LOOK = {"font_color": "#ffffff", "font_face": "sans-serif", "font_style": "normal", "font_weight": "bold"}
_SIZE = 13
_LONGEST = 40


class Labels:
    """What the plot asks for the labels of the part that is seen: it is given all of them."""

    def __init__(self) -> None:
        self._shown = _table({})

    def put(self, places: Mapping[str, NDArray[np.floating]]) -> None:
        """Write these words at these places (2,), from -1 to 1, and nothing else."""
        self._shown = _table(places)

    def get_labels_from_tiles(self, tiles: Sequence[str]) -> pd.DataFrame:
        """The labels, whichever tiles are seen."""
        del tiles
        return self._shown


def _table(places: Mapping[str, NDArray[np.floating]]) -> pd.DataFrame:
    # The page wipes old labels only where it has one to draw.
    written = places or {"": np.zeros(2)}
    words = [one if len(one) <= _LONGEST else one[: _LONGEST - 1] + "…" for one in written]
    where = np.array(list(written.values()), np.float32)
    count = len(words)
    columns: dict[str, Any] = {
        "label": words, "x": where[:, 0], "y": where[:, 1], "zoom_in": np.full(count, -np.inf, np.float32),
        "zoom_out": np.full(count, np.inf, np.float32), "zoom_fade_extent": np.zeros(count, np.float32),
    }  # fmt: skip
    looks = {name: pd.Categorical([value] * count) for name, value in _LOOK.items()}
    return pd.DataFrame({**columns, **looks, "font_size": pd.Categorical([_SIZE] * count)})
