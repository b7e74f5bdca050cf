"""`EmbeddingExplorer`: look around an `EmbeddingMap` with the mouse and by typing.

It knows the map by its public calls; encoding and projecting run in the background.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from influence_nb.arguments import quoted
from influence_nb.embeddings import picture
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.embeddings.project import TITLES, Projection, checked, find_projection
from influence_nb.embeddings.quality import Quality
from influence_nb.errors import CapabilityMissing, InvalidData
from influence_nb.picture import image_html, png
from influence_nb.widgets.base import (
    StaticFallback,
    answer_on_own_loop,
    escape,
    in_background,
    readable,
    static_block,
    strict,
)
from influence_nb.widgets.columns_shown import ONE_COLOUR, colourable, expect_column, expect_rows
from influence_nb.widgets.form import STYLE, labelled, message
from influence_nb.widgets.frames import FRAME_STYLE, rows_html
from influence_nb.widgets.layout_form import LayoutForm
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.rays import Rays
from influence_nb.widgets.scatter import MapScatter
from influence_nb.widgets.trust import Trust

NEIGHBOURS = 10
MOST_ROWS = 100
"""How many chosen rows the table lists; `selection` has all of them."""

HELP = (
    "Point at a dot to read it, click it for its nearest neighbours, or take the lasso "
    "(or hold Shift) and draw around several."
)


class EmbeddingExplorer(StaticFallback, ipywidgets.VBox):
    """A map to look around in: hover, lasso, nearest neighbours, and a box to type in.

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

    selected = traitlets.List(traitlets.Int())
    """The chosen rows' numbers; set it, or lasso on the page. `selection` is the same as a DataFrame."""

    color = traitlets.Unicode(None, allow_none=True)
    """The column that colours the points; None for one colour."""

    projection = traitlets.Unicode()
    """"umap", "tsne" or "pca"."""

    typed = traitlets.Unicode()
    """The text in the box; `type` sets it and gives its neighbours."""

    problem = traitlets.Unicode()
    """What went wrong with the last request, "" when nothing did."""

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
        self._asked = 0
        self._asked_for: dict[str, dict[str, float]] = {}
        self._laying = Newest()
        self._future: Future[pd.DataFrame | None] = in_background(lambda: None)
        self._laid_out: Future[None] = in_background(lambda: None)
        self._near: pd.DataFrame | None = None
        self._vector: Any = None
        self._place: Any = None
        self._picture: tuple[object, bytes] | None = None
        frame = map.frame
        columns = [column for column in map.columns if colourable(frame[column])]
        self._scatter = MapScatter(frame[[map.text, *map.columns]], map.text, self._lassoed, height)
        self._trust = Trust(map, self._scatter.shade, self.update_static)
        self._on_map = (projection or map.projection), map.project(projection)
        plot = self._scatter.show(self._on_map[1].points)
        self._rays = Rays(map, self._scatter, NEIGHBOURS)
        self._colour = labelled(ipywidgets.Dropdown, "Colour", [ONE_COLOUR, *columns])
        names = [(title, name) for name, title in TITLES.items()]
        self.scatter = plot
        self._projection = labelled(ipywidgets.Dropdown, "Projection", names)
        self._box = ipywidgets.Text(
            description="Text to find", placeholder="Type any text: its neighbours appear as you type"
        ).add_class("inb-find")
        self._title, self._legend, self._message = (ipywidgets.HTML() for _ in range(3))
        self._tables = ipywidgets.HTML()
        self._layout = LayoutForm(lambda name, told: self.show(name, **told))
        more = [self._trust.control, self._layout, self._rays.control]
        controls = ipywidgets.HBox([self._box, self._colour, self._projection, *more]).add_class("inb-row")
        framed = ipywidgets.VBox([plot]).add_class("inb-map")
        parts = [ipywidgets.HTML(STYLE + FRAME_STYLE), controls, self._title, framed]
        super().__init__([*parts, self._legend, self._trust.line, self._message, self._tables])
        for name in ("inb-form", "inb-explorer", "live"):
            self.add_class(name)
        for control in (self._box, self._colour, self._projection):
            answer_on_own_loop(control)
        self.color = map.colour_column if color is None else str(color)
        self.projection = projection or map.projection
        self._layout.show(self.projection, map.parameters(self.projection))
        self._recolour()
        self._shown()
        self._colour.value = self.color or ONE_COLOUR
        self._projection.value = self.projection
        self._tables.value = message(HELP)
        self._colour.observe(lambda _: self._colour_picked(), "value")
        self._projection.observe(lambda _: self.set_trait("projection", self._projection.value), "value")
        self._box.observe(lambda _: self.set_trait("typed", self._box.value), "value")
        self.observe(lambda _: self._recolour(), "color")
        self.observe(lambda _: self._reproject(), "projection")
        self.observe(lambda _: self._find(self.typed), "typed")
        self.observe(lambda _: self._chosen(), "selected")

    @property
    def message(self) -> str:
        """What is said below the map now, as HTML: "" for nothing."""
        return str(self._message.value)

    @property
    def shade(self) -> str:
        """What the points fade by: "trustworthiness", "continuity", "kept", or "" for nothing. Can be set.

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
        points = self._on_map[1].points
        frame = self.map.frame.assign(x=points[:, 0], y=points[:, 1])
        return frame.iloc[self.selected]

    @property
    def neighbours(self) -> pd.DataFrame | None:
        """The neighbours that are listed: of the typed text or of the one chosen row; None when there are none."""
        return self._near

    def type(self, text: str) -> Future[pd.DataFrame | None]:
        """Do what typing into the box does: embed, list neighbours, mark the place.

        Returns:
            A future of the neighbours, done when they and the mark are shown; None for an empty text, or when
            something else was asked for meanwhile.
        """
        with self._lock:
            if text == self.typed:
                return self._find(text)
            self.typed = text  # its observer asks
            self._box.value = text
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
            told = checked(projection, self._parameters(projection) | parameters)
            anew = told != self._parameters(projection)
            self._asked_for[projection] = told
            if projection != self.projection:
                self.projection = projection  # its observer lays out
            elif anew:
                self._reproject()
            return self._laid_out

    @traitlets.validate("selected")
    def _rows_exist(self, proposal: Any) -> list[int]:
        return expect_rows(proposal["value"], len(self.map))

    @traitlets.validate("color")
    def _column_exists(self, proposal: Any) -> str | None:
        return expect_column(proposal["value"], self._colour.options[1:])

    @traitlets.validate("projection")
    def _projection_exists(self, proposal: Any) -> str:
        find_projection(proposal["value"])
        return str(proposal["value"])

    def static_html(self) -> str:
        """The map as a picture, and the chosen rows and neighbours as tables."""
        image = image_html(self._png(), self._titled)
        trust = self._trust.words()
        said = f"<p>{escape(trust)}</p>" if trust else ""
        return static_block("Embedding map", image, said, self._tables_html())

    def _colour_picked(self) -> None:
        self.color = None if self._colour.value == ONE_COLOUR else self._colour.value

    def _recolour(self) -> None:
        self._scatter.colour(self.color)
        self._legend.value = self._scatter.legend(self.color)
        self._colour.value = self.color or ONE_COLOUR
        self.update_static()

    def _reproject(self) -> None:
        """Lay out what is asked for in the background; of what is asked for meanwhile only the newest is laid out."""
        with self._lock:
            name = self.projection
            told = self._parameters(name)
            self._projection.value = name
            self._layout.show(name, told)

            def work(turn: Turn) -> None:
                try:
                    layout = self.map.project(name, **told)
                except Exception:
                    self._asked_for.pop(name, None)  # so that asking again tries again
                    raise
                turn.if_newest(lambda: self._laid(name, layout))

            words = f"Laying out {len(self.map):,} texts by {TITLES[name]} …"
            self._laid_out = self._laying.ask(self._guarded(work), lambda: self._say(words))

    def _laid(self, name: str, layout: Projection) -> None:
        self._on_map = name, layout
        self._scatter.show(layout.points)
        self._scatter.select(self.selected)
        self._shown()
        self._say("")
        self._mark()
        self.update_static()

    def _parameters(self, name: str) -> dict[str, float]:
        """What a projection was told last, whether it is laid out already or not."""
        return self._asked_for.get(name) or self.map.parameters(name)

    def _lassoed(self, rows: list[int]) -> None:
        self.selected = rows

    def _chosen(self) -> None:
        rows = list(self.selected)
        self._scatter.select(rows)

        def work() -> None:
            near = self.map.neighbours(rows[0], NEIGHBOURS) if len(rows) == 1 else None
            with self._lock:
                if rows == self.selected and (near is not None or not self.typed):
                    self._near = near
            self._show_tables()

        self._run(work)

    def _find(self, text: str) -> Future[pd.DataFrame | None]:
        """Answer a typed text in the background; when another came meanwhile, leave it to that one."""
        with self._lock:
            self._asked += 1
            mine = self._asked

        def work() -> pd.DataFrame | None:
            if mine != self._asked:
                return None
            vector = self.map.encode(text) if text.strip() else None
            near = None if vector is None else self.map.neighbours_of_vector(vector[0], NEIGHBOURS)
            with self._lock:
                if mine != self._asked:
                    return None
                self._near, self._vector = near, vector
            self._show_tables()
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
                self._place = self._on_map[1].place(vector)[0]
            except CapabilityMissing as error:  # its neighbours are listed all the same
                self._message.value = message(error.message, error.hint)
        self._scatter.mark(self._place)

    def _run(self, work: Callable[[], Any]) -> Future[Any]:
        return in_background(self._guarded(work))

    def _guarded(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same; what goes wrong is said in the explorer, and raised."""

        def whole(*given: Any) -> Any:
            try:
                return work(*given)
            except Exception as error:
                said = readable(error)
                self.problem = said.message
                self._message.value = message(said.message, said.hint, "problem")
                raise said from error

        return whole

    def _say(self, words: str) -> None:
        self.problem = ""
        self._message.value = message(words) if words else ""

    def _shown(self) -> None:
        """A projection is on the map: say which, and how far it can be trusted."""
        self._titled = self.map.title(self._on_map[0])
        self._title.value = f'<div class="inb-title">{escape(self._titled)}</div>'
        self._trust.follow(self._on_map[0])

    def _show_tables(self) -> None:
        self._tables.value = self._tables_html() or message(HELP)
        self.update_static()

    def _tables_html(self) -> str:
        tables = []
        near = self._near
        if near is not None:
            typed = self.typed.strip() and len(self.selected) != 1
            of = self.typed if typed else self.map.frame[self.map.text].iloc[self.selected[0]]
            shown = near.assign(similarity=near["similarity"].map("{:.3f}".format))
            tables.append(rows_html("Nearest in full space to: " + of, shown, index=False))
        if len(self.selected):
            rows = self.map.frame.iloc[self.selected].drop(columns=["x", "y"])
            count = f"{len(rows):,} chosen text{'s' if len(rows) != 1 else ''}"
            tables.append(rows_html(count, rows.rename_axis("row"), most=MOST_ROWS))
        return "".join(tables)

    def _png(self) -> bytes:
        layout = self._on_map[1]
        marked = None if self._place is None else tuple(self._place)
        key = (self.color, id(layout), marked)
        if self._picture is None or self._picture[0] != key:
            values = None if self.color is None else self.map.frame[self.color]
            marks = [] if self._place is None else [(self._place, self.typed)]
            figure = picture.draw(layout.points, layout.axes, self._titled, values, marks=marks)
            self._picture = key, png(figure, dpi=80)
        return self._picture[1]
