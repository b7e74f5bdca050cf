"""How long to try, how long to wait: one frozen value, and what a server's own wish to wait means.

It knows no request and no clock; `transport.py` and `partial.py` act on it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_RESET = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)")
"""The Hub's own header: `RateLimit: "api";r=0;t=55` asks for 55 seconds."""


@dataclass(frozen=True)
class Patience:
    """The bounds of everything that waits for a hub.

    Attributes:
        tries: attempts of one request, the first among them. A file's bytes have as many, and the count begins anew
            after each good piece of it that came (`step`).
        total_seconds: from the first attempt on; when they are over there is no other one.
        first_wait: seconds; the wait after the n-th failure is drawn evenly from 0 to `first_wait * 2**(n-1)`
            ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        longest_wait: seconds; the bound of that.
        longest_asked: seconds; a server's Retry-After is honoured up to this.
        connect_seconds: for a connection, encryption included.
        read_seconds: of silence before a connection counts as dead.
        answer_seconds: for the whole answer to one question of the API, or for the beginning of a file's bytes.
        slow_seconds: a file's bytes are looked at in spans of this length;
        slow_bytes: in a span with fewer bytes than this the connection counts as dead.
        whole_tries: how often a file is fetched whole before its checksum is believed to be wrong for good.
    """

    tries: int = 6
    total_seconds: float = 300
    first_wait: float = 0.5
    longest_wait: float = 20
    longest_asked: float = 60
    connect_seconds: float = 10
    read_seconds: float = 30
    answer_seconds: float = 60
    slow_seconds: float = 30
    slow_bytes: int = 8192
    whole_tries: int = 3

    def wait(self, failures: int, asked: float | None = None) -> float:
        """Seconds to wait after so many failures in a row; `asked` is what the server wants."""
        drawn = random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** (failures - 1)))
        if asked is None:
            return drawn
        return min(asked, self.longest_asked) + min(drawn, 1.0)  # not all clients at the same moment

    def step(self, size: int) -> int:
        """Bytes of a file of that size that make an attempt count as a success: at most 256 such pieces a file."""
        return max(1 << 16, size >> 8)


PATIENCE = Patience()
"""What is used where nobody says otherwise."""


def asked_to_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a server asks to wait, by Retry-After (seconds or a date) or RateLimit; None where it does not.

    Args:
        headers: the answer's, with names in any case.
        now: for tests; None is the present.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    said = lower.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    if said:
        try:
            until = parsedate_to_datetime(said)
        except ValueError:
            return None
        if until.tzinfo is None:  # "-0000": no zone is said, and HTTP's dates are all GMT
            until = until.replace(tzinfo=UTC)
        return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
    if found := _RESET.search(lower.get("ratelimit", "")):
        return float(found[1])
    return None
