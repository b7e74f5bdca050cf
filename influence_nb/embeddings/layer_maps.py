"""A map of each layer of an encoder, each turned onto the one before, so that only what changed moves.

It knows vectors layer by layer; it does not know the encoder, nor the widget that shows them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.embeddings.compare import aligned
from influence_nb.embeddings.neighbours import lengths, nearest
from influence_nb.embeddings.project import Projection, find_projection
from influence_nb.errors import InfluenceError

Floats = NDArray[np.float32]


class LayerMaps:
    """The layers' vectors, their layouts and their neighbours. Thread-safe.

    Args:
        vectors: (layers, n, d), as `Encoder.encode_layers` gives them.
        seed: for projections that draw.
    """

    def __init__(self, vectors: Floats, seed: int = 0) -> None:
        self.vectors = vectors
        self.seed = seed
        self._lock = threading.Lock()
        self._layouts: dict[str, list[tuple[Projection, Floats]]] = {}
        self._lengths: dict[int, Floats] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    def points(
        self,
        layer: int,
        projection: str = "pca",
        on_progress: Callable[[int, int], object] | None = None,
        cancel: threading.Event | None = None,
    ) -> tuple[Floats, tuple[str, str]]:
        """Where the texts of a layer are, (n, 2), and what the axes are.

        Layer 0 lies as the projection gives it; each other one is turned, mirrored and scaled onto the one before by
        Procrustes. So all layers before are laid out, too, the first time.

        Args:
            layer: from 0.
            projection: "umap", "tsne" or "pca".
            on_progress: called with (layers laid out, layers to lay out) before each.
            cancel: set it from another thread to stop between two layers.

        Raises:
            InvalidData: no such layer or projection.
            InfluenceError: it was cancelled.
        """
        layer = whole("layer", layer, 0, len(self) - 1)
        method = find_projection(projection)
        with self._lock:
            made = self._layouts.setdefault(projection, [])
            while len(made) <= layer:
                if cancel is not None and cancel.is_set():
                    raise InfluenceError(
                        f"Stopped after {len(made)} of {layer + 1} layers.", "Those are kept; go on any time."
                    )
                if on_progress is not None:
                    on_progress(len(made), layer + 1)
                one = method(self.vectors[len(made)], self.seed)
                made.append((one, aligned(one.points, made[-1][1]) if made else one.points))
            one, points = made[layer]
            return points, one.axes if not layer else (f"{one.title}, turned onto the layer before", "")

    def neighbours(self, layer: int, item: int | Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
        """The k texts nearest to a row, or to a vector (d,) of that layer: row numbers and cosines, nearest first.

        Raises:
            InvalidData: no such layer, row or k.
        """
        layer = whole("layer", layer, 0, len(self) - 1)
        held = self.vectors[layer]
        if layer not in self._lengths:
            self._lengths[layer] = lengths(held)
        skip: Any = None
        if isinstance(item, np.ndarray):
            asked = item[None]
        else:
            row = whole("row", item, 0, len(held) - 1)
            asked, skip = held[[row]], np.array([row])
        rows, found = nearest(asked, held, k, skip, self._lengths[layer])
        return rows[0], found[0]
