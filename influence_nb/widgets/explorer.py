"""`EmbeddingExplorer`: look around an `EmbeddingMap` with the mouse and by typing.

It knows the map by its public calls, and its rooms: what is asked, filtered, found and saved has its own file.
Encoding, projecting and searching run in the background.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from influence_nb.arguments import quoted
from influence_nb.embeddings.clusters import Clusters
from influence_nb.embeddings.filters import in_words
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.quality import Quality
from influence_nb.embeddings.texts import checked
from influence_nb.errors import CapabilityMissing, InvalidData
from influence_nb.widgets.base import (
    StaticFallback,
    escape,
    in_background,
    static_block,
    strict,
)
from influence_nb.widgets.columns_shown import ONE_COLOUR
from influence_nb.widgets.explorer_asked import NEIGHBOURS, Asked
from influence_nb.widgets.explorer_filter import FilterForm
from influence_nb.widgets.explorer_finds import FindClusters, FindDuplicates, FindOutliers
from influence_nb.widgets.explorer_layouts import Layouts
from influence_nb.widgets.explorer_look import Look
from influence_nb.widgets.explorer_rooms import ONE_SIZE, ROOMS, Controls
from influence_nb.widgets.explorer_save import SaveForm
from influence_nb.widgets.explorer_static import StaticMap, chosen_words, tables
from influence_nb.widgets.explorer_traits import CLUSTERS, ExplorerTraits
from influence_nb.widgets.form import STYLE, message
from influence_nb.widgets.frames import FRAME_STYLE
from influence_nb.widgets.layout_form import LayoutForm
from influence_nb.widgets.picks import Picks
from influence_nb.widgets.rays import Rays
from influence_nb.widgets.scatter import MapScatter
from influence_nb.widgets.trust import Trust

HELP = "Point at a dot to read it, click it for its nearest neighbours, or take the lasso and draw around several."


class EmbeddingExplorer(StaticFallback, ExplorerTraits, ipywidgets.VBox):
    """A map to look around in: hover, lasso, nearest neighbours, and a box to type in.

    In tabs below: what was found, with a threshold; filters; clusters, duplicates, outliers; looks; saving.
    Neighbours are those of the full space, by cosine similarity, never those of the picture.

    Args:
        map: the data.
        color: the column that colours the points; None takes the map's `colour_column`.
        projection: "umap", "tsne" or "pca"; None takes the map's.
        height: of the plot, in pixels.

    Raises:
        InvalidData: not a map, or no such column or projection.
        TypeError: an unknown keyword.

    `scatter` is the jupyter-scatter widget inside, for what is not offered here.
    """

    @strict
    def __init__(
        self, map: EmbeddingMap, *, color: str | None = None, projection: str | None = None, height: int = 480
    ) -> None:
        if not isinstance(map, EmbeddingMap):
            raise InvalidData(
                f"An explorer shows an EmbeddingMap, and {quoted(map)} is none.",
                "Make one first: EmbeddingExplorer(EmbeddingMap(texts)).",
            )
        self.map = map
        self._lock = threading.RLock()
        self._asked_last = 0
        self._future: Future[Any] = in_background(lambda: None)
        self._vector: Any = None  # of what is typed, with where it goes and how similar all texts are to it
        self._place: Any = None
        self._typed_found: Any = None
        self._picture = StaticMap()
        self._frame = map.frame[[map.text, *map.columns]]
        self._layouts = Layouts(map, projection or map.projection, self._guarded, self._say, self._laid)
        self._scatter = MapScatter(self._frame, map.text, self._lassoed, height)
        self._trust = Trust(map, self._scatter.shade, self.update_static)
        self.scatter = self._scatter.show(self._layouts.layout.points)
        self._rays = Rays(map, self._scatter, NEIGHBOURS)
        self._shows = Controls(self._colouring(), self._growing(), lambda: self.set_trait("filters", {}))
        self._layout = LayoutForm(lambda name, told: self.show(name, **told))
        self._asked = Asked(map, lambda least: self.set_trait("threshold", least), self._choose)
        self._rows = Picks(lambda at: self._choose(self.selected[at]))
        self._filter = FilterForm(self._frame, map.text, lambda found: self.set_trait("filters", found))
        finding = map, lambda: self._shown_rows, lambda rows: self.set_trait("selected", rows)
        self._clusters = FindClusters(*finding, self._colour_clusters)
        self._duplicates = FindDuplicates(*finding, self.update_static)
        self._outliers = FindOutliers(*finding, self.update_static)
        self._save = SaveForm(lambda path, rows, replace: self.save(path, rows, overwrite=replace))
        self._look = Look(self._frame, self._scatter, self._shows, self._clusters)
        super().__init__(self._arranged())
        self.add_class("inb-form").add_class("inb-explorer").add_class("live")
        self.color = map.colour_column if color is None else str(color)
        self.projection = projection or map.projection
        self._layout.show(self.projection, self._layouts.parameters(self.projection))
        self._recolour()
        self._titled_and_measured()
        self._shows.projection.value = self.projection
        self._shows.help.value = message(HELP)
        self._follow()

    def _arranged(self) -> list[Any]:
        found = [self._shows.help, self._asked, self._rows]
        finds = [[self._clusters], [self._duplicates], [self._outliers]]
        looks = [self._shows.size, self._trust.control, self._layout, self._rays.control]
        rooms = dict(zip(ROOMS, [found, [self._filter], *finds, looks, [self._save]], strict=True))
        return self._shows.arranged(STYLE + FRAME_STYLE, self.scatter, self._trust.line, rooms)

    def _follow(self) -> None:
        """Let controls set traits, and traits act."""
        shows = self._shows
        picks = ((shows.colour, "color", ONE_COLOUR), (shows.size, "size", ONE_SIZE))
        for control, trait, none in picks:
            control.observe(
                lambda change, trait=trait, none=none: self.set_trait(
                    trait, None if change["new"] == none else change["new"]
                ),
                "value",
            )
        shows.projection.observe(lambda change: self.set_trait("projection", change["new"]), "value")
        shows.box.observe(lambda change: self.set_trait("typed", change["new"]), "value")
        self.observe(lambda _: self._recolour(), "color")
        self.observe(lambda change: self._look.grow(change["new"]), "size")
        self.observe(lambda _: self._reproject(), "projection")
        self.observe(lambda _: self._find(self.typed), "typed")
        self.observe(lambda _: self._chosen(), "selected")
        self.observe(lambda _: self._list(), "threshold")
        self.observe(lambda _: self._refilter(), "filters")

    @property
    def message(self) -> str:
        """What is said below the map now, as HTML: "" for nothing."""
        return str(self._shows.message.value)

    @property
    def shade(self) -> str:
        """What the points fade by: "trustworthiness", "continuity", "kept", a column of numbers, or "" for nothing.

        Raises:
            InvalidData: set to anything else.
        """
        return self._trust.shade

    @shade.setter
    def shade(self, name: str) -> None:
        self._trust.shade = name

    def measure(self) -> Future[Quality | None]:
        """Measure how far the picture can be trusted, in the background; what came is said below it.

        Returns:
            A future of what `EmbeddingMap.quality` gives; of None where another projection is shown meanwhile.
        """
        return self._trust.measure()

    @property
    def selection(self) -> pd.DataFrame:
        """The chosen rows of the map's frame, with x and y by the projection that is shown."""
        return self._placed(self.selected)

    @property
    def shown(self) -> pd.DataFrame:
        """The rows that the filters let through, as `selection` gives the chosen ones."""
        mask = self._shown_rows
        return self._placed(np.arange(len(self.map)) if mask is None else np.flatnonzero(mask))

    @property
    def neighbours(self) -> pd.DataFrame | None:
        """The neighbours that are listed: of the typed text or of the one chosen row; None when there are none."""
        return self._asked.near

    def type(self, text: str) -> Future[pd.DataFrame | None]:
        """Do what typing into the box does: embed, list neighbours, mark the place.

        Returns:
            A future of the neighbours, done when they and the mark are shown; None for an empty text, or when
            something else was asked for meanwhile.
        """
        checked([text])
        with self._lock:
            if text == self.typed:
                return self._find(text)
            self.typed = text  # its observer asks
            self._shows.box.value = text
            return self._future

    def show(self, projection: str, **parameters: float) -> Future[None]:
        """Switch to a projection.

        The future is done when its points are on the map, and cancelled where another was asked for before it began.

        Args:
            projection: "umap", "tsne" or "pca".
            parameters: lay it out anew where they are not those of now; see `EmbeddingMap.project`.

        Raises:
            InvalidData: no such projection or parameter, or a value out of its range.
        """
        with self._lock:
            anew = self._layouts.ask(projection, parameters)
            if projection != self.projection:
                self.projection = projection  # its observer lays out
            elif anew:
                self._reproject()
            return self._layouts.done

    def clusters(self, size: int = 8) -> Future[Clusters]:
        """Find clusters, colour by them and name them on the map: a future of what `EmbeddingMap.clusters` gives."""
        return self._clusters.look(size)

    def duplicates(self, least: float = 0.95) -> Future[pd.DataFrame]:
        """Find and list duplicates among the shown rows: a future of what `EmbeddingMap.duplicates` gives."""
        return self._duplicates.look(least)

    def outliers(self, count: int = 10) -> Future[pd.DataFrame]:
        """Find and list outliers among the shown rows: a future of what `EmbeddingMap.outliers` gives."""
        return self._outliers.look(count)

    def save(self, path: str | Path, rows: str = "all", overwrite: bool = False) -> Path:
        """Save what is shown, as `EmbeddingMap.save` does, by its colours and projection.

        Args:
            path: ends in .npy, .parquet, .png, .svg or .html.
            rows: "all", those that are "shown", or the "chosen" ones.
            overwrite: whether a file that is there may be replaced.

        Raises:
            InvalidData: as `EmbeddingMap.save`, or no such `rows`.
        """
        if rows not in ("all", "shown", "chosen"):
            raise InvalidData(f"rows={quoted(rows)} cannot be.", 'Say "all", "shown" or "chosen".')
        wanted = None if rows == "all" else (self.shown if rows == "shown" else self.selection).index.tolist()
        return self.map.save(path, wanted, self._look.values(self.color), self._layouts.name, overwrite)

    def static_html(self) -> str:
        """The map as a picture, and the chosen rows and neighbours as tables."""
        mark = None if self._place is None else (self._place, self.typed)
        image = self._picture.html(
            self._layouts.layout, self._titled, self._look.values(self.color), self._shown_rows, mark
        )
        said = "".join(f"<p>{escape(words)}</p>" for words in (self._trust.words(), self._counted()) if words)
        lists = tables(self.neighbours, self._asked.heading, self._chosen_rows())
        return static_block("Embedding map", image, said, lists)

    def _placed(self, rows: Any) -> pd.DataFrame:
        points = self._layouts.layout.points
        placed: pd.DataFrame = self.map.frame.assign(x=points[:, 0], y=points[:, 1]).iloc[rows]
        return placed

    def _choose(self, row: int) -> None:
        self.selected = [int(row)]

    def _recolour(self) -> None:
        self._look.colour(self.color, self._layouts.layout.points)
        self.update_static()

    def _colour_clusters(self) -> None:
        self._clustered = True
        self._shows.offer_clusters()
        if self.color == CLUSTERS:
            self._recolour()
        self.color = CLUSTERS

    def _refilter(self) -> None:
        mask = self.map.rows(self.filters) if self.filters else None
        self._shown_rows = mask
        self._scatter.filter(mask)
        self._shows.filtered.layout.display = "" if self.filters else "none"
        self._shows.count.value = message(self._counted())
        self._filter.show(self.filters)
        if self._visible(self.selected) != self.selected:
            self.selected = self._visible(self.selected)
        for find in (self._clusters, self._duplicates, self._outliers):
            find.refresh()
        self._list()

    def _counted(self) -> str:
        if self._shown_rows is None:
            return ""
        return f"{self._shown_rows.sum():,} of {len(self.map):,} shown: {in_words(self.filters)}"

    def _reproject(self) -> None:
        with self._lock:
            name = self.projection
            self._shows.projection.value = name
            self._layout.show(name, self._layouts.parameters(name))
            self._layouts.begin(name)

    def _laid(self) -> None:
        self._scatter.show(self._layouts.layout.points)
        self._scatter.select(self.selected)
        self._titled_and_measured()
        self._say("")
        self._mark()
        self._look.name_clusters(self.color, self._layouts.layout.points)
        self.update_static()

    def _lassoed(self, rows: list[int]) -> None:
        self.selected = rows

    def _chosen(self) -> None:
        rows = list(self.selected)
        self._scatter.select(rows)

        def work() -> None:
            found = self.map.similarities(rows[0]) if len(rows) == 1 else None
            with self._lock:
                if rows != self.selected:
                    return
                if found is not None:
                    self._asked.answer(found, str(self._frame[self.map.text].iloc[rows[0]]), rows[0])
                elif self._typed_found is not None:
                    self._asked.answer(self._typed_found, self.typed)
                else:
                    self._asked.forget()
            self._list()

        self._run(work)

    def _find(self, text: str) -> Future[pd.DataFrame | None]:
        """Answer a typed text in the background; when another came meanwhile, leave it to that one."""
        with self._lock:
            self._asked_last += 1
            mine = self._asked_last

        def work() -> pd.DataFrame | None:
            if mine != self._asked_last:
                return None
            vector = self.map.encode(text) if text.strip() else None
            found = None if vector is None else self.map.similarities(vector[0])
            with self._lock:
                if mine != self._asked_last:
                    return None
                self._vector, self._typed_found = vector, found
                if found is None:
                    self._asked.forget()
                else:
                    self._asked.answer(found, text)
                self._list()
                near = self._asked.near
            self._say("")
            self._mark()
            self.update_static()
            return near

        self._future = self._run(work)
        return self._future

    def _mark(self) -> None:
        """Put the cross where the typed text goes on the projection that is shown."""
        vector, self._place = self._vector, None
        if vector is not None:
            try:
                self._place = self._layouts.layout.place(vector)[0]
            except CapabilityMissing as error:  # its neighbours are listed all the same
                self._shows.message.value = message(error.message, error.hint)
        self._scatter.mark(self._place)

    def _titled_and_measured(self) -> None:
        """A projection is on the map: say which, and how far it can be trusted."""
        self._titled = self.map.title(self._layouts.name)
        self._shows.title.value = f'<div class="inb-title">{escape(self._titled)}</div>'
        self._trust.follow(self._layouts.name)

    def _list(self) -> None:
        """List what is near and what is chosen, and let those at the threshold stand out."""
        with self._lock:
            self._asked.list(self.threshold, self._shown_rows)
            self._scatter.emphasise(self._asked.meant)
            self._shows.help.layout.display = "none" if self.selected or self.neighbours is not None else ""
            if self.selected:
                self._rows.show(chosen_words(len(self.selected)), self._chosen_rows())
            else:
                self._rows.clear()
        self.update_static()

    def _chosen_rows(self) -> pd.DataFrame:
        chosen: pd.DataFrame = self._frame.iloc[self.selected].rename_axis("row")
        return chosen
