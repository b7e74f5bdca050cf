"""When things happened in one generation, and the `Timings` that they come to.

It does not know what was generated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from influence_nb.engine.completion import Timings


@dataclass
class Clock:
    """Moments in seconds of `time.perf_counter`; 0.0 is not yet.

    Attributes:
        called: when the answer was asked for.
        begun: when its turn came.
        first, last: when the first and the latest token came.
    """

    called: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def begin(self) -> None:
        """Its turn has come."""
        self.begun = time.perf_counter()

    def tick(self) -> None:
        """A token has come."""
        self.last = time.perf_counter()
        self.first = self.first or self.last

    def timings(self, load: float, tokens: int) -> Timings:
        """The times of an answer of so many tokens by a model that took `load` seconds to load."""
        decoding = self.last - self.first
        return Timings(
            load=load,
            prefill=max(self.first - self.begun, 0.0),
            first_token=max(self.first - self.called, 0.0),
            total=max(self.last - self.called, 0.0),
            tokens_per_second=(tokens - 1) / decoding if tokens > 1 and decoding > 0 else 0.0,
        )
