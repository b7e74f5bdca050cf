"""All layers of an encoder beside each other: how alike they are, texts being what they are compared by.

It knows encoders; it does not know maps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.embeddings import heat
from influence_nb.embeddings.cka import cka
from influence_nb.embeddings.encode import Encoder, opened
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.errors import CapabilityMissing
from influence_nb.picture import image_html

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class LayerSimilarity:
    """How alike the layers of one encoder, or of two, are. Made by `inb.layer_similarity`.

    Attributes:
        cka: (layers, other layers), linear CKA, 1 for the same up to a turn and a scale; layer 0 is the input
            embeddings. NaN where a layer gives all texts one vector.
        names: what the rows and the columns are layers of.
        count: by how many texts they were compared.
        debiased: which estimate it is, see `influence_nb.embeddings.cka.cka`.
    """

    cka: NDArray[np.float64]
    names: tuple[str, str]
    count: int
    debiased: bool = True

    @property
    def title(self) -> str:
        """What is compared, in one line."""
        kind = "debiased linear CKA" if self.debiased else "linear CKA"
        return f"How alike the layers are: {kind}, {self.count:,} texts"

    def to_frame(self) -> pd.DataFrame:
        """The matrix, its index and its columns the layers' numbers."""
        import pandas as pd

        rows, columns = (pd.RangeIndex(size, name="layer") for size in self.cka.shape)
        return pd.DataFrame(self.cka, rows, columns)

    def plot(self, mark: int | None = None) -> Figure:
        """A heat map, the layers' numbers at its sides.

        Args:
            mark: a layer to frame.

        Raises:
            InvalidData: no such layer.
        """
        if mark is not None:
            mark = whole("mark", mark, 0, min(self.cka.shape) - 1)
        down, across = ([str(layer) for layer in range(size)] for size in self.cka.shape)
        axes = f"layer of {self.names[0]}", f"layer of {self.names[1]}"
        return heat.draw(self.cka, down, across, axes, self.title, mark, "CKA")

    def _repr_html_(self) -> str:
        return image_html(self.plot(), self.title)

    def __repr__(self) -> str:
        rows, columns = self.cka.shape
        other = "itself" if self.names[0] == self.names[1] else self.names[1]
        return (
            f"LayerSimilarity({self.names[0]} and {other}, {rows} x {columns} layers, {self.count:,} texts)"
        )


def layer_similarity(
    encoder: TextEncoder | str | Path | None,
    texts: Sequence[str],
    other: TextEncoder | str | Path | None = None,
    debiased: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> LayerSimilarity:
    """How alike the layers of an encoder are to each other, or to those of another one, by linear CKA.

    Args:
        encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`.
        texts: what they are compared by, four or more; hundreds say more than dozens.
        other: another encoder; None compares the first with itself.
        debiased: use the estimate that is not inflated where texts are few.
        on_progress: called with (texts done, texts in all), of each encoder.
        cancel: set it from another thread to stop.

    Raises:
        InvalidData: fewer than four texts, or something among them that is none.
        CapabilityMissing: an encoder runs on a server.
        InfluenceError: it was cancelled.
    """
    found = [with_layers(one) for one in ([encoder] if other is None else [encoder, other])]
    sides = [one.encode_layers(texts, on_progress=on_progress, cancel=cancel) for one in found]
    matrix = cka(sides[0], None if other is None else sides[1], debiased)
    return LayerSimilarity(matrix, (found[0].name, found[-1].name), sides[0].shape[1], debiased)


def with_layers(encoder: TextEncoder | str | Path | None) -> Encoder:
    """The encoder, once it is sure that its layers can be looked at.

    Raises:
        CapabilityMissing: it runs on a server, which gives vectors and no layers.
    """
    found = opened(encoder)
    if not isinstance(found, Encoder):
        raise CapabilityMissing(
            f"{found.name} runs on a server, which does not show its layers.", "Load an encoder here."
        )
    return found
