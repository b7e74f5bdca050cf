"""One thread a model: jobs run on it one after the other, and their items flow to whoever asked.

It does not know models. A consumer that stops reading loses nothing and blocks nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from influence_nb.errors import CapabilityMissing

T = TypeVar("T")


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None = None


class _Job(Generic[T]):
    def __init__(self, make: Callable[[], Iterator[T]]) -> None:
        self.make = make
        self.out: SimpleQueue[T | _Ended] = SimpleQueue()
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            for item in self.make():
                self.out.put(item)
        except BaseException as error:
            # The traceback's frames would keep the job's tensors alive as long as the error.
            self.out.put(_Ended(error))
        else:
            self.out.put(_Ended())
        finally:
            self.ended.set()


class Running(Iterator[T]):
    """The items of a job as they come; raises what the job raised.

    No generator, which an interrupt (Ctrl-C) while it waits would end: this one can be asked on.
    """

    def __init__(self, job: _Job[T]) -> None:
        self._job = job

    def __next__(self) -> T:
        item = self._job.out.get()
        if not isinstance(item, _Ended):
            return item
        self._job.out.put(_Ended())  # whoever asks again is told again
        if item.error is not None:
            raise item.error
        raise StopIteration

    def wait(self) -> None:
        """Wait until the job has ended, whatever it still gives."""
        self._job.ended.wait()


class Worker:
    """Runs jobs, each a function that returns an iterator, in the order they came."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()  # type: ignore[type-arg]
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def run(self, make: Callable[[], Iterator[T]]) -> Running[T]:
        """Queue a job at once; the iterator gives its items as they come and raises what it raised.

        Raises:
            CapabilityMissing: the worker was closed.
        """
        job = _Job(make)
        with self._lock:
            if self._closed:
                raise CapabilityMissing("This model was unloaded.", "Load it again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return Running(job)

    def close(self) -> None:
        """Finish the jobs that wait, then end the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._jobs.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job
