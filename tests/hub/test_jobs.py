"""A queue of works: one at a time, in order, paused and resumed and cancelled, whatever they and listeners do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, HubUnreachable, InfluenceError, ModelNotFound
from influence_nb.hub.jobs import Job, Jobs
from influence_nb.hub.progress import OnProgress, Progress
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

SECONDS = 60
"""How long a test waits for what must happen before it fails."""


class Steps:
    """A work that goes on when told to, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = queue.SimpleQueue[int]()
        self.go = threading.Semaphore(0)
        self.runs = 0

    def __call__(self, report: OnProgress, stop: threading.Event) -> int:
        self.runs += 1
        self.begun.put(self.runs)
        report(Progress("file", self.runs, 10, self.runs, 10))
        while not self.go.acquire(timeout=0.01):
            if stop.is_set():
                raise DownloadInterrupted("stopped", "resume")
        return self.runs

    def wait_for_begin(self) -> None:
        self.begun.get(timeout=SECONDS)


@contextmanager
def statuses(jobs: Jobs) -> Iterator[queue.SimpleQueue[tuple[str, str]]]:
    """What listeners are told of: (title, status), when it changes."""
    told: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    last: dict[str, str] = {}

    def listen(job: Job[Any]) -> None:
        if last.get(job.title) != job.status:
            last[job.title] = job.status
            told.put((job.title, job.status))

    unsubscribe = jobs.subscribe(listen)
    yield told
    unsubscribe()


def test_works_run_one_at_a_time_in_the_order_they_came() -> None:
    jobs, first, second = Jobs(), Steps(), Steps()
    one, other = jobs.add("one", first), jobs.add("other", second)
    first.wait_for_begin()

    assert (one.status, other.status) == ("running", "waiting")
    assert second.runs == 0
    first.go.release()
    second.go.release()

    assert (one.wait(SECONDS), other.wait(SECONDS)) == (1, 1)
    assert (one.status, one.result, one.error, one.finished) == ("done", 1, None, True)
    assert jobs.jobs == [one, other]
    jobs.clear_finished()
    assert jobs.jobs == []


def test_a_paused_work_lets_the_next_one_run_and_goes_on_later() -> None:
    jobs, first, second = Jobs(), Steps(), Steps()
    one, other = jobs.add("one", first), jobs.add("other", second)
    first.wait_for_begin()

    one.pause()
    second.wait_for_begin()
    assert (one.status, other.status) == ("paused", "running")
    assert not one.finished
    jobs.clear_finished()
    assert one in jobs.jobs
    one.resume()
    assert one.status == "waiting"
    second.go.release()
    first.go.release()

    assert one.wait(SECONDS) == 2
    assert other.wait(SECONDS) == 1


def test_a_waiting_work_can_be_paused_and_cancelled_without_ever_running() -> None:
    jobs, busy, never = Jobs(), Steps(), Steps()
    jobs.add("busy", busy)
    busy.wait_for_begin()
    paused, gone = jobs.add("paused", never), jobs.add("gone", never)

    paused.pause()
    gone.cancel()
    busy.go.release()
    jobs.jobs[0].wait(SECONDS)

    last = jobs.add("last", lambda report, stop: "ran")
    assert last.wait(SECONDS) == "ran"
    assert never.runs == 0
    assert (paused.status, gone.status) == ("paused", "cancelled")
    paused.cancel()
    assert paused.status == "cancelled"


def test_a_cancelled_work_ends_at_once_for_who_waits_and_the_next_one_runs() -> None:
    jobs, first, second = Jobs(), Steps(), Steps()
    one, other = jobs.add("one", first), jobs.add("other", second)
    first.wait_for_begin()

    one.cancel()

    with pytest.raises(DownloadInterrupted, match="one was cancelled"):
        one.wait(SECONDS)
    second.go.release()
    assert other.wait(SECONDS) == 1
    one.resume()
    one.pause()
    assert one.status == "cancelled"


