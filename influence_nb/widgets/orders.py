"""What each download in a queue was ordered with, for all panels of the process: its plan, and its token.

The queue knows only callables; here is what a row needs to do its job again. It does not know widgets.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from influence_nb import api
from influence_nb.hub.jobs import Job, Jobs
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.hub.plan import DownloadPlan
    from influence_nb.hub.progress import OnProgress


class Order:
    """The work of a download. It keeps the token until the model is here, and shows it to nobody.

    Attributes:
        plan: what is fetched.
    """

    def __init__(self, plan: DownloadPlan, token: str | None) -> None:
        self.plan = plan
        self._token = token

    def __call__(self, on_progress: OnProgress, cancel: threading.Event) -> LocalModel:
        """Fetch the plan's model: what a queue calls."""
        model = api.download(self.plan, token=self._token, on_progress=on_progress, cancel=cancel)
        self._token = None
        return model

    def __repr__(self) -> str:
        return f"<order of {self.plan.repo_id}>"


_lock = threading.RLock()  # who hears of a new job may ask in the same thread
_orders: WeakKeyDictionary[Job[Any], Order] = WeakKeyDictionary()
_replaced: WeakSet[Job[Any]] = WeakSet()


def order(jobs: Jobs, title: str, plan: DownloadPlan, token: str | None) -> tuple[Job[LocalModel], bool]:
    """Put a plan into the queue, unless it is there and not over.

    Returns:
        The job, and whether it is a new one.
    """
    with _lock:
        for job in jobs.jobs:
            known = _orders.get(job)
            if known is not None and not job.finished and same(known.plan, plan):
                return job, False
        return _put(jobs, title, Order(plan, token)), True


def again(jobs: Jobs, job: Job[Any], token: str | None = None) -> Job[Any] | None:
    """Put what `job` was ordered with into the queue once more; panels list it instead of the old one.

    Args:
        jobs: the queue.
        job: one that is over.
        token: takes the place of the one it had; None keeps that.

    Returns:
        The new job; None where the old one is not over, or no panel ordered it.
    """
    with _lock:
        known = _orders.get(job)
        if known is None or not job.finished or job in _replaced:
            return None
        if token is not None:
            known._token = token
        _replaced.add(job)
        return _put(jobs, job.title, known)


def plan_of(job: Job[Any]) -> DownloadPlan | None:
    """The plan that a job carries out; None where no panel ordered it."""
    with _lock:
        known = _orders.get(job)
    return known.plan if known is not None else None


def key(job: Job[Any]) -> object:
    """What a job has in common with those that do the same again: its order; itself where no panel ordered it."""
    with _lock:
        return _orders.get(job, job)


def listed(jobs: Jobs) -> list[Job[Any]]:
    """The jobs of a queue without those that were done again."""
    with _lock:
        return [job for job in jobs.jobs if job not in _replaced]


def same(one: DownloadPlan, other: DownloadPlan) -> bool:
    """Whether two plans fetch the same files to the same place."""

    def key(plan: DownloadPlan) -> tuple[object, ...]:
        names = tuple(file.name for file in plan.files)
        return plan.repo_id, plan.commit, plan.endpoint, plan.output_dir, names

    return key(one) == key(other)


def _put(jobs: Jobs, title: str, work: Order) -> Job[Any]:
    job = jobs.add(title, work)
    _orders[job] = work
    return job
