"""What an explorer's points look like: coloured by a column or by clusters, grown by a column.

It knows columns, clusters and the plot; it does not know who chose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence_nb.embeddings import picture
from influence_nb.embeddings.columns import scaled
from influence_nb.widgets.columns_shown import ONE_COLOUR
from influence_nb.widgets.explorer_finds import FindClusters
from influence_nb.widgets.explorer_rooms import ONE_SIZE, Controls
from influence_nb.widgets.explorer_traits import CLUSTERS
from influence_nb.widgets.scatter import MapScatter

LABELLED = 30
"""More clusters than these are not named on the map."""


class Look:
    """Sets it.

    Args:
        frame: the texts and their columns.
        plot: the points.
        shows: the controls that say it, and the legend.
        clusters: those that were found.
    """

    def __init__(
        self, frame: pd.DataFrame, plot: MapScatter, shows: Controls, clusters: FindClusters
    ) -> None:
        self._frame, self._plot, self._shows, self._clusters = frame, plot, shows, clusters

    def values(self, color: str | None) -> pd.Series[Any] | None:
        """What colours the points, (n,); None for one colour."""
        if color == CLUSTERS:
            return self._clusters.values
        return None if color is None else self._frame[color]

    def colour(self, color: str | None, points: NDArray[np.float32]) -> None:
        """Colour the points, which are at these places (n, 2), and say by what."""
        values = self.values(color)
        self._plot.colour(values)
        self._shows.legend.value = self._plot.legend(values)
        self._shows.colour.value = color or ONE_COLOUR
        self.name_clusters(color, points)

    def name_clusters(self, color: str | None, points: NDArray[np.float32]) -> None:
        """Write the clusters' names at their middles, while they colour the points and are not too many."""
        found, places = self._clusters.found, {}
        if color == CLUSTERS and len(found) <= LABELLED:
            places = picture.middles(points, found.labels, found.names)
        self._plot.label(places)

    def grow(self, size: str | None) -> None:
        """Let the points grow with a column, or make all alike."""
        self._plot.grow(None if size is None else scaled(self._frame[size]).astype(np.float32))
        self._shows.size.value = size or ONE_SIZE
