"""A queue of long works, one at a time, each of which can be paused, resumed and cancelled.

It knows only callables that take where to report and an event that ends them; what they do is their own business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from influence_nb.errors import DownloadInterrupted, InfluenceError
from influence_nb.hub.progress import OnProgress, Progress

T = TypeVar("T")
Work = Callable[[OnProgress, threading.Event], T]
Listener = Callable[["Job[Any]"], None]

WAITING, RUNNING, PAUSED = "waiting", "running", "paused"
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"


class Job(Generic[T]):
    """One work in a queue.

    Attributes:
        title: what a person calls it.
        status: "waiting", "running", "paused", "done", "cancelled" or "failed"; the last three are final.
        progress: the latest that the work reported; None before it did.
        error: why it failed.
        result: what it made.
    """

    def __init__(self, title: str, work: Work[T], queue: Jobs) -> None:
        self.title = title
        self.status = WAITING
        self.progress: Progress | None = None
        self.error: InfluenceError | None = None
        self.result: T | None = None
        self._work = work
        self._queue = queue
        self._stop = threading.Event()
        self._ended = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether its status is final."""
        return self._ended.is_set()

    def pause(self) -> None:
        """Stop the work and keep what came; nothing happens where it has ended."""
        self._queue._move(self, (WAITING, RUNNING), PAUSED)

    def resume(self) -> None:
        """Put a paused work back in line: it is run again, and continues where its bytes stopped."""
        self._queue._move(self, (PAUSED,), WAITING)

    def cancel(self) -> None:
        """Give the work up; nothing happens where it has ended."""
        self._queue._move(self, (WAITING, RUNNING, PAUSED), CANCELLED)

    def wait(self, timeout: float | None = None) -> T:
        """What the work made, once it has ended.

        Args:
            timeout: seconds to wait at most; None is for ever, which a paused work can be.

        Raises:
            InfluenceError: what the work raised.
            DownloadInterrupted: it was cancelled.
            TimeoutError: it has not ended yet.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"{self.title} is {self.status} after {timeout} s")
        if self.error is not None:
            raise self.error
        if self.status == CANCELLED:
            raise DownloadInterrupted(f"{self.title} was cancelled.", "Ask for it again to go on from there.")
        return self.result  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"<{self.title}: {self.status}>"


class Jobs:
    """Works in the order in which they were added; a daemon thread runs them one by one."""

    def __init__(self) -> None:
        self._jobs: list[Job[Any]] = []
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> list[Job[Any]]:
        """All that have been added and not cleared, in order."""
        with self._lock:
            return list(self._jobs)

    def add(self, title: str, work: Work[T]) -> Job[T]:
        """Put a work at the end of the line.

        Args:
            title: what a person calls it.
            work: called with where to report, and with an event that is set when it shall end soon.
        """
        job = Job(title, work, self)
        with self._lock:
            self._jobs.append(job)
        self._tell(job)
        self._go_on()
        return job

    def clear_finished(self) -> None:
        """Forget those that have ended."""
        with self._lock:
            self._jobs = [job for job in self._jobs if not job.finished]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told of each change of a job, in the thread where it happens; call what is returned to end that."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock, suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def _move(self, job: Job[Any], before: tuple[str, ...], after: str) -> None:
        with self._lock:
            if job.status not in before or job.finished:
                return
            job.status = after
            if after in (PAUSED, CANCELLED):
                job._stop.set()
            if after == CANCELLED:
                job._ended.set()
        self._tell(job)
        self._go_on()

    def _go_on(self) -> None:
        """Have a thread run what waits."""
        with self._lock:
            if self._thread is None and any(job.status == WAITING for job in self._jobs):
                self._thread = threading.Thread(target=self._run, name="hub-jobs", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                job = next((job for job in self._jobs if job.status == WAITING), None)
                if job is None:
                    self._thread = None
                    return
                stop = threading.Event()
                job.status, job._stop = RUNNING, stop
            self._tell(job)
            self._do(job, stop)

    def _do(self, job: Job[Any], stop: threading.Event) -> None:
        def report(progress: Progress) -> None:
            if not stop.is_set():
                job.progress = progress
                self._tell(job)

        result, error = None, None
        try:
            result = job._work(report, stop)
        except InfluenceError as raised:
            error = raised
        except Exception as raised:  # a fault of ours: the queue goes on, and the job says what it was
            error = InfluenceError(f"{job.title} failed: {raised!r}", "Please report this.")
            error.__cause__ = raised
        with self._lock:
            if job.status == CANCELLED:
                pass
            elif error is None:
                job.status, job.result = DONE, result  # perhaps it ended before it could be paused
            elif not (stop.is_set() and isinstance(error, DownloadInterrupted)):
                job.status, job.error = FAILED, error
            if job.status in (DONE, FAILED):
                job._ended.set()
        self._tell(job)

    def _tell(self, job: Job[Any]) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            with suppress(Exception):  # a listener that fails must not stop the queue
                listener(job)
