"""The upper part of a `DownloadPanel`: the form, the plan that answers it, and the gate of a gated model.

It asks `api` for plans, in the background; it does not know the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import ipywidgets

from influence_nb import api
from influence_nb.errors import GatedModel, InfluenceError
from influence_nb.hub.transport import endpoint
from influence_nb.widgets import orders
from influence_nb.widgets.base import escape, in_background, readable
from influence_nb.widgets.form import message
from influence_nb.widgets.gate import Gate
from influence_nb.widgets.plan_form import PlanForm, Request, check
from influence_nb.widgets.plan_view import fit_html, fit_words, plan_html, plan_static, quantizations

if TYPE_CHECKING:
    from influence_nb.hub.plan import DownloadPlan

PANE_STYLE = """<style>
.inb-downloads .widget-html, .inb-downloads .widget-html-content { min-width: 0; }
.inb-downloads .inb-wide { flex: 1 1 24em; }
.inb-downloads .inb-labelled { margin: 0 2px; }
.inb-downloads .inb-row > .inb-labelled:not(.inb-wide) { flex-basis: 10em; min-width: 10em; }
.inb-downloads .inb-row button { height: 30px; margin-bottom: 0; }
.inb-downloads .inb-news, .inb-downloads .inb-wait { margin: 0 2px; }
.inb-downloads .inb-news:not(:has(.inb-said)) { display: none; }
.inb-downloads .inb-wait { height: 3px; min-height: 3px; margin-bottom: 5px; overflow: visible; }
.inb-downloads .inb-token { max-width: 26em; flex: 0 0 auto; }
.inb-downloads .inb-gate { padding: 2px 0 6px; overflow: visible; }
.inb-downloads .inb-busy { position: absolute; inset: 0 0 auto; height: 3px; border-radius: 2px; overflow: hidden;
  background: var(--jp-layout-color3, #ddd); }
.inb-downloads .inb-busy::after { content: ""; position: absolute; inset: 0 70% 0 0; border-radius: 2px;
  background: var(--jp-brand-color1, #1976d2); animation: inb-busy 1.4s ease-in-out infinite alternate; }
@keyframes inb-busy { to { inset: 0 0 0 70%; } }
@media (prefers-reduced-motion: reduce) { .inb-downloads .inb-busy::after { animation: none; inset: 0; opacity: .5; } }
</style>"""


class PlanPane(ipywidgets.VBox):
    """Form, plan and gate.

    Args:
        changed: called whenever what is shown has changed, from any thread.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._asked = 0  # plans asked for; only the last one is shown
        self._plan: DownloadPlan | None = None
        self._request: Request | None = None  # which the shown plan answers
        self._refused: Request | None = None  # for want of a token
        self._fit = ""
        self.refreshed: Future[None] | None = None  # the last look at the disk
        self.form = PlanForm(self._plan_clicked, self._show)
        self._wait = ipywidgets.HTML().add_class("inb-wait")
        self._message = ipywidgets.HTML().add_class("inb-news")
        self._view = ipywidgets.HTML()
        self._gate = Gate(self._token_entered)
        super().__init__([self.form, self._wait, self._message, self._view, self._gate])

    @property
    def current(self) -> DownloadPlan | None:
        """The plan that is shown, unless the form asks for something else by now."""
        with self._lock:
            return self._plan if self._request == self.form.request else None

    def static_html(self) -> str:
        """The plan for a reader without a kernel; "" where there is none."""
        plan = self._plan
        return plan_static(plan) if plan is not None else ""

    def say(self, error: InfluenceError) -> None:
        """Say what went wrong, and leave all else as it is."""
        self._message.value = message(error.message, error.hint, "problem")

    def tell(self, words: str) -> None:
        """Say something below the form."""
        self._message.value = message(words)

    def take_token(self, plan: DownloadPlan) -> str | None:
        """The token that was entered for this model, once; None where there is none."""
        return self._gate.take_token(_page(plan.endpoint, plan.repo_id))

    def make(self, request: Request, token: str | None = None) -> Future[DownloadPlan]:
        """Plan in the background, and show the plan or what was in the way.

        Args:
            request: what to plan; the form is left as it is.
            token: used for this alone; None takes one that was entered for this model, and leaves it there.

        Returns:
            A future of the plan, done when it is shown, or when a later one was asked for meanwhile.
        """
        with self._lock:
            self._asked += 1
            mine = self._asked
            token = token or self._entered(request)
            self._message.value, self._wait.value = "", _busy(f"Looking at {request.repo_id}")

        def work() -> DownloadPlan:
            try:
                plan = api.plan(**vars(request), token=token)
            except Exception as error:
                said = readable(error)
                with self._lock:
                    if mine == self._asked:
                        self._refuse(request, said)
                raise said from error
            with self._lock:
                shown = mine == self._asked
                if shown:
                    self._accept(request, plan)
            if shown:
                self._ask_fit(plan, token)
            return plan

        return in_background(work)

    def look_again(self, fetched: DownloadPlan) -> None:
        """Show how much is here now, where the plan that is shown is `fetched`.

        The plan's commit is known, so the hub is not asked.
        """
        with self._lock:
            plan, request, asked = self._plan, self._request, self._asked
        if plan is None or request is None or not orders.same(fetched, plan):
            return

        def work() -> None:
            pinned = replace(request, revision=plan.commit)
            again = replace(api.plan(**vars(pinned)), revision=plan.revision)
            with self._lock:
                if asked == self._asked:
                    self._plan = again
                    self._show()

        self.refreshed = in_background(work)

    def _accept(self, request: Request, plan: DownloadPlan) -> None:
        if self._plan is None or not orders.same(self._plan, plan):
            self._fit = ""
        self._plan, self._request, self._refused = plan, request, None
        self._wait.value = self._message.value = ""
        self.form.offer(quantizations(plan))
        if plan.gated:
            self._gate.show(plan.repo_id, _page(plan.endpoint, plan.repo_id), plan.gated)
        else:
            self._gate.hide()
        self._show()

    def _refuse(self, request: Request, error: InfluenceError) -> None:
        self._plan = self._request = self._refused = None
        self._wait.value = ""
        self.say(error)
        if isinstance(error, GatedModel):
            self._refused = request
            self._gate.show(request.repo_id, _page(endpoint(request.mirror), request.repo_id))
        else:
            self._gate.hide()
        self._show()

    def _ask_fit(self, plan: DownloadPlan, token: str | None) -> None:
        """Find out in the background whether the model fits this device: headers have to come from the hub."""

        def work() -> None:
            try:
                found = fit_words(api.fit(plan, token=token))
            except Exception as error:
                found = fit_html(f"Whether it fits this device is not known: {readable(error).message}")
            with self._lock:
                if self._plan is not None and orders.same(plan, self._plan):
                    self._fit = found
                    self._show()

        if plan.lacks:  # there is nothing to fit, which the plan says
            return
        with self._lock:
            self._fit = self._fit or fit_html("Whether it fits this device is being worked out …")
            self._show()
        in_background(work)

    def _show(self) -> None:
        with self._lock:
            plan, stale = self._plan, self.current is None
            self._view.value = "" if plan is None else plan_html(plan, self._fit, stale)
        self._changed()

    def _plan_clicked(self) -> None:
        try:
            request = self.form.request
            check(request)
            self.make(request)
        except InfluenceError as error:
            self.say(error)

    def _token_entered(self) -> None:
        """A token came: plan again where there was no plan for want of it."""
        with self._lock:
            request = self._refused
        if request is not None:
            self.make(request)

    def _entered(self, request: Request) -> str | None:
        """The token that was entered for this model on this hub: no other host may see it."""
        try:
            page = _page(endpoint(request.mirror), request.repo_id)
        except InfluenceError:  # not an address: planning will say so
            return None
        return self._gate.peek_token(page)


def _busy(words: str) -> str:
    return f'<div class="inb-busy" role="progressbar" aria-label="{escape(words)}"></div>'


def _page(hub: str, repo_id: str) -> str:
    """The model's page, where its licence is accepted; it stands for the model on that hub."""
    return f"{hub}/{repo_id}"
