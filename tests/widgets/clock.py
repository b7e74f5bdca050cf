"""A clock for tests of what waits for a pause: time passes when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable

WAIT = 60


class Clock:
    """Stands in for `threading.Timer`: time passes when the test says so."""

    def __init__(self) -> None:
        self.running: list[Clock.Timer] = []
        self._changed = threading.Condition()

    class Timer:
        def __init__(self, clock: Clock, seconds: float, act: Callable[[], object]) -> None:
            self.clock, self.seconds, self.act, self.daemon = clock, seconds, act, False

        def start(self) -> None:
            with self.clock._changed:
                self.clock.running.append(self)
                self.clock._changed.notify_all()

        def cancel(self) -> None:
            if self in self.clock.running:
                self.clock.running.remove(self)

    def __call__(self, seconds: float, act: Callable[[], object]) -> Timer:
        return Clock.Timer(self, seconds, act)

    def counting(self, seconds: float) -> int:
        """How many timers of that length run."""
        return sum(timer.seconds == seconds for timer in self.running)

    def pass_by(self, seconds: float) -> None:
        """Wait until a timer of that length runs, and let it run out."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.counting(seconds), WAIT)
            due = [timer for timer in self.running if timer.seconds == seconds]
            self.running = [timer for timer in self.running if timer.seconds != seconds]
        for timer in due:
            timer.act()
