"""Who runs with whom: requests that wait at the same moment share forward passes, the next group runs after them.

It knows models only as what runs a batch; it does not know HTTP, nor what is done with the tokens.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace

from influence_nb.engine import keeping
from influence_nb.engine.batch import Outcome, Request
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.model import Model
from influence_nb.errors import InfluenceError
from influence_nb.server.refusals import Refused

WINDOW = 0.02
"""Seconds from a request's arrival in which others may join it. One that is alone does not wait for them: it begins,
and begins anew with those that come, as long as nothing of it was passed on."""

MOST = 64
"""Requests in one group; the engine makes smaller ones of it where memory asks for that."""


class Answers:
    """The answers to the prompts of one client, as they come. `Scheduler.submit` makes it; read on one event loop.

    Attributes:
        model: who answers; it stays in memory until `close`.
        requests: what was asked.
        load_seconds: how long the client waited for the model to be loaded.
    """

    def __init__(
        self,
        model: Model,
        requests: Sequence[Request],
        time_limit: float,
        count: Callable[[Completion], None],
    ) -> None:
        self.model = model
        self.requests = tuple(requests)
        self._count = count
        self._whole: dict[int, Completion] = {}
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + time_limit
        self._coming: asyncio.Queue[tuple[int, Outcome | BaseException]] = asyncio.Queue()
        self._early: deque[tuple[int, TokenEvent | Completion]] = deque()
        self._cancels = [threading.Event() for _ in requests]
        self._closed = False
        self.stopping = False
        self.load_seconds = 0.0

    @property
    def completions(self) -> list[Completion]:
        """The whole answers so far, in the order of the prompts."""
        return [completion for _, completion in sorted(self._whole.items())]

    @property
    def cancels(self) -> list[threading.Event]:
        """For each prompt, what stops it alone."""
        return self._cancels

    def put(self, place: int, outcome: Outcome | BaseException) -> None:
        """Something has come of a prompt; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._coming.put_nowait, (place, outcome))

    async def ready(self) -> TokenEvent | Completion:
        """Wait for the first that comes; what goes wrong until then is raised here."""
        place, first = await self._next()
        self._early.append((place, first))
        return first

    async def events(self) -> AsyncIterator[tuple[int, TokenEvent]]:
        """(place of the prompt, event) as they come; `completions` has them all at the end.

        Raises:
            InfluenceError: what went wrong with one of the prompts; the others are stopped.
        """
        while len(self._whole) < len(self.requests):
            place, outcome = self._early.popleft() if self._early else await self._next()
            if isinstance(outcome, Completion):
                self._whole[place] = outcome
                self._count(outcome)
            elif outcome.finish_reason == "cancelled":
                raise self._interrupted()
            else:
                yield place, outcome

    async def whole(self) -> list[Completion]:
        """The completions, once all have come; errors as those of `events`."""
        async for _ in self.events():
            pass
        return self.completions

    def close(self) -> None:
        """Stop what still runs, of these prompts alone, and let go of the model. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            for cancel in self._cancels:
                cancel.set()
            self.model.use.end()

    async def _next(self) -> tuple[int, TokenEvent | Completion]:
        try:
            async with asyncio.timeout_at(self._until):
                place, outcome = await self._coming.get()
        except TimeoutError:
            raise Refused(
                504, "The answer took longer than this server allows.", "Ask for fewer tokens."
            ) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return place, outcome

    def _interrupted(self) -> InfluenceError:
        if self.stopping:
            return stopping()
        return (
            self.model.unloaded() if not self.model.is_loaded else Refused(503, "The answer was cancelled.")
        )


def stopping() -> Refused:
    """What a client is told while the server stops."""
    return Refused(503, "The server is stopping.", "Ask again once it runs.", headers={"Retry-After": "5"})


class _Job:
    """One prompt on its way through a group."""

    def __init__(self, answers: Answers, place: int, request: Request) -> None:
        self.answers = answers
        self.place = place
        self.request = request
        self.arrived = time.monotonic()
        self._ids: list[int | None] = []

    @property
    def is_cancelled(self) -> bool:
        return self.request.cancel is not None and self.request.cancel.is_set()

    def take(self, outcome: Outcome | BaseException) -> None:
        """Pass on what has come. A group that failed midway begins anew: what was passed on is not passed on again."""
        if isinstance(outcome, TokenEvent) and outcome.is_token:
            if outcome.index < len(self._ids):
                if outcome.id != self._ids[outcome.index]:
                    self.answers.put(self.place, _parted())
                    assert self.request.cancel is not None
                    self.request.cancel.set()
                return
            self._ids.append(outcome.id)
        self.answers.put(self.place, outcome)


def _parted() -> InfluenceError:
    return InfluenceError(
        "The answer had to be begun anew, and came out differently.",
        "Ask again; in float32 this does not happen.",
    )


class Scheduler:
    """One line of waiting prompts for each model.

    Args:
        limit: prompts that may wait, of all models together.
        time_limit: seconds that the answers of one client may take.
    """

    def __init__(self, limit: int, time_limit: float) -> None:
        self.limit = limit
        self.time_limit = time_limit
        self.stop = threading.Event()
        self.ended = threading.Condition()
        self._closing = False
        self._lines: weakref.WeakKeyDictionary[Model, _Line] = weakref.WeakKeyDictionary()

    def submit(
        self, model: Model, requests: Sequence[Request], count: Callable[[Completion], None]
    ) -> Answers:
        """Put a client's prompts in the model's line. The caller's hold on the model goes over to the answers.

        Args:
            model: who answers.
            requests: the prompts.
            count: told of each answer that has come whole, on the event loop.

        Raises:
            Refused: the line is full (429), or the server is stopping (503).
        """
        if self._closing:
            raise stopping()
        waiting = self.waiting
        if waiting + len(requests) > max(self.limit, len(requests) if not waiting else 0):
            raise Refused(
                429,
                f"{waiting} prompts are waiting; this server lets {self.limit} wait.",
                "Ask again a little later.",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(self._patience())},
            )
        answers = Answers(model, requests, self.time_limit, count)
        line = self._lines.setdefault(model, _Line(self, model))
        line.add(
            [
                _Job(answers, place, replace(request, cancel=answers.cancels[place]))
                for place, request in enumerate(requests)
            ]
        )
        return answers

    @property
    def waiting(self) -> int:
        """How many prompts wait."""
        return sum(len(line.waiting) for line in list(self._lines.values()))

    @property
    def running(self) -> int:
        """How many prompts are in a group that runs."""
        return sum(line.running for line in list(self._lines.values()))

    def refuse(self) -> None:
        """Take nothing more; what is there goes on."""
        self._closing = True

    def drain(self, seconds: float) -> None:
        """Wait until nothing waits or runs, or so long."""
        with self.ended:
            self.ended.wait_for(lambda: not (self.waiting or self.running), seconds)

    def end(self) -> None:
        """Stop what is there, and say so."""
        self._closing = True
        self.stop.set()

    def _patience(self) -> int:
        """Seconds after which asking again may help: as long as the oldest has been waiting."""
        oldest = min(
            (line.waiting[0].arrived for line in list(self._lines.values()) if line.waiting), default=0.0
        )
        return max(math.ceil(time.monotonic() - oldest), 1) if oldest else 1


class _Line:
    """The prompts that wait for one model, and a thread that runs them while there are any."""

    def __init__(self, scheduler: Scheduler, model: Model) -> None:
        self.waiting: deque[_Job] = deque()
        self.running = 0
        self._stop, self._ended = scheduler.stop, scheduler.ended
        self._model = weakref.ref(model)
        # to begin anew is in vain elsewhere, and may have its price
        self._shares = model.runtime == "transformers"
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        # until then others join the group that runs, unless its first token is passed on
        self._open_until = 0.0
        self._joined = False

    def add(self, jobs: Sequence[_Job]) -> None:
        with self._changed:
            self.waiting.extend(jobs)
            self._joined = self._joined or (bool(jobs) and jobs[0].arrived < self._open_until)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="influence serving", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while group := self._gather():
            self._run(group)
            with self._ended:
                self.running = 0
                self._ended.notify_all()
            del group

    def _gather(self) -> list[_Job]:
        """The next group, once its first has waited for others if there are any; none is left when the thread ends."""
        with self._changed:
            if not self.waiting:
                self._thread = None
                return []
            until = self.waiting[0].arrived + WINDOW
            alone = self._shares and all(job.answers is self.waiting[0].answers for job in self.waiting)
            self._joined, self._open_until = False, until if alone else 0.0
            while not alone and len(self.waiting) < MOST and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self.running = min(MOST, len(self.waiting))  # before they wait no more: `drain` looks at both
            return [self.waiting.popleft() for _ in range(self.running)]

    def _run(self, group: list[_Job]) -> None:
        wanted = [job for job in group if not job.is_cancelled]
        left = dict(enumerate(wanted))
        error: BaseException = InfluenceError("The model gave no answer.", "Ask again.")
        try:
            model = self._model()
            if model is None or not wanted:
                return
            if self._stop.is_set():
                error = stopping()
                return
            requests = [job.request for job in wanted]
            with keeping.in_use(model), closing(model._batch(requests, self._stop)) as outcomes:
                for place, outcome in outcomes:
                    if self._begins_anew(wanted):
                        left.clear()
                        return
                    if self._stop.is_set():
                        wanted[place].answers.stopping = True
                    wanted[place].take(outcome)
                    if not isinstance(outcome, TokenEvent):
                        left.pop(place, None)
        except BaseException as failure:  # nobody else would tell those who wait
            error = failure
        finally:
            for job in left.values():
                job.take(error)

    def _begins_anew(self, group: list[_Job]) -> bool:
        """Whether others have joined a group of which nothing was passed on: it then waits with them, first in line."""
        with self._changed:
            joined, self._joined, self._open_until = self._joined, False, 0.0
            if not joined or all(job.is_cancelled for job in self.waiting):
                return False
            self.waiting.extendleft(reversed(group))
            return True
