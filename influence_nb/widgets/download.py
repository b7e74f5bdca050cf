"""`DownloadPanel`: plan what would be fetched from the Hub, fetch several models in a queue, pause and go on.

It knows planning and fetching by `api`'s calls and the queue by its public ones; both work in the background.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb import api
from influence_nb.errors import GatedModel, InfluenceError, InvalidData
from influence_nb.hub.choose import gguf_kind
from influence_nb.hub.jobs import Job, Jobs
from influence_nb.hub.transport import endpoint
from influence_nb.store.models import LocalModel
from influence_nb.widgets import orders
from influence_nb.widgets.base import (
    StaticFallback,
    escape,
    in_background,
    readable,
    static_block,
    strict,
)
from influence_nb.widgets.downloading import Downloading
from influence_nb.widgets.form import STYLE, message, page_button
from influence_nb.widgets.gate import Gate
from influence_nb.widgets.job_row import FINISHED, ROW_STYLE, JobRow
from influence_nb.widgets.plan_form import PlanForm, Request, make_request
from influence_nb.widgets.plan_view import (
    PLAN_STYLE,
    fit_html,
    fit_words,
    plan_html,
    plan_static,
    quantizations,
    short_of_disk,
)
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
        self._lock = threading.RLock()
        self._asked = 0  # plans asked for; only the last one is shown
        self._plan: DownloadPlan | None = None
        self._request: Request | None = None  # which the shown plan answers
        self._fit = ""
        self._refused: Request | None = None  # for want of a token
        self._refreshed: Future[Any] | None = None
        self._form = PlanForm(self._plan_clicked, self._form_changed)
        self._wait = ipywidgets.HTML().add_class("inb-wait")
        self._message = ipywidgets.HTML().add_class("inb-news")
        self._view = ipywidgets.HTML()
        self._gate = Gate(self._token_entered)
        self._button = page_button("Download", "Download what is planned", self._download_clicked, "primary")
        self._queue = QueueView(self.jobs, self._retry, self._load, self._job_changed)
        styles = ipywidgets.HTML(STYLE + PLAN_STYLE + ROW_STYLE + PANEL_STYLE)
        start = ipywidgets.HBox([self._button]).add_class("inb-row")
        parts = [styles, self._form, self._wait, self._message, self._view, self._gate, start, self._queue]
        super().__init__(parts)
        for name in ("inb-form", "inb-downloads", "live"):
            self.add_class(name)
        self._show()
        self.state.observe(lambda _: self._wanted(), "wanted")
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
            request = self._form.request
            make_request(request.repo_id)
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
            self._form.fill(request)
        return self._make_plan(request, token)

    def download(
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
    ) -> Downloading:
        """Plan a download and put it into the queue; without `repo_id`, the plan that is shown.

        A token is used for this download and kept nowhere.

        Returns:
            A future of the `LocalModel`. Cancelled, it raises `DownloadInterrupted`; paused, it waits.

        Raises:
            InvalidData: no repository is named, and no plan is shown.
        """
        future = Downloading()
        if repo_id is None:
            with self._lock:
                plan = self._current()
                if plan is None:
                    raise InvalidData(
                        "There is no plan to download.", 'Plan one first: panel.plan("owner/name").'
                    )
                token = token or self._gate.take_token(plan.repo_id)
            future.begin(self._add(plan, token))
            planned = None
        else:
            planned = self.plan(
                repo_id,
                revision,
                include=include,
                exclude=exclude,
                mirror=mirror,
                token=token,
                output_dir=output_dir,
                quantization=quantization,
            )

        def work() -> LocalModel:
            job = future.job if planned is None else future.begin(self._add(planned.result(), token))
            assert job is not None
            try:
                return job.wait()
            finally:
                self._queue.painter.now()  # the end is on the page, and in the static rendering, before it is told

        future.follow(work)
        return future

    def static_html(self) -> str:
        """The plan and the queue, for a reader without a kernel."""
        with self._lock:
            plan = plan_static(self._plan) if self._plan is not None else ""
        queue = self._queue.static_html()
        parts = plan + (static_block("Downloads", queue) if queue else "")
        return parts or static_block("Downloads", "<p>Nothing is planned, and nothing is being fetched.</p>")

    def close(self) -> None:
        """Follow the queue no longer, and take the panel off the page. Downloads go on."""
        queue = getattr(self, "_queue", None)
        if queue is not None:  # there is none where the constructor refused
            queue.close()
        super().close()

    # Planning

    def _make_plan(self, request: Request, token: str | None) -> Future[DownloadPlan]:
        with self._lock:
            self._asked += 1
            mine = self._asked
            if token is None:
                token = self._gate.peek_token(request.repo_id)
            self._message.value, self._wait.value = "", _busy(f"Looking at {request.repo_id}")

        def work() -> DownloadPlan:
            try:
                plan = api.plan(**vars(request), token=token)
            except Exception as error:
                said = readable(error)
                with self._lock:
                    if mine == self._asked:
                        self._refuse(request, said)
                self.update_static()
                raise said from error
            with self._lock:
                shown = mine == self._asked
                if shown:
                    self._accept(request, plan)
            self.update_static()
            if shown:
                self._ask_fit(plan)
            return plan

        return in_background(work)

    def _accept(self, request: Request, plan: DownloadPlan) -> None:
        if self._plan is None or (self._plan.repo_id, self._plan.commit) != (plan.repo_id, plan.commit):
            self._fit = ""
        self._plan, self._request, self._refused = plan, request, None
        self._wait.value = self._message.value = ""
        self._form.offer(quantizations(plan))
        if plan.gated:
            self._gate.show(plan.repo_id, plan.licence_page, plan.gated)
        else:
            self._gate.hide()
        self._show()

    def _refuse(self, request: Request, error: InfluenceError) -> None:
        self._plan = self._request = None
        self._wait.value, self._message.value = "", message(error.message, error.hint, "problem")
        if isinstance(error, GatedModel):
            self._refused = request
            self._gate.show(request.repo_id, _page(request))
        else:
            self._gate.hide()
        self._show()

    def _look_again(self, job: Job[Any]) -> None:
        """Show how much is here now, where the plan that is shown is that of `job`.

        The plan's commit is known, so the hub is not asked.
        """
        with self._lock:
            plan, request, asked = self._plan, self._request, self._asked
        fetched = orders.plan_of(job)
        if plan is None or request is None or fetched is None or not orders.same(fetched, plan):
            return

        def work() -> None:
            pinned = replace(request, revision=plan.commit)
            again = replace(api.plan(**vars(pinned)), revision=plan.revision)
            with self._lock:
                if asked == self._asked and plan is self._plan:
                    self._plan = again
                    self._show()
            self.update_static()

        self._refreshed = in_background(work)

    def _ask_fit(self, plan: DownloadPlan) -> None:
        fit = getattr(api, "fit", None)
        if fit is None:
            return

        def work() -> None:
            try:
                found = fit_words(fit(plan))
            except Exception as error:
                found = fit_html(f"Whether it fits this device is not known: {readable(error).message}", None)
            with self._lock:
                if plan is self._plan:
                    self._fit = found
                    self._show()

        if not self._fit:
            self._fit = fit_html("Whether it fits this device is being worked out …", None)
            self._show()
        in_background(work)

    def _current(self) -> DownloadPlan | None:
        """The plan that is shown, unless the form asks for something else by now."""
        return self._plan if self._request == self._form.request else None

    def _show(self) -> None:
        with self._lock:
            plan, current = self._plan, self._current()
            self._view.value = "" if plan is None else plan_html(plan, self._fit, stale=current is None)
            possible = current is not None and not short_of_disk(current)
            self._button.disabled = not possible
            self._button.tooltip = (
                f"Download {current.repo_id}"
                if current is not None and possible
                else "There is not enough room on the disk"
                if current is not None
                else "Plan first"
            )

    def _form_changed(self) -> None:
        self._show()

    def _wanted(self) -> None:
        """Plan what another panel asks for; where to download to and from stays as typed."""
        if wanted := self.state.wanted:
            typed = self._form.request
            request = Request(wanted, output_dir=typed.output_dir, mirror=typed.mirror)
            self._form.fill(request)
            self._make_plan(request, None)

    def _plan_clicked(self) -> None:
        try:
            self.plan()
        except InfluenceError as error:
            self._message.value = message(error.message, error.hint, "problem")

    def _token_entered(self) -> None:
        """A token came: plan again where there was no plan for want of it."""
        with self._lock:
            request = self._refused
        if request is not None:
            self._make_plan(request, None)

    # Downloading

    def _download_clicked(self) -> None:
        try:
            self.download()
        except InfluenceError as error:
            self._message.value = message(error.message, error.hint, "problem")

    def _add(self, plan: DownloadPlan, token: str | None) -> Job[LocalModel]:
        job, new = orders.order(self.jobs, _title(plan), plan, token)
        if not new:
            self._message.value = message(f"{plan.repo_id} is in the list of downloads already.")
        self._queue.painter.ask()
        return job

    def _retry(self, row: JobRow) -> None:
        plan = orders.plan_of(row.job)
        token = self._gate.take_token(plan.repo_id) if plan is not None else None
        orders.again(self.jobs, row.job, token)

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

    def _job_changed(self, job: Job[Any]) -> None:
        if job.status in FINISHED:
            self._look_again(job)
        if job.status == "done":
            self.state.library_changed()
        self.update_static()


PANEL_STYLE = """<style>
.inb-downloads .inb-wide { flex: 1 1 24em; }
.inb-downloads .inb-labelled { margin: 0 2px; }
.inb-downloads .inb-row > .inb-labelled:not(.inb-wide) { flex-basis: 9em; min-width: 8em; }
.inb-downloads .inb-row button { height: 30px; margin-bottom: 0; }
.inb-downloads .inb-news, .inb-downloads .inb-wait { margin: 0 2px; }
.inb-downloads .inb-news:not(:has(.inb-said)) { display: none; }
.inb-downloads .inb-wait { height: 3px; min-height: 3px; margin-bottom: 5px; overflow: visible; }
.inb-downloads .inb-token { max-width: 26em; flex: 0 0 auto; }
.inb-downloads .inb-gate { padding: 2px 0 6px; overflow: visible; }
.inb-downloads .inb-heading { font-weight: 600; font-size: 14px; }
.inb-downloads .inb-queue-head { align-items: center; justify-content: space-between; margin-top: 6px; }
.inb-downloads .inb-busy { position: absolute; inset: 0 0 auto; height: 3px; border-radius: 2px; overflow: hidden;
  background: var(--jp-layout-color3, #ddd); }
.inb-downloads .inb-busy::after { content: ""; position: absolute; inset: 0 70% 0 0; border-radius: 2px;
  background: var(--jp-brand-color1, #1976d2); animation: inb-busy 1.4s ease-in-out infinite alternate; }
@keyframes inb-busy { to { inset: 0 0 0 70%; } }
@media (prefers-reduced-motion: reduce) { .inb-downloads .inb-busy::after { animation: none; inset: 0; opacity: .5; } }
</style>"""


def _busy(words: str) -> str:
    return f'<div class="inb-busy" role="progressbar" aria-label="{escape(words)}"></div>'


def _title(plan: DownloadPlan) -> str:
    """What the download is called in the list: with the quantization of GGUF files."""
    kinds = {gguf_kind(file.name) for file in plan.files if file.name.endswith(".gguf")}
    return " · ".join([plan.repo_id, *sorted(kind for kind in kinds if kind is not None)])


def _page(request: Request) -> str:
    """The model's page, where its licence is accepted."""
    return f"{endpoint(request.mirror)}/{request.repo_id}"
