"""Work that a person's typing asks for: begun when the typing pauses, one at a time, only the newest counts.

It does not know what the work is.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from influence_nb.widgets import threads

T = TypeVar("T")


class Turn:
    """What a piece of work knows of itself: whether it is still the newest.

    Attributes:
        over: set as soon as something newer is asked for.
    """

    def __init__(self, lock: Any) -> None:
        self.over = threading.Event()
        self._lock = lock

    def if_newest(self, act: Callable[[], object]) -> None:
        """Do it, unless something newer is asked for; nothing newer begins before it is done."""
        with self._lock:
            if not self.over.is_set():
                act()


class Newest:
    """Runs work in the background, never two at once. Of what is asked for meanwhile only the newest is run.

    The work that runs is told (`Turn.over`) and may end early; the next begins when it has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: Turn | None = None
        self._waiting: tuple[Turn, Future[Any], Callable[[], object]] | None = None

    def ask(self, work: Callable[[Turn], T], begin: Callable[[], object] = lambda: None) -> Future[T]:
        """Run `work` as soon as nothing else runs.

        Args:
            work: handed its turn.
            begin: called at once, on the caller's thread, after which nothing older shows anything.

        Returns:
            A future of what it returns; cancelled when something newer came before it could begin.
        """
        future: Future[T] = Future()
        turn = Turn(self._lock)
        context = contextvars.copy_context()  # what it displays goes to the cell that asked

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(turn))
                except BaseException as error:
                    future.set_exception(error)

        with self._lock:
            self.cancel()
            begin()
            mine = turn, future, lambda: context.run(run)
            if self._running is None:
                self._start(mine)
            else:
                self._waiting = mine
        return future

    def cancel(self) -> None:
        """Forget what waits, and tell what runs that its turn is over."""
        with self._lock:
            if self._waiting is not None:
                self._waiting[1].cancel()
                self._waiting = None
            if self._running is not None:
                self._running.over.set()

    def _start(self, first: tuple[Turn, Future[Any], Callable[[], object]]) -> None:
        self._running = first[0]

        def whole() -> None:
            run = first[2]
            while True:
                run()
                with self._lock:
                    if self._waiting is None:
                        self._running = None
                        return
                    self._running, _, run = self._waiting
                    self._waiting = None

        threads.start(whole, self.cancel)


class Timer(Protocol):
    """What `Pause` needs of `threading.Timer`."""

    daemon: bool

    def start(self) -> None:
        """Begin to count."""

    def cancel(self) -> None:
        """Never act."""


class Pause:
    """Acts when nobody has nudged it for a while.

    Args:
        seconds: how long that is.
        act: what is done then, on a thread of its own.
        timer: makes the timer that waits; tests have their own.
    """

    def __init__(
        self,
        seconds: float,
        act: Callable[[], object],
        timer: Callable[[float, Callable[[], object]], Timer] = threading.Timer,
    ) -> None:
        self.seconds = seconds
        self._act = act
        self._timer = timer
        self._lock = threading.Lock()
        self._last: Timer | None = None

    def nudge(self) -> None:
        """Begin the wait anew."""
        with self._lock:
            if self._last is not None:
                self._last.cancel()
            timer = self._timer(self.seconds, lambda: self._over(timer))
            timer.daemon = True
            self._last = timer
            timer.start()

    def cancel(self) -> None:
        """Do not act until the next nudge."""
        with self._lock:
            if self._last is not None:
                self._last.cancel()
                self._last = None

    def _over(self, timer: Timer) -> None:
        with self._lock:
            if timer is not self._last:  # nudged in the moment it ran out
                return
            self._last = None
        self._act()
