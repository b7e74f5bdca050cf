"""One file's bytes from a hub, whatever happens on the way: continued where they stopped, checked at the end.

It fills one file on disk and knows neither plans nor places. What it leaves is whole and right, or kept for a later
attempt, in this process or another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from influence_nb.errors import DownloadInterrupted, HubUnreachable, InfluenceError, IntegrityError
from influence_nb.hub.body import pieces
from influence_nb.hub.call import Call
from influence_nb.hub.checksums import Sum
from influence_nb.hub.faults import Asked, translating
from influence_nb.hub.places import Planned
from influence_nb.hub.tally import Count
from influence_nb.hub.transport import PORTAL, is_page

if TYPE_CHECKING:
    import httpx2

_BINARY = getattr(os, "O_BINARY", 0)  # Windows

KEPT = "What came is kept: ask for it again to go on from there."


class _Broken(Exception):
    """An attempt ended before the end; the bytes so far are good."""

    def __init__(self, what: str, hint: str = KEPT) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class _Wrong(Exception):
    """The bytes cannot be those that were promised; none of them is kept."""


def fill(call: Call, url: str, file: Planned, path: Path, count: Count, asked: Asked) -> None:
    """Make `path` hold the whole file, continuing what it holds already.

    Args:
        call: the conversation; requests of this thread must go by it.
        url: of the file on the hub; where it redirects to is asked anew for each attempt, so that links which
            expire do not matter.
        file: its size and checksum.
        path: where the bytes are collected; its folder exists.
        count: told of each piece.
        asked: for what errors say.

    Raises:
        DownloadInterrupted: cancelled, or the connection broke too often; the bytes so far are kept.
        IntegrityError: the hub sends other bytes than it promised, again and again; none are kept.
        HubUnreachable, GatedModel, ModelNotFound: the hub does not answer, or refuses.
        OSError: the disk is full or cannot be written.
    """
    if file.sha256 is None and file.blob_id is None:
        path.unlink(missing_ok=True)  # nothing would tell whether it is of the same file
    for _ in range(call.patience.whole_tries):
        try:
            _Filling(call, url, file, path, count, asked).run()
        except _Wrong as error:
            problem = error
        else:
            return
        path.unlink(missing_ok=True)
        count.done = 0
    raise IntegrityError(
        f"{file.name} of {asked.repo_id} is not what {call.endpoint} promised: {problem}.",
        f"It was fetched {call.patience.whole_tries} times, and nothing of it was kept. Ask later, or another hub.",
    )


class _Filling:
    """One file from what is there of it to its end."""

    def __init__(self, call: Call, url: str, file: Planned, path: Path, count: Count, asked: Asked) -> None:
        self.call, self.url, self.file, self.path, self.count, self.asked = (
            call,
            url,
            file,
            path,
            count,
            asked,
        )
        self.size = file.size
        self.have = 0
        self.sum = self._new_sum()

    def run(self) -> None:
        """Until the bytes are there and right.

        Raises:
            _Wrong: they are there and not right.
        """
        # unbuffered: what has been written is on its way to the disk even if this process is killed
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b", buffering=0) as sink:
            self._take_up(sink)
            patience = self.call.patience
            failures, mark, began = (
                0,
                self.have,
                time.monotonic(),
            )  # mark: the furthest that counted as a success
            while not self._is_whole():
                self.call.check()
                problem = self._attempt(sink)
                if problem is None:
                    continue
                self.call.check()
                if self.have - mark >= patience.step(self.size or 0):
                    failures, mark, began = 0, self.have, time.monotonic()
                failures += 1
                wait = patience.wait(failures)
                if failures >= patience.tries or time.monotonic() - began + wait > patience.total_seconds:
                    raise self._given_up(problem, failures)
                self.count.stage = "waiting"
                self.call.pause(wait, problem.what)
        if self.sum.promised is None and self.file.blob_id:  # its size was not known at first, and now it is
            self.sum = self._new_sum()
            with self.path.open("rb", buffering=0) as source:
                self.sum.read(source, lambda _: self.call.check())
        if not self.sum.right:
            raise _Wrong(f"its checksum is {self.sum.found}, not {self.sum.promised}")

    def _new_sum(self) -> Sum:
        return Sum(self.size, self.file.sha256, self.file.blob_id)

    def _is_whole(self) -> bool:
        return self.size is not None and self.have == self.size

    def _take_up(self, sink: BinaryIO) -> None:
        """Count and sum up what an earlier attempt left."""
        there = os.fstat(sink.fileno()).st_size
        if self.size is None or there > self.size:
            sink.truncate(0)
        elif there:
            self.count.stage, before = "verify", self.count.done

            def check(done: int) -> None:
                self.call.check()
                self.count.done = max(before, done)

            self.have = self.sum.read(sink, check)
        sink.seek(self.have)
        self.count.done = self.have

    def _restart(self, sink: BinaryIO) -> None:
        sink.seek(0)
        sink.truncate(0)
        self.have = self.count.done = 0
        self.sum = self._new_sum()

    def _attempt(self, sink: BinaryIO) -> _Broken | None:
        """Ask once and take what comes; None where the bytes ended as they should, else what was wrong."""
        import httpx2

        try:
            with self._answer() as response:
                self._begin(response, sink)
                self._take(response, sink)
        except _Broken as problem:
            return problem
        except httpx2.TimeoutException:
            return _Broken(f"nothing came for {self.call.patience.read_seconds:.0f} s")
        except httpx2.TransportError as error:
            return _Broken(f"the connection broke ({str(error) or type(error).__name__})")
        except httpx2.DecodingError:
            self._restart(sink)
            return _Broken("the bytes came packed in a way that cannot be read")
        if self._is_whole():
            return None
        return _Broken("the bytes ended too early")

    @contextmanager
    def _answer(self) -> Iterator[httpx2.Response]:
        from huggingface_hub import get_session

        headers = {**self.call.headers, "Accept-Encoding": "identity"}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            if self.sum.promised is None and self.file.blob_id is not None:
                headers["If-Range"] = f'"{self.file.blob_id}"'
        with (
            get_session().stream("GET", self.url, headers=headers) as response,
            self.call.reading(response.extensions.get("network_stream")),
        ):
            yield response

    def _begin(self, response: httpx2.Response, sink: BinaryIO) -> None:
        """Look at what the answer says before any byte of it is taken."""
        from huggingface_hub import hf_raise_for_status

        status = response.status_code
        if status == 416:
            self._restart(sink)
            raise _Broken("the hub has no bytes from there on")
        if status >= 400 and not self.call.own(response.url):  # a link that expired, or a bad copy
            raise _Broken(f"the link to the bytes was refused ({status})")
        if status >= 300:
            with translating(self.asked):
                hf_raise_for_status(response)
            raise _Broken(f"the hub answered {status}")
        if is_page(response) and not self.file.name.endswith((".html", ".htm")):
            raise _Broken("a web page came instead of the file", PORTAL)
        packed = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        if self.have and (status != 206 or packed or _starts_at(response) != self.have):
            self._restart(sink)  # the range was ignored: the file comes from its beginning
            if status == 206:
                raise _Broken("other bytes came than those asked for")
        if self.size is None and not packed and "Content-Length" in response.headers:
            self.size = int(response.headers["Content-Length"])
            self.count.total = self.size
            self.sum = self._new_sum()

    def _take(self, response: httpx2.Response, sink: BinaryIO) -> None:
        patience, count = self.call.patience, self.count
        update, stopped = self.sum.update, self.call.is_stopped
        limit = self.size if self.size is not None else 1 << 62
        count.stage = "download"
        span_ends, span_from = time.monotonic() + patience.slow_seconds, self.have
        for piece in pieces(response, patience.read_seconds):
            if stopped():
                break
            self.have += len(piece)
            if self.have > limit:
                raise _Wrong(f"more than {limit} bytes came")
            write(sink, piece)
            update(piece)
            count.take(len(piece))
            now = time.monotonic()
            if now > span_ends:
                if self.have - span_from < patience.slow_bytes:
                    raise _Broken(f"only {self.have - span_from} bytes came in {patience.slow_seconds:.0f} s")
                span_ends, span_from = now + patience.slow_seconds, self.have
        self.call.check()
        if self.size is None:
            self.size = self.have

    def _given_up(self, problem: _Broken, failures: int) -> InfluenceError:
        of = "" if self.size is None else f" of {self.size / 1e6:,.1f}"
        what = (
            f"{self.file.name} of {self.asked.repo_id} stopped at {self.have / 1e6:,.1f}{of} MB: "
            f"{problem.what} ({failures} times in a row)."
        )
        return (
            HubUnreachable(what, problem.hint)
            if problem.hint == PORTAL
            else DownloadInterrupted(what, problem.hint)
        )


def write(sink: BinaryIO, piece: bytes) -> None:
    """Write all of it: a file without a buffer may take less at a time."""
    done = sink.write(piece)
    while done < len(piece):
        done += sink.write(memoryview(piece)[done:])


def _starts_at(response: httpx2.Response) -> int | None:
    """Where the bytes of a partial answer begin."""
    said = response.headers.get("Content-Range", "")
    unit, _, rest = said.partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit.lower() == "bytes" and first.isdecimal() else None
