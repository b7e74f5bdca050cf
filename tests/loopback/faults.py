"""What can go wrong on purpose: which requests a fault falls on, how often, and the gates that hold a body back.

It does not know how a fault is carried out: that is the server's part.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from tests.loopback.requests import Host, Request

Kind = Literal[
    "status",  # answers with code= (and headers=, retry_after=seconds, retry_date=seconds from now)
    "drop",  # closes the connection without an answer
    "html",  # a captive portal: 200 text/html, for whatever was asked
    "no_api",  # 404 for everything under /api/
    "silent",  # no answer at all, or none after bytes= of the body, until the server closes
    "expired",  # 403 for the link that was asked for, until a fresh one is fetched from the hub
    "ignore_range",  # 200 and the whole file
    "close_after",  # closes after bytes= of the body
    "reset_after",  # the same with a TCP reset
    "wrong_length",  # a body by= bytes longer or shorter than the file, with a Content-Length that agrees
    "corrupt",  # flips the byte at= of the body
    "trickle",  # bytes= at a time with pause= seconds in between
]
INSTEAD = ("status", "drop", "html", "no_api", "expired")
BODY = ("close_after", "reset_after", "wrong_length", "corrupt", "trickle")
STANDING = ("html", "no_api")
OPTIONS: dict[str, set[str]] = {
    "status": {"code", "headers", "retry_after", "retry_date"},
    "silent": {"bytes"},
    "close_after": {"bytes"},
    "reset_after": {"bytes"},
    "wrong_length": {"by"},
    "corrupt": {"at"},
    "trickle": {"bytes", "pause"},
}
ALWAYS = sys.maxsize


@dataclass(eq=False)
class Fault:
    """A fault that waits for its requests, once it has let `after` of them pass.

    `count` says how often it has happened, `happened` is set when it has.
    """

    glob: str
    kind: Kind
    times: int
    host: Host | None = None
    method: str | None = None
    ranged: bool | None = None
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    happened: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if unknown := set(self.options) - OPTIONS.get(self.kind, set()):
            raise TypeError(f"a {self.kind!r} fault has no option {', '.join(sorted(unknown))}")

    def lift(self) -> None:
        """It does not happen any more."""
        self.times = 0

    def headers(self) -> dict[str, str]:
        """The headers of a status fault's answer."""
        made = dict(self.options.get("headers", {}))
        if (seconds := self.options.get("retry_after")) is not None:
            made["Retry-After"] = str(seconds)
        if (seconds := self.options.get("retry_date")) is not None:
            made["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return made

    def stage(self) -> str:
        """When it is asked for: instead of the answer, before its range is looked at, or as the body goes out."""
        if self.kind in INSTEAD or (self.kind == "silent" and "bytes" not in self.options):
            return "instead"
        return "range" if self.kind == "ignore_range" else "body"


class Hold:
    """A gate in one body: the bytes before it are sent, the rest waits for `release`."""

    def __init__(self, glob: str, at_byte: int, host: Host | None, closing: threading.Event) -> None:
        self.glob, self.at_byte, self.host = glob, at_byte, host
        self.reached = threading.Event()
        self._go_on = threading.Event()
        self._closing = closing
        self.taken = False

    def release(self) -> None:
        """Let the body, and the server when it closes, go on."""
        self._go_on.set()

    def pass_through(self) -> None:
        """Stand at the gate until it opens or the server closes."""
        self.reached.set()
        while not self._go_on.wait(0.1) and not self._closing.is_set():
            pass

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Faults:
    """All faults and holds of one hub, asked for by its threads."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._holds: list[Hold] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def hold(self, glob: str, at_byte: int, host: Host | None) -> Hold:
        hold = Hold(glob, at_byte, host, self.closing)
        with self._lock:
            self._holds.append(hold)
        return hold

    def clear(self) -> None:
        """Lift every fault and open every gate."""
        with self._lock:
            for hold in self._holds:
                hold.release()
            self._faults, self._holds = [], []

    def take(self, request: Request, stage: str) -> Fault | None:
        """The first fault that falls on this request at this stage, counted as having happened."""
        with self._lock:
            for fault in self._faults:
                ranged = fault.ranged in (None, request.range is not None)
                if (
                    fault.count >= fault.times
                    or fault.stage() != stage
                    or not ranged
                    or not request.matches(fault.glob, fault.host, fault.method)
                    or not _applies(fault, request)
                ):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.count += 1
                fault.happened.set()
                return fault
        return None

    def holds(self, request: Request, size: int) -> list[Hold]:
        """The gates that stand in this body of `size` bytes, in order; each stands in one body only."""
        with self._lock:
            here = [
                hold
                for hold in self._holds
                if not hold.taken and hold.at_byte <= size and request.matches(hold.glob, hold.host)
            ]
            for hold in here:
                hold.taken = True
        return sorted(here, key=lambda hold: hold.at_byte)


def _applies(fault: Fault, request: Request) -> bool:
    """Faults that make sense in one place only wait for it."""
    if fault.kind == "expired":
        return request.host == "cdn"
    if fault.kind == "ignore_range":
        return request.range is not None
    if fault.kind == "no_api":
        return request.is_api
    return True
