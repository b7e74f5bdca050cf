"""How far several files are at once: counters that workers set, and the `Progress` values made of them.

Workers only write numbers; whoever waits for them calls `tick`, so nobody is told from a worker's thread. It does
not know what the bytes are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from influence_nb.hub.progress import OnProgress, Progress

TICK = 0.05
"""Seconds between two reports."""

WINDOW = 4.0
"""Seconds that the speed is the mean of."""


class Count:
    """One file: bytes that are done, bytes that came over the network, and what is being done."""

    __slots__ = ("done", "moved", "name", "said", "stage", "total")

    def __init__(self, name: str, total: int | None, done: int = 0) -> None:
        self.name = name
        self.total = total
        self.done = done
        self.moved = 0
        self.stage = "queued"
        self.said = (-1, "")

    def take(self, count: int) -> None:
        """So many bytes came."""
        self.done += count
        self.moved += count

    @property
    def state(self) -> tuple[int, str]:
        """What a report would say."""
        return self.done, self.stage


class Tally:
    """The counters of one job.

    Args:
        counts: one a file that is worked on.
        before: bytes of the other files, which are there.
        on_progress: called by `tick`; None for nobody.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        counts: Sequence[Count],
        before: int,
        on_progress: OnProgress | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._before = before
        self._tell = on_progress
        self._clock = clock
        self._next = 0
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])

    @property
    def moved(self) -> int:
        """Bytes that came over the network."""
        return sum(count.moved for count in self._counts)

    def tick(self) -> None:
        """Report one file: what has ended since the last time first, else those that changed, in turn."""
        if self._tell is None:
            return
        self._measure()
        changed = [count for count in self._counts if count.state != count.said and count.stage != "queued"]
        ended = [count for count in changed if count.stage == "ready"]
        for count in ended:
            self._report(count)
        if not ended and changed:
            self._next += 1
            self._report(changed[self._next % len(changed)])

    def end(self, name: str) -> None:
        """The last report: everything is there."""
        if self._tell is None:
            return
        self.tick()
        total = self._before + sum(count.done for count in self._counts)
        self._tell(Progress(name, total, total, total, total, self._rate(), 0.0, "ready"))

    def _report(self, count: Count) -> None:
        count.said = count.state
        all_done = self._before + sum(one.done for one in self._counts)
        all_total = self._before + sum(max(one.total or 0, one.done) for one in self._counts)
        rate = self._rate()
        left = (all_total - all_done) / rate if rate > 0 else None
        total = max(count.total or 0, count.done)
        assert self._tell is not None
        self._tell(Progress(count.name, count.done, total, all_done, all_total, rate, left, count.stage))

    def _measure(self) -> None:
        now = self._clock()
        self._seen.append((now, self.moved))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()

    def _rate(self) -> float:
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0
