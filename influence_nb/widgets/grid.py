"""`GridPanel`: one prompt under every combination of some settings, its completions beside each other.

It knows grids and the page's messages; how cells are run is the engine's business, how they are painted the page's
(`widgets/grid/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb import api
from influence_nb.arguments import quoted
from influence_nb.engine import grid_view
from influence_nb.engine.axes import plan
from influence_nb.engine.grid import Cell, Grid, run
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.evaluation.diversity import diversity
from influence_nb.widgets import grid_axes
from influence_nb.widgets.base import MUTED, escape, static_block, strict
from influence_nb.widgets.grid_picture import FIGURES, cell, figures, layout, usual_across, worded
from influence_nb.widgets.grid_traits import GridTraits
from influence_nb.widgets.newest import Newest, Turn
from influence_nb.widgets.painter import Painter

if TYPE_CHECKING:
    from influence_nb.engine.batch import BatchProgress
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.widgets.explorer import EmbeddingExplorer
    from influence_nb.widgets.state import State

USUAL = {"temperature": [0.3, 0.7, 1.2], "seed": [0, 1]}
SIMILARITY = "self_similarity"
"""The figure that takes an encoder, and so is only there once it is asked for."""
_NOTHING = "No grid was run yet."


class GridPanel(GridTraits):
    """One prompt under every combination of some settings: run, compared, coloured, mapped.

    `vary` says what is varied, `run` runs it, and cells appear as they finish; `compare`, `colour` and `arrange` change
    what the table shows, `map` draws the texts as points, `go_on` opens one elsewhere. The page has a control for each.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        axes: what is varied, {name: values}, as `Model.grid` takes it.
        sampling: what all cells share; None for the defaults.
        open_with: where a cell can be gone on with: {name: a call that takes its prompt and its completion},
            such as the `adopt` of a `ChatPanel`.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        grid: the cells, a `Grid`; None before the first run.
        below: where `map` puts its explorer, a box that is displayed below the panel.

    Raises:
        TypeError: an unknown keyword.
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    @strict
    def __init__(
        self,
        *,
        model: Model | str | None = None,
        axes: Mapping[str, Any] | None = None,
        sampling: Sampling | None = None,
        open_with: Mapping[str, Callable[[Prompt, Completion], object]] | None = None,
        state: State | None = None,
    ) -> None:
        self.grid: Grid | None = None
        self.below = ipywidgets.VBox()
        self._sampling = sampling or Sampling()
        self._open_with = dict(open_with or {})
        self._cells: dict[int, Cell] = {}
        self._figures: dict[int, dict[str, float]] = {}
        self._progress: dict[str, Any] = {}
        self._last: Model | None = None
        self._embedding = Newest()
        self._painter = Painter(self._show_cells)
        super().__init__(model, state, opens=list(self._open_with))
        self.vary(**(USUAL if axes is None else axes))

    # -- from Python and from the page -----------------------------------------------------------------------------

    def vary(self, **values: Any) -> None:
        """Say what is varied, as `Model.grid` takes it; why they make no grid, if so, is said on the page."""
        with self._lock:
            axes = grid_axes.written(values)
            self._put(axes=axes, counted=self._counted(axes))

    def _counted(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        known = None if self.state.selected is None else [one["name"] for one in self.choices]
        return grid_axes.counted(rows, known)

    def run(self, prompt: Any = None) -> Future[Grid]:
        """Run every combination, in the background; cells appear as they finish.

        Args:
            prompt: as `Model.grid` takes it; None for what the page says.

        Raises:
            ModelNotFound: no model is loaded.
            InvalidSampling: an axis holds something that is no value.
        """
        asked = self._prompt(prompt)
        model, values = self._present(), grid_axes.read(self.axes)
        sampling = self._sampling.replace(max_new_tokens=self.length)
        stop = self._begin()

        def work(turn: Turn) -> Grid:
            with self._running(), api.awake(model) as present:
                self._last = present
                planned = plan(present, asked, sampling, values, grid_axes.LIMIT)
                with self._lock:
                    self._cells, self._figures = {}, {}
                    self.grid = Grid(planned.axes, planned.prompt, ())
                    self._put(across=usual_across(planned.axes), reference=-1, colour_by="")
                    self._show_cells()
                try:
                    with closing(run(planned, stop, self._progressed)) as cells:
                        for one in cells:
                            self._came(one)
                finally:
                    self._progress = {}
                    self._painter.now()
                    self.update_static()
                return self.grid

        return self._asking.ask(work, lambda: self._put(status="running", problem=None))

    def arrange(self, across: str) -> None:
        """Let the values of an axis be the columns; "" for a row a cell.

        Raises:
            InvalidData: no such axis.
        """
        with self._lock:
            axes = self._run_before().axes
            if across and across not in axes:
                raise InvalidData(f"This grid has no axis {quoted(across)}.", f"It has: {', '.join(axes)}.")
            self._put(across=across)
            self._show_cells()

    def compare(self, place: int | None) -> None:
        """Mark in every cell what is not in the cell at `place` too; None compares no longer.

        Raises:
            InvalidData: that cell is not there.
        """
        with self._lock:
            self._put(reference=-1 if place is None else self.at(place).place)
            self._show_cells()

    def colour(self, by: str) -> Future[None]:
        """Colour the cells by a figure, "" for none; "self_similarity" opens an encoder, in the background.

        Raises:
            InvalidData: no such figure.
        """
        with self._lock:
            self._run_before()
            if by and by not in self.figures:
                raise InvalidData(
                    f"There is no figure {quoted(by)}.", f"There are: {', '.join(self.figures)}."
                )
            self._put(colour_by=by)

        def work(turn: Turn) -> None:
            if by == SIMILARITY and not all(by in one for one in self._figures.values()):
                with self._embedded():
                    grid = self._run_before()
                    frame = diversity(grid, on_progress=self._embedding_at, cancel=turn.over)
                    with self._lock:
                        for one, number in zip(grid, frame[by], strict=True) if grid is self.grid else ():
                            self._figures[one.place][by] = number
            self._painter.now()
            self.update_static()

        return self._embedding.ask(work)

    def map(self) -> Future[EmbeddingExplorer]:
        """Draw the texts as points by their vectors, coloured by an axis, below the table; in the background."""
        grid = self._run_before()

        def work(turn: Turn) -> EmbeddingExplorer:
            from influence_nb.embeddings.map import EmbeddingMap
            from influence_nb.widgets.explorer import EmbeddingExplorer

            with self._embedded():
                frame = grid.to_frame()
                several = [name for name, values in grid.axes.items() if len(values) > 1]
                for name in several:
                    frame[name] = [grid_view.shown(one.values[name]) for one in grid]
                projection = "umap" if len(grid) > 30 else "pca"
                made = EmbeddingMap(frame, projection=projection, on_progress=self._embedding_at)
                explorer = EmbeddingExplorer(made, color=several[0] if several else None, height=360)
                self.below.children = [explorer]
                return explorer

        return self._embedding.ask(work)

    def at(self, place: int) -> Cell:
        """The cell at a place, from 0, the last axis fastest.

        Raises:
            InvalidData: it is not there.
        """
        found = self._cells.get(place)
        if found is None:
            raise InvalidData(
                f"There is no cell {quoted(place)}.", "Run the grid, or choose one that is there."
            )
        return found

    def go_on(self, place: int, where: str) -> Any:
        """Go on with a cell elsewhere, one of `opens`; what that gives.

        Raises:
            InvalidData: it is not there, or there is no such place to go on.
        """
        if where not in self._open_with:
            raise InvalidData(
                f"Cells do not open in {quoted(where)}.", f"There are: {', '.join(self.opens) or 'none'}."
            )
        one = self.at(place)
        return self._open_with[where](self._run_before().prompt_of(one), one.completion)

    def static_html(self) -> str:
        """The cells as a table, for a reader without a kernel."""
        if self.grid is None:
            return static_block("Grid", f"<p>{escape(_NOTHING)}</p>")
        name = self._cells[min(self._cells)].completion.receipt.model if self._cells else self.model
        said = f'<p style="{MUTED}">{escape(worded(self.grid.prompt))}</p>'
        return static_block(f"Grid · {name}", said, self.grid._repr_html_())

    def close(self) -> None:
        """Stop, and leave the page."""
        if hasattr(self, "below"):
            self._embedding.cancel()
            for one in (*self.below.children, self.below):
                one.close()
        super().close()

    def _ipython_display_(self, **keywords: Any) -> None:
        from IPython.display import display

        super()._ipython_display_(**keywords)
        display(self.below)

    # -- what comes --------------------------------------------------------------------------------------------------

    def _came(self, one: Cell) -> None:
        with self._lock:
            assert self.grid is not None
            self._cells[one.place], self._figures[one.place] = one, figures(one)
            cells = tuple(self._cells[place] for place in sorted(self._cells))
            self.grid = Grid(self.grid.axes, self.grid.prompt, cells)
        self._painter.ask()

    def _progressed(self, now: BatchProgress) -> None:
        words = f"{now.done:,} of {now.total:,} cells · {now.tokens:,} tokens"
        self._progress = {"done": now.done, "total": now.total, "words": words}
        self._painter.ask()

    def _embedding_at(self, done: int, total: int) -> None:
        self._progress = {"done": done, "total": total, "words": f"Embedding {done:,} of {total:,} texts"}
        self._painter.ask()

    @contextmanager
    def _embedded(self) -> Iterator[None]:
        """What goes wrong while texts are embedded is shown; then no progress is."""
        try:
            with self._told():
                yield
        finally:
            self._progress = {}
            self._painter.now()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show_cells(self) -> None:
        with self._lock:
            grid = self.grid
            if grid is None:
                return
            reference = self._cells.get(self.reference)
            self._put(
                table=layout(grid.axes, self.across),
                figures=[*FIGURES, SIMILARITY],
                cells=[cell(one, self._figures[one.place], reference) for one in grid],
                progress=self._progress,
            )

    def _source(self) -> Model | None:
        return self._last

    def _follow(self, _: Any = None) -> None:
        super()._follow()
        self.choices = grid_axes.choices(self.state.selected)

    # -- asking ------------------------------------------------------------------------------------------------------

    def _run_before(self) -> Grid:
        if self.grid is None:
            raise InvalidData(_NOTHING, "Press Run first: panel.run().")
        return self.grid

    def _asked(self, content: Any) -> None:
        match content:
            case {"type": "axes", "axes": list(axes)}:
                rows = [{"name": str(one["name"]), "text": str(one["text"])} for one in axes]
                self._put(axes=rows, counted=self._counted(rows))
            case {"type": "run", "prompt": str(prompt), "chat": bool(chat), "length": int(length)}:
                self._put(prompt=prompt, chat=chat, length=length)
                self.run()
            case {"type": "compare", "place": int(place)}:
                self.compare(place)
            case {"type": "compare", "place": None}:
                self.compare(None)
            case {"type": "colour", "by": str(by)}:
                self.colour(by)
            case {"type": "arrange", "across": str(across)}:
                self.arrange(across)
            case {"type": "open", "place": int(place), "where": str(where)}:
                self.go_on(place, where)
            case {"type": "map"}:
                self.map()
            case _:
                super()._asked(content)
