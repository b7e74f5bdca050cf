"""`DownloadPanel`: plan what would be fetched from the Hub, fetch several models in a queue, pause and go on.

It knows planning and fetching by `api`'s calls and the queue by its public ones; both work in the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb import api
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.hub.choose import gguf_kind
from influence_nb.hub.jobs import Job, Jobs
from influence_nb.store.models import LocalModel
from influence_nb.widgets import orders
from influence_nb.widgets.base import StaticFallback, in_background, readable, static_block, strict
from influence_nb.widgets.downloading import Downloading
from influence_nb.widgets.form import STYLE, message, page_button
from influence_nb.widgets.job_row import FINISHED, ROW_STYLE, JobRow
from influence_nb.widgets.plan_form import Request, check, make_request
from influence_nb.widgets.plan_pane import PANE_STYLE, PlanPane
from influence_nb.widgets.plan_view import PLAN_STYLE, all_here, short_of_disk
from influence_nb.widgets.queue_view import QueueView
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.hub.plan import DownloadPlan


@cache
def shared_jobs() -> Jobs:
    """The queue that the panels of this process share."""
    return Jobs()


class DownloadPanel(StaticFallback, ipywidgets.VBox):
    """Plan a model's download, and fetch several in a queue.

    `plan` and `download` do from Python what the buttons do; `jobs` is the queue, where a download is paused,
    resumed and cancelled. What is wanted in another panel (`state.wanted`) is planned at once.

    Args:
        state: what panels share; None for one of its own.
        jobs: the queue; None for the one that the panels of this process share.

    Raises:
        TypeError: an unknown keyword.
    """

    @strict
    def __init__(self, *, state: State | None = None, jobs: Jobs | None = None) -> None:
        self.state = state or State()
        self.jobs = jobs if jobs is not None else shared_jobs()
        self._button = page_button("Download", "Plan first", self._download_clicked, "primary")
        self._pane = PlanPane(self._plan_changed)
        self._queue = QueueView(self.jobs, self._retry, self._load, self._row_changed, self.focus)
        styles = ipywidgets.HTML(STYLE + PLAN_STYLE + PANE_STYLE + ROW_STYLE)
        start = ipywidgets.HBox([self._button]).add_class("inb-row")
        super().__init__([styles, self._pane, start, self._queue])
        for name in ("inb-form", "inb-downloads", "live"):
            self.add_class(name)
        self._plan_changed()
        self.state.observe(self._wanted, "wanted")
        self._wanted()

    def plan(
        self,
        repo_id: str | None = None,
        revision: str | None = None,
        *,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        mirror: str | None = None,
        token: str | None = None,
        output_dir: str | Path | None = None,
        quantization: str | None = None,
    ) -> Future[DownloadPlan]:
        """Plan a download in the background and show it; see `influence_nb.plan` for the arguments.

        Without `repo_id`, what the form says is planned. A token is used for this plan and kept nowhere.

        Returns:
            A future of the plan, done when it is shown, or when a later one was asked for meanwhile.

        Raises:
            InvalidData: no repository is named.
        """
        if repo_id is None:
            request = self._pane.form.request
            check(request)
        else:
            request = make_request(
                repo_id,
                revision=revision,
                include=include,
                exclude=exclude,
                mirror=mirror,
                output_dir=output_dir,
                quantization=quantization,
            )
            self._pane.form.fill(request)
        return self._pane.make(request, token)

    def download(
        self,
        repo_id: str | None = None,
        revision: str | None = None,
        *,
        token: str | None = None,
        **more: Any,
    ) -> Downloading:
        """Plan a download and put it into the queue; without `repo_id`, the plan that is shown.

        Args:
            repo_id: "owner/name".
            revision: a branch, tag or commit.
            token: used for this download and kept nowhere.
            more: whatever else `plan` takes.

        Returns:
            A future of the `LocalModel`. Cancelled, it raises `DownloadInterrupted`; paused, it waits.

        Raises:
            InvalidData: no repository is named, and no plan is shown; or there is more to plan without one.
        """
        future = Downloading()
        if repo_id is None:
            plan = self._pane.current
            if plan is None:
                raise InvalidData(
                    "There is no plan to download.", 'Plan one first: panel.plan("owner/name").'
                )
            if revision is not None or more:
                raise InvalidData(
                    "The plan that is shown is downloaded as it is.",
                    'Name the repository too: panel.download("owner/name", ...).',
                )
            future.begin(self._add(plan, token))
            planned = None
        else:
            planned = self.plan(repo_id, revision, token=token, **more)

        def work() -> LocalModel:
            job = future.job if planned is None else future.begin(self._add(planned.result(), token))
            assert job is not None
            try:
                return job.wait()
            finally:
                self._queue.painter.now()  # the end is on the page, and in the static rendering, before it is told

        future.follow(work)
        return future

    def focus(self) -> None:
        """Put the keyboard's place on the field for the repository."""
        self._pane.form.focus()

    def static_html(self) -> str:
        """The plan and the queue, for a reader without a kernel."""
        queue = self._queue.static_html()
        parts = self._pane.static_html() + (static_block("Downloads", queue) if queue else "")
        return parts or static_block("Downloads", "<p>Nothing is planned, and nothing is being fetched.</p>")

    def close(self) -> None:
        """Follow the queue and the state no longer, and take the panel off the page. Downloads go on."""
        queue = getattr(self, "_queue", None)
        if queue is not None:  # there is none where the constructor refused
            queue.close()
            self.state.unobserve(self._wanted, "wanted")
        super().close()

    def _plan_changed(self) -> None:
        plan = self._pane.current
        possible = plan is not None and not short_of_disk(plan)
        self._button.disabled = not possible
        self._button.button_style = "" if plan is not None and all_here(plan) else "primary"
        if plan is None:
            self._button.tooltip = "Plan first"
        elif possible:
            self._button.tooltip = f"Download {plan.repo_id}"
        else:
            self._button.tooltip = "There is not enough room on the disk"
        self.update_static()

    def _wanted(self, _: Any = None) -> None:
        """Plan what another panel asks for; where to download to and from stays as typed."""
        if wanted := self.state.wanted:
            typed = self._pane.form.request
            request = Request(wanted, output_dir=typed.output_dir, mirror=typed.mirror)
            self._pane.form.fill(request)
            self._pane.make(request)

    def _download_clicked(self) -> None:
        try:
            self.download()
        except InfluenceError as error:
            self._pane.say(error)

    def _add(self, plan: DownloadPlan, token: str | None) -> Job[LocalModel]:
        token = token or self._pane.take_token(plan)
        job, new = orders.order(self.jobs, _title(plan), plan, token)
        if not new:
            self._pane.tell(f"{plan.repo_id} is in the list of downloads already.")
        self._queue.painter.ask()
        return job

    def _retry(self, row: JobRow) -> None:
        plan = orders.plan_of(row.job)
        if plan is not None:
            orders.again(self.jobs, row.job, self._pane.take_token(plan))

    def _load(self, row: JobRow) -> None:
        """Load the model that came; the other panels learn of it from the registry."""
        model = row.job.result
        if model is None:
            return

        def say(said: str) -> None:
            row.say(said)
            self._queue.painter.ask()

        def stage(name: str, share: float | None) -> None:
            say(message(f"Loading: {name}{'' if share is None else f', {100 * share:.0f}%'}"))

        def work() -> None:
            try:
                api.load(model, on_progress=stage)
            except Exception as error:
                said = readable(error)
                say(message(said.message, said.hint, "problem"))
            else:
                say(message(f"{model.name} is loaded."))

        in_background(work)

    def _row_changed(self, row: JobRow) -> None:
        plan = orders.plan_of(row.job)
        over = (
            row.shown in FINISHED
        )  # as it was painted: the job itself may have ended since, and will be heard of again
        if plan is not None and over:
            self._pane.look_again(plan)
        if over:  # what did not come whole is in the library too, as something to fetch or to remove
            self.state.library_changed()
        self.update_static()


def _title(plan: DownloadPlan) -> str:
    """What the download is called in the list: with the quantization of GGUF files."""
    kinds = {gguf_kind(file.name) for file in plan.files if file.name.endswith(".gguf")}
    return " · ".join([plan.repo_id, *sorted(kind for kind in kinds if kind is not None)])
