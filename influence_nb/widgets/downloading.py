"""The future of a download that a caller waits for; interrupting the wait pauses the download.

It does not know the panel that shows the download, nor how the bytes come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

from influence_nb.store.models import LocalModel
from influence_nb.widgets.base import in_background

if TYPE_CHECKING:
    from influence_nb.hub.jobs import Job

    LocalModelFuture = Future[LocalModel]
else:
    LocalModelFuture = Future


class Downloading(LocalModelFuture):
    """The future of one download; its result is the `LocalModel`.

    It waits while the download is paused. Interrupting the kernel while `.result()` or `.exception()` waits
    pauses the download: what came is kept, and Resume goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._asked = ""  # "pause" or "cancel", before there was a job
        self.job: Job[LocalModel] | None = None
        """The download in the queue; None until its plan is made."""

    def cancel(self) -> bool:
        """Cancel the download; whether it was not over yet."""
        self._ask("cancel")
        return not self.done()

    def begin(self, job: Job[LocalModel]) -> Job[LocalModel]:
        """Say which job it is, now that there is one; what was asked for meanwhile is done to it."""
        with self._lock:
            self.job, asked = job, self._asked
        if asked:
            self._ask(asked)
        return job

    def follow(self, work: Callable[[], LocalModel]) -> None:
        """Do `work` in the background; its end becomes the future's."""

        def tell(done: Future[LocalModel]) -> None:
            error = done.exception()
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(done.result())

        in_background(work).add_done_callback(tell)

    def result(self, timeout: float | None = None) -> LocalModel:
        """Wait for the model.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it was not done in time; it goes on.
            DownloadInterrupted: it was cancelled.
            InfluenceError: what made it fail.
        """
        with self._paused_by_interrupt():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does, and return what made it fail; None when nothing did."""
        with self._paused_by_interrupt():
            return super().exception(timeout)

    @contextmanager
    def _paused_by_interrupt(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._ask("pause")
            raise

    def _ask(self, what: str) -> None:
        with self._lock:
            self._asked, job = what, self.job
        if job is not None:
            (job.pause if what == "pause" else job.cancel)()

    def __repr__(self) -> str:
        return f"<Downloading: {'over' if self.done() else 'under way; .result() waits for it'}>"
