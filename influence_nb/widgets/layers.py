"""`LayerExplorer`: how meaning builds through the layers of an encoder, with a slider to move through them.

It knows encoders by their public calls; encoding and laying out run in the background.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from influence_nb.embeddings import picture
from influence_nb.embeddings.cka import FEWEST, cka
from influence_nb.embeddings.columns import can_colour
from influence_nb.embeddings.layer_maps import LayerMaps
from influence_nb.embeddings.layers import LayerSimilarity, with_layers
from influence_nb.embeddings.project import TITLES, find_projection
from influence_nb.embeddings.table import table
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.errors import InvalidData
from influence_nb.picture import image_html, png
from influence_nb.widgets import threads
from influence_nb.widgets.base import (
    StaticFallback,
    answer_on_own_loop,
    escape,
    in_background,
    readable,
    static_block,
    strict,
)
from influence_nb.widgets.columns_shown import COLUMN_STYLE, ONE_COLOUR, expect_column, expect_rows
from influence_nb.widgets.form import STYLE, labelled, message
from influence_nb.widgets.frames import FRAME_STYLE, rows_html
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.scatter import MapScatter

NEIGHBOURS = 8
MOVE = 0.4
"""Seconds in which points move from one layer to the next. A page that moves them still drops what comes meanwhile."""
HELP = "Move the slider through the layers. Click a dot, or type a text, for its neighbours in the layer that is shown."


class LayerExplorer(StaticFallback, ipywidgets.VBox):
    """The map of each layer of an encoder, the neighbours of a text there, and how alike the layers are.

    All layers are computed once, in one pass, and held in memory: layers x texts x dimensions x 4 bytes. The map of a
    layer is turned, mirrored and scaled onto that of the layer before, so that it does not spin.

    Args:
        encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`.
        texts: as `EmbeddingMap` takes them: a list of texts, of dicts or of pairs, or a DataFrame.
        text: the column that holds the texts.
        color: the column that colours the points; None takes the first that can.
        projection: "pca", "umap" or "tsne".
        seed: for projections that draw.
        height: of the plot, in pixels.

    Raises:
        InvalidData: texts that cannot be mapped, or no such column or projection.
        TypeError: an unknown keyword.
    """

    layer = traitlets.Int()
    """The layer that is asked for, 0 (the input embeddings) to the last; `show` sets it, too."""

    projection = traitlets.Unicode("pca")
    """"pca", "umap" or "tsne"."""

    color = traitlets.Unicode(None, allow_none=True)
    """The column that colours the points; None for one colour."""

    selected = traitlets.List(traitlets.Int())
    """The chosen rows' numbers; where it is one, its neighbours are listed."""

    typed = traitlets.Unicode()
    """The text in the box; while there is one its neighbours are listed."""

    problem = traitlets.Unicode()
    """What went wrong with the last request, "" when nothing did."""

    @strict
    def __init__(
        self,
        encoder: TextEncoder | str | Path | None,
        texts: pd.DataFrame | Iterable[Any],
        *,
        text: str = "text",
        color: str | None = None,
        projection: str = "pca",
        seed: int = 0,
        height: int = 420,
    ) -> None:
        find_projection(projection)
        self.encoder = with_layers(encoder)
        self._frame = table(texts, text)
        self._text = str(text)
        self._columns = [
            column for column in self._frame.columns.drop(self._text) if can_colour(self._frame[column])
        ]
        self._seed = seed
        self._lock = threading.RLock()
        self._updating = Newest()
        self._vectors: tuple[str, Any] = "", None
        self._near: pd.DataFrame | None = None
        self._on_map: tuple[int, str, Any, tuple[str, str]] | None = None
        self._similar: LayerSimilarity | None = None
        self._images: dict[int, bytes] = {}
        self._still = 0.0
        self._shown: Future[None] = in_background(lambda: None)
        self._plot = MapScatter(self._frame, self._text, self._chose, height)
        self._build(projection)
        self.color = next(iter(self._columns), None) if color is None else str(color)
        self.projection = projection
        self.observe(lambda _: self._recolour(), "color")
        self.observe(lambda _: self._update(), ["layer", "projection", "selected", "typed"])
        self._encoded = in_background(self._encode)
        self._update()

    def _build(self, projection: str) -> None:
        self._slider = ipywidgets.IntSlider(
            0, 0, self.encoder.layers, description="Layer", continuous_update=True,
            tooltip="Layer: 0 is the input embeddings", style={"description_width": "auto"},
        )  # fmt: skip
        names = [(title, name) for name, title in TITLES.items()]
        self._projection = labelled(ipywidgets.Dropdown, "Projection", names)
        self._projection.value = projection
        self._colour = labelled(ipywidgets.Dropdown, "Colour", [ONE_COLOUR, *self._columns])
        self._box = ipywidgets.Text(
            description="Text to follow", placeholder="Type any text: its neighbours in this layer appear"
        ).add_class("inb-find")
        self._framed = ipywidgets.VBox().add_class("inb-map")
        self._title, self._legend, self._message, self._heat = (ipywidgets.HTML() for _ in range(4))
        self._tables = ipywidgets.HTML(message(HELP))
        controls = ipywidgets.HBox([self._box, self._colour, self._projection]).add_class("inb-row")
        left = ipywidgets.VBox([self._title, self._framed, self._legend]).add_class("inb-side")
        right = ipywidgets.VBox([self._heat, self._tables]).add_class("inb-side")
        super().__init__(
            [
                ipywidgets.HTML(STYLE + FRAME_STYLE + COLUMN_STYLE),
                controls,
                ipywidgets.HBox([self._slider]).add_class("inb-row").add_class("inb-layer"),
                self._message,
                ipywidgets.HBox([left, right]).add_class("inb-sides"),
            ]
        )
        for name in ("inb-form", "inb-explorer", "inb-layers", "live"):
            self.add_class(name)
        for control in (self._slider, self._projection, self._colour, self._box):
            answer_on_own_loop(control)
        self._slider.observe(lambda _: self.set_trait("layer", self._slider.value), "value")
        self._projection.observe(lambda _: self.set_trait("projection", self._projection.value), "value")
        self._box.observe(lambda _: self.set_trait("typed", self._box.value), "value")
        self._colour.observe(lambda _: self._colour_picked(), "value")

    @property
    def neighbours(self) -> pd.DataFrame | None:
        """The neighbours that are listed, in the layer that is shown; None when there are none."""
        return self._near

    @property
    def similarity(self) -> LayerSimilarity | None:
        """How alike the layers are; None until the texts are encoded, or where they are too few."""
        return self._similar

    def show(self, layer: int | None = None, projection: str | None = None) -> Future[None]:
        """Go to a layer, or another projection, or wait for what was asked for.

        The future is done when its map and neighbours are shown, and cancelled where something else was asked for
        meanwhile.

        Raises:
            InvalidData: no such layer or projection.
        """
        with self._lock:
            if projection is not None:
                self.projection = projection
            if layer is not None:
                self.layer = layer
            return self._shown

    def type(self, text: str) -> Future[None]:
        """Do what typing into the box does; the future is done when its neighbours are shown."""
        with self._lock:
            self.typed = text
            return self._shown

    @traitlets.validate("layer")
    def _layer_exists(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] <= self.encoder.layers:
            raise InvalidData(
                f"There is no layer {proposal['value']}.",
                f"Layers go from 0 (the input embeddings) to {self.encoder.layers}.",
            )
        return int(proposal["value"])

    @traitlets.validate("projection")
    def _projection_exists(self, proposal: Any) -> str:
        find_projection(proposal["value"])
        return str(proposal["value"])

    @traitlets.validate("selected")
    def _rows_exist(self, proposal: Any) -> list[int]:
        return expect_rows(proposal["value"], len(self._frame))

    @traitlets.validate("color")
    def _column_exists(self, proposal: Any) -> str | None:
        return expect_column(proposal["value"], self._columns)

    def static_html(self) -> str:
        """The map of the layer that is shown, the heat map and the neighbours."""
        if self._on_map is None:
            return static_block("Layers", f"<p>{escape(repr(self.encoder))}: nothing is shown yet.</p>")
        _, _, points, axes = self._on_map
        values = None if self.color is None else self._frame[self.color]
        drawn = png(picture.draw(points, axes, self._titled, values), dpi=72)
        image = image_html(drawn, self._titled)
        return static_block("Layers", image, self._heat.value, self._near_html())

    def _encode(self) -> LayerMaps:
        def progress(done: int, total: int) -> None:
            self._message.value = message(
                f"Encoding {done:,} of {total:,} texts, all {self.encoder.layers + 1} layers at once."
            )

        progress(0, len(self._frame))
        texts = list(self._frame[self._text])
        vectors = self.encoder.encode_layers(texts, on_progress=progress, cancel=threads.leaving)
        if len(self._frame) >= FEWEST:
            name = self.encoder.name
            self._similar = LayerSimilarity(cka(vectors), (name, name), len(self._frame))
        return LayerMaps(vectors, self._seed)

    def _update(self) -> None:
        """Show what is asked for, in the background; of what is asked for meanwhile only the newest is shown."""
        with self._lock:
            asked = self.layer, self.projection, list(self.selected), self.typed.strip()
            self._slider.value, self._projection.value, self._box.value = asked[0], asked[1], self.typed
            if self._on_map is not None:
                self._plot.select(asked[2])
            self._shown = self._updating.ask(lambda turn: self._work(turn, *asked))

    def _work(self, turn: Turn, layer: int, projection: str, rows: list[int], typed: str) -> None:
        def progress(done: int, total: int) -> None:
            words = f"Laying out layer {done} of {total - 1} by {TITLES[projection]} …"
            turn.if_newest(lambda: self._say(words))

        try:
            if turn.over.wait(max(0.0, self._still - time.monotonic())):
                raise CancelledError
            maps = self._encoded.result()
            points, axes = maps.points(layer, projection, progress, turn.over)
            near = self._found(maps, layer, rows, typed)
            if self._similar is not None and layer not in self._images:
                drawn = png(self._similar.plot(mark=layer), dpi=72)
                self._images[layer] = drawn
            turn.if_newest(lambda: self._arrived((layer, projection, points, axes), near))
        except Exception as error:
            if turn.over.is_set():
                raise CancelledError from error
            said = readable(error)
            self.problem = said.message
            self._message.value = message(said.message, said.hint, "problem")
            raise said from error

    def _found(self, maps: LayerMaps, layer: int, rows: list[int], typed: str) -> pd.DataFrame | None:
        if typed:
            if self._vectors[0] != typed:
                self._vectors = typed, self.encoder.encode_layers(typed)[:, 0]
            item: Any = self._vectors[1][layer]
        elif len(rows) == 1:
            item = rows[0]
        else:
            return None
        found, similar = maps.neighbours(layer, item, NEIGHBOURS)
        near = self._frame.iloc[found].rename_axis("row")
        near.insert(0, "rank", np.arange(1, len(found) + 1))
        near.insert(1, "similarity", similar)
        return near

    def _arrived(self, on_map: tuple[int, str, Any, tuple[str, str]], near: pd.DataFrame | None) -> None:
        before, self._on_map, self._near = self._on_map, on_map, near
        layer, projection, points, _ = on_map
        self._titled = (
            f"Layer {layer} of {self.encoder.layers} of {self.encoder.name}: "
            f"{TITLES[projection]} of {len(self._frame):,} texts"
        )
        if before is None or before[:2] != on_map[:2]:
            plot = self._plot.show(points)
            self._still = time.monotonic() + 2 * MOVE
            self._plot.select(self.selected)
            if before is None:
                plot.transition_points_duration = int(1000 * MOVE)
                self._recolour()
                self._framed.children = [plot]  # a plot on the page already would be coloured too late
        self._title.value = f'<div class="inb-title" role="status">{escape(self._titled)}</div>'
        if layer in self._images:
            about = f"How alike the layers are; layer {layer} is framed"
            self._heat.value = image_html(self._images[layer], about)
        self._tables.value = self._near_html() or message(HELP)
        self._say("")
        self.update_static()

    def _near_html(self) -> str:
        if self._near is None or self._on_map is None:
            return ""
        of = self.typed.strip() or self._frame[self._text].iloc[self.selected[0]]
        shown = self._near.assign(similarity=self._near["similarity"].map("{:.3f}".format))
        return rows_html(f"Nearest in layer {self._on_map[0]} to: {of}", shown, index=False)

    def _chose(self, rows: list[int]) -> None:
        self.selected = rows

    def _colour_picked(self) -> None:
        self.color = None if self._colour.value == ONE_COLOUR else self._colour.value

    def _recolour(self) -> None:
        self._colour.value = self.color or ONE_COLOUR
        if self._on_map is not None:
            self._plot.colour(self.color)
            self._legend.value = self._plot.legend(self.color)
            self.update_static()

    def _say(self, words: str) -> None:
        self.problem = ""
        self._message.value = message(words) if words else ""