def test_a_work_that_fails_says_why_and_the_next_one_runs() -> None:
    jobs = Jobs()

    def fail(report: OnProgress, stop: threading.Event) -> None:
        raise HubUnreachable("no hub", "look")

    def break_down(report: OnProgress, stop: threading.Event) -> None:
        raise ZeroDivisionError("oh")

    one, other = jobs.add("one", fail), jobs.add("other", break_down)
    last = jobs.add("last", lambda report, stop: 5)

    assert last.wait(SECONDS) == 5
    with pytest.raises(HubUnreachable, match="no hub"):
        one.wait()
    with pytest.raises(InfluenceError, match="oh") as caught:
        other.wait()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert (one.status, other.status) == ("failed", "failed")
    assert one.error is not None


def test_a_work_that_ends_in_spite_of_a_pause_is_done() -> None:
    jobs = Jobs()
    begun, go = threading.Event(), threading.Event()

    def deaf(report: OnProgress, stop: threading.Event) -> str:
        begun.set()
        go.wait(SECONDS)
        return "made"

    job = jobs.add("deaf", deaf)
    assert begun.wait(SECONDS)
    job.pause()
    go.set()

    assert job.wait(SECONDS) == "made"
    assert job.status == "done"


def test_a_work_that_is_interrupted_without_being_asked_to_has_failed() -> None:
    def interrupted(report: OnProgress, stop: threading.Event) -> None:
        raise DownloadInterrupted("the connection broke", "again")

    job = Jobs().add("job", interrupted)
    with pytest.raises(DownloadInterrupted, match="connection"):
        job.wait(SECONDS)
    assert job.status == "failed"


def test_listeners_hear_each_change_and_one_that_fails_stops_nothing() -> None:
    jobs, work = Jobs(), Steps()

    def bad(job: Job[Any]) -> None:
        raise RuntimeError("listener")

    jobs.subscribe(bad)
    with statuses(jobs) as told:
        job = jobs.add("job", work)
        work.wait_for_begin()
        job.pause()
        job.resume()
        work.wait_for_begin()
        work.go.release()
        job.wait(SECONDS)
        heard = [told.get(timeout=SECONDS)[1]]
        while heard[-1] != "done":
            heard.append(told.get(timeout=SECONDS)[1])
    assert heard[:3] == ["waiting", "running", "paused"]
    assert "running" in heard[3:]
    assert job.progress is not None
    assert job.progress.done == 2


def test_who_has_unsubscribed_hears_no_more() -> None:
    jobs = Jobs()
    heard: list[str] = []
    unsubscribe = jobs.subscribe(lambda job: heard.append(job.title))
    jobs.add("one", lambda report, stop: None).wait(SECONDS)
    unsubscribe()
    unsubscribe()
    jobs.add("other", lambda report, stop: None).wait(SECONDS)
    assert set(heard) == {"one"}


def test_waiting_has_a_time_limit() -> None:
    jobs, work = Jobs(), Steps()
    job = jobs.add("slow", work)
    with pytest.raises(TimeoutError, match="slow"):
        job.wait(0.01)
    work.go.release()
    assert job.wait(SECONDS) == 1


def test_a_download_in_the_queue_is_paused_and_continues_where_its_bytes_stopped(
    hub: LoopbackHub, noise: bytes, tmp_path: Path
) -> None:
    files = {**made_up(), "model.safetensors": noise}
    hub.add("someone/model", files)
    hold = hub.hold("*/model.safetensors", 1_000_000, "cdn")
    jobs, came = Jobs(), threading.Event()

    def look(job: Job[Any]) -> None:
        told = job.progress
        if told is not None and told.file == "model.safetensors" and told.done >= 1_000_000:
            came.set()

    jobs.subscribe(look)
    job = jobs.add(
        "someone/model", lambda report, stop: inb.download("someone/model", on_progress=report, cancel=stop)
    )
    other = jobs.add(
        "no/model", lambda report, stop: inb.download("no/model", on_progress=report, cancel=stop)
    )
    assert came.wait(SECONDS)
    job.pause()
    with pytest.raises(ModelNotFound):
        other.wait(SECONDS)
    hold.release()
    job.resume()

    model = job.wait(SECONDS)

    assert {path.name: path.read_bytes() for path in model.path.iterdir()} == files
    asked = [request.range for request in hub.requests("*/model.safetensors", host="cdn")]
    assert asked == [None, (1_000_000, None)]
