"""An answer that is being written: the future a caller waits on, and the text a page sees grow.

It does not know which widget shows the text, nor how tokens come about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion, TokenEvent

    CompletionFuture = Future[Completion]
else:
    CompletionFuture = Future

EVERY = 0.04  # seconds between deltas: 25 Hz


class Reply(CompletionFuture):
    """The future of one answer; its result is the `Completion`.

    In a notebook, `.result()` waits for it, and `await asyncio.wrap_future(reply)` does without blocking the
    kernel. Interrupting the kernel while `.result()` or `.exception()` waits stops the model too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stop = threading.Event()

    def cancel(self) -> bool:
        """Stop the model at its next token; the answer so far is then the result, finish reason "cancelled".

        Returns:
            Whether the answer was still being written.
        """
        self.stop.set()
        return not self.done()

    def result(self, timeout: float | None = None) -> Completion:
        """Wait for the answer.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it was not done in time; it goes on.
            InfluenceError: what made it fail.
        """
        with self._stopped_by_interrupt():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the answer as `result` does, and return what made it fail; None when nothing did."""
        with self._stopped_by_interrupt():
            return super().exception(timeout)

    @contextmanager
    def _stopped_by_interrupt(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.cancel()
            raise

    def __repr__(self) -> str:
        return f"<Reply: {'done' if self.done() else 'being written; .result() waits for it'}>"


class Stream:
    """The text of a running answer, sent on as deltas at most every `EVERY` seconds. Thread-safe.

    The first token goes out at once; then `keep_sending` sends what has come since it last did, so that a fast
    model costs no more messages than a slow one, and text that came just before a pause is not held back.

    Args:
        id: the message's id.
        post: takes each message to the page, as the ChatPanel's front end reads it.
        clock: seconds; for tests.
    """

    def __init__(
        self, id: str, post: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.id = id
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._started = self._last = clock()
        self._first: float | None = None
        self._text = ""
        self._tokens = 0
        self._sent = 0
        self._sent_tokens = 0

    @property
    def text(self) -> str:
        """All text so far."""
        return self._text

    def add(self, event: TokenEvent) -> None:
        """Take in a token."""
        with self._lock:
            self._last = self._clock()
            self._text += event.text
            self._tokens += event.is_token
            if self._first is None:
                self._first = self._last
                self._flush()

    def begin_again(self) -> None:
        """The text begins anew: the engine had to, for want of memory; a page replaces what it has."""
        with self._lock:
            if self._tokens:
                self._text, self._tokens, self._first = "", 0, None
                self._snapshot()

    def keep_sending(self) -> None:
        """Send deltas until `end`."""
        while not self._ended.wait(EVERY):
            self.flush()

    def end(self) -> None:
        """Send no more deltas: the whole text is committed elsewhere now."""
        with self._lock:
            self._ended.set()

    def flush(self) -> None:
        """Send what has come since the last time, if anything has."""
        with self._lock:
            if self._tokens > self._sent_tokens and not self._ended.is_set():
                self._flush()

    def snapshot(self) -> None:
        """Send all the text so far, for a page that joins."""
        with self._lock:
            self._snapshot()

    def _snapshot(self) -> None:
        self._sent, self._sent_tokens = len(self._text), self._tokens
        self._post({"type": "snapshot", "id": self.id, "text": self._text, **self._figures()})

    def _flush(self) -> None:
        delta = self._text[self._sent :]
        self._post({"type": "delta", "id": self.id, "at": self._sent, "text": delta, **self._figures()})
        self._sent, self._sent_tokens = len(self._text), self._tokens

    def _figures(self) -> dict[str, Any]:
        waited = None if self._first is None else self._first - self._started
        took = 0.0 if self._first is None else self._last - self._first
        rate = (self._tokens - 1) / took if took > 0 else None
        return {"tokens": self._tokens, "tokens_per_second": rate, "first_token": waited}
