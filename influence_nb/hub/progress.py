"""How far a fetch is, as one frozen value, and the meter that makes them.

It does not know what is fetched or who looks on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One moment of a fetch.

    Attributes:
        file: the file at hand.
        done: bytes of it that are done.
        total: its size in bytes.
        all_done: bytes done of the whole job.
        all_total: bytes in the whole job.
        bytes_per_second: the mean rate of this stage so far; 0 until there is one.
        seconds_left: what that rate makes of the bytes that are left; None until there is a rate.
        stage: "download", "verify", "copy", "waiting", "unpack", "convert" or "ready".
    """

    file: str
    done: int
    total: int
    all_done: int
    all_total: int
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    stage: str = "download"


OnProgress = Callable[[Progress], None]


class Meter:
    """Counts the bytes of one job and tells `on_progress` after each step.

    Args:
        all_total: bytes in the whole job, all its stages together.
        on_progress: called with each `Progress`, in the thread that fetches; None for nobody.
    """

    def __init__(self, all_total: int, on_progress: OnProgress | None = None) -> None:
        self.all_total = all_total
        self.on_progress = on_progress
        self._stage = ""
        self._stage_began = (0.0, 0)

    def tell(self, stage: str, file: str, done: int, total: int, all_done: int) -> None:
        """Report `done` of `total` bytes of `file`, and `all_done` of the whole job."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_began = stage, (now, all_done)
        if self.on_progress is None:
            return
        began, before = self._stage_began
        rate = (all_done - before) / (now - began) if now > began else 0.0
        left = (self.all_total - all_done) / rate if rate > 0 else None
        self.on_progress(Progress(file, done, total, all_done, self.all_total, rate, left, stage))
