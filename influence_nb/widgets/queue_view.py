"""The queue of downloads as a list of rows, which follows the queue whoever adds to it.

It knows jobs by their public attributes; what a job does, and what follows from its end, others know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb.widgets import orders
from influence_nb.widgets.form import page_button
from influence_nb.widgets.job_row import FINISHED, QUIET, JobRow, queue_static
from influence_nb.widgets.newest import Pause
from influence_nb.widgets.painter import Painter

if TYPE_CHECKING:
    from influence_nb.hub.jobs import Job, Jobs


class QueueView(ipywidgets.VBox):
    """One row a job, the latest last; a job that is done again keeps its row.

    Args:
        jobs: the queue.
        retry: does a row's job again.
        load: loads the model that a row's job fetched.
        changed: told of each row that shows another status than before, on whichever thread paints.
        emptied: called when no row is left after `Clear finished` was pressed: the focus has to go elsewhere.
    """

    def __init__(
        self,
        jobs: Jobs,
        retry: Callable[[JobRow], object],
        load: Callable[[JobRow], object],
        changed: Callable[[JobRow], object],
        emptied: Callable[[], object],
    ) -> None:
        self._jobs = jobs
        self._retry, self._load, self._changed = retry, load, changed
        self._emptied = emptied
        self._rows: dict[object, JobRow] = {}  # by what `orders.key` says
        self.painter = Painter(self._paint)
        self._look_again = Pause(QUIET, self.painter.ask)  # what is silent is painted too: it has to say so
        self._title = ipywidgets.HTML(
            '<div class="inb-heading" role="heading" aria-level="4">Downloads</div>'
        )
        self._clear = page_button(
            "Clear finished", "Take finished downloads off the list", self._clear_clicked
        )
        self._list = ipywidgets.VBox()
        head = ipywidgets.HBox([self._title, self._clear]).add_class("inb-queue-head")
        super().__init__([head, self._list])
        self.add_class("inb-queue")
        self._sync()
        self._unsubscribe = jobs.subscribe(self._heard)

    @property
    def rows(self) -> list[JobRow]:
        """The rows as they stand."""
        return list(self._list.children)

    def clear_finished(self) -> None:
        """Take what is done, cancelled or failed off the queue. Nothing is deleted."""
        self._jobs.clear_finished()
        self.painter.now()

    def static_html(self) -> str:
        """The queue for a reader without a kernel; "" while it is empty."""
        return queue_static(self.rows)

    def close(self) -> None:
        """Follow the queue no longer."""
        unsubscribe, self._unsubscribe = self._unsubscribe, lambda: None
        unsubscribe()
        self._look_again.cancel()
        super().close()

    def _clear_clicked(self) -> None:
        self.clear_finished()
        if self.rows:
            self.rows[0].focus()
        else:
            self._emptied()

    def _heard(self, job: Job[Any]) -> None:
        row = self._rows.get(orders.key(job))
        if row is not None and row.job is job:
            row.hear(job.progress)
        self.painter.ask()

    def _paint(self) -> None:
        for row in self._sync():
            self._changed(row)
        if any(row.shown == "running" for row in self.rows):
            self._look_again.nudge()

    def _sync(self) -> list[JobRow]:
        """Make the rows those of the queue; those that show another status than before."""
        jobs = {orders.key(job): job for job in orders.listed(self._jobs)}
        kept = {key: row for key, row in self._rows.items() if key in jobs}
        for key, row in kept.items():
            row.take(jobs[key])
        new = {key: JobRow(job, self._retry, self._load) for key, job in jobs.items() if key not in kept}
        self._rows = {**kept, **new}
        rows = list(self._rows.values())
        changed = [row for row in rows if row.paint()]
        gone = [row for row in self._list.children if row not in rows]
        if list(self._list.children) != rows:
            self._list.children = rows
        for row in gone:
            row.close()
        finished = any(row.shown in FINISHED for row in rows)
        self._clear.layout.visibility = "visible" if finished else "hidden"
        self.layout.display = "" if rows else "none"
        return changed
