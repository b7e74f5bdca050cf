"""Carrying out a plan: several files at once, each checked before it counts, and one place that waits and reports.

It knows plans and places; how one file's bytes come is `partial.py`'s part, how a hub is asked `transport.py`'s.
"""

from __future__ import annotations

import contextvars
import functools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from influence_nb.errors import InfluenceError, IntegrityError
from influence_nb.hub import transport, xet
from influence_nb.hub.call import Call
from influence_nb.hub.checksums import CHUNK, is_right
from influence_nb.hub.choose import check_names
from influence_nb.hub.faults import Asked, from_disk, translating
from influence_nb.hub.partial import fill, write
from influence_nb.hub.places import Place, size_of
from influence_nb.hub.plan import DownloadPlan, PlannedFile
from influence_nb.hub.progress import OnProgress
from influence_nb.hub.remembered import Checked
from influence_nb.hub.tally import TICK, Count, Tally
from influence_nb.hub.transport import check_online, entered
from influence_nb.settings import settings

AT_ONCE = 8
_GRACE = 0.15
"""Seconds that who cancels waits for workers to put things in order."""


def fetch(
    plan: DownloadPlan,
    *,
    token: str | None = None,
    on_progress: OnProgress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Fetch what a plan names, and check it. What is here and was checked before is not read again.

    Bytes that came are kept, whatever happens, and a later run in this or another process continues where they
    stopped. Two processes that fetch the same file do it once.

    Args:
        plan: from `plan`.
        token: None is huggingface_hub's own.
        on_progress: called in this thread about 20 times a second, and once at the end.
        cancel: set it from another thread to give up, which takes effect within a quarter of a second.

    Returns:
        The model's folder: a snapshot in the Hub's cache, or the plan's `output_dir`.

    Raises:
        DownloadInterrupted: cancelled, or the connection broke too often.
        IntegrityError: the hub sends other bytes than it promised.
        HubUnreachable, GatedModel, ModelNotFound: the hub does not answer, or refuses.
        NotEnoughDisk: seen before the start, or the disk filled up on the way.
        SettingsError: the folder cannot be written.
    """
    check_names(file.name for file in plan.files)  # whoever made the plan
    place, checked = plan.place, Checked(plan.repo_id)
    todo = [
        file
        for file in plan.files
        if not (place.is_here(file) and checked.knows(place.shown(file), place.key(file)))
    ]
    before = sum(file.size or 0 for file in plan.files) - sum(file.size or 0 for file in todo)
    counts = [Count(file.name, file.size) for file in todo]
    tally = Tally(counts, before, on_progress)
    if todo:
        plan.check_disk()
        # a thread of its own for each file, the longest first
        jobs = sorted(zip(todo, counts, strict=True), key=lambda job: -(job[0].size or 0))
        call = Call(plan.endpoint, transport.find_token(token), cancel)
        call.check()
        worker = _Worker(plan, place, call, checked)
        try:
            _run(call, [functools.partial(worker.settle, *job) for job in jobs], tally)
        finally:
            checked.save()
    place.finish(plan.revision)
    tally.end(plan.repo_id)
    return place.folder


def _run(call: Call, jobs: list[Callable[[], None]], tally: Tally) -> None:
    """Do all jobs in threads, reporting meanwhile; the first error stops the others and is raised."""
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    errors: list[BaseException] = []
    left = threading.Semaphore(0)

    def work() -> None:
        with entered(call):
            while not call.is_stopped() and not errors:
                try:
                    waiting.get_nowait()()
                except queue.Empty:
                    break
                except BaseException as error:
                    errors.append(error)
        left.release()

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work,), name="hub-file", daemon=True)
        for _ in range(min(AT_ONCE, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    ended = 0
    try:
        while ended < len(threads) and not errors:
            call.check()
            if left.acquire(timeout=TICK):
                ended += 1
            else:
                tally.tick()
    finally:
        call.stop()  # where all went well there is nobody left to stop
        until = time.monotonic() + _GRACE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
    if errors:
        raise errors[0]


class _Worker:
    """What every thread needs to bring one file to its place."""

    def __init__(self, plan: DownloadPlan, place: Place, call: Call, checked: Checked) -> None:
        self.plan, self.place, self.call, self.checked = plan, place, call, checked
        self.asked = Asked(plan.repo_id, plan.endpoint, plan.revision or plan.commit, call.has_token)

    def settle(self, file: PlannedFile, count: Count) -> None:
        """Make one file be there, whole and checked."""
        try:
            if not self._is_whole(file, self.place.shown(file), count):
                self._bring(file, count)
        except InfluenceError:
            raise
        except OSError as error:
            raise from_disk(error, self.place.root, (file.size or 0) - count.done) from error
        self.checked.add(self.place.shown(file), self.place.key(file))
        count.done, count.stage = size_of(self.place.shown(file)) or count.done, "ready"

    def _bring(self, file: PlannedFile, count: Count) -> None:
        place = self.place
        target, partial = place.target(file), place.partial(file)
        for folder in (target.parent, partial.parent, place.lock(file).parent):
            folder.mkdir(parents=True, exist_ok=True)
        with _only_us(place.lock(file), self.call, count):
            whole = self._is_whole(file, target, count)
            if not whole and not self._is_kept_by_xet(file):
                self._take_copy(file, partial, count)
                self._download(file, partial, count)
                os.replace(partial, target)
                whole = True
            if whole:
                place.settle(file)
        if not whole:  # without the lock: huggingface_hub takes the same one
            self._download_by_xet(file, target, count)

    def _download(self, file: PlannedFile, partial: Path, count: Count) -> None:
        if file.size is None or size_of(partial) != file.size:
            check_online()
        transport.install()
        with translating(self.asked):
            fill(self.call, self._url(file), file, partial, count, self.asked)

    def _url(self, file: PlannedFile) -> str:
        from huggingface_hub import hf_hub_url

        plan = self.plan
        return hf_hub_url(plan.repo_id, file.name, revision=plan.at or plan.commit, endpoint=plan.endpoint)

    def _is_kept_by_xet(self, file: PlannedFile) -> bool:
        if not settings().xet or file.sha256 is None or self.plan.at is not None:
            return False
        check_online()
        transport.install()
        with translating(self.asked):
            return xet.is_there(self.call, self._url(file))

    def _download_by_xet(self, file: PlannedFile, target: Path, count: Count) -> None:
        plan, place = self.plan, self.place
        for wrong in (place.shown(file), target):
            wrong.unlink(missing_ok=True)  # huggingface_hub would take it for whole
        cache, folder = (place.root, None) if plan.output_dir is None else (None, place.folder)
        with translating(self.asked):
            xet.fetch(self.call, plan.repo_id, plan.commit, file.name, cache, folder, count)
        if not self._is_whole(file, place.shown(file), count):
            for wrong in (place.shown(file), target):
                wrong.unlink(missing_ok=True)
            raise IntegrityError(
                f"{file.name} of {plan.repo_id} came by Xet and is not what {plan.endpoint} promised.",
                "Nothing of it was kept. Ask again, or unset INFLUENCE_XET.",
            )

    def _is_whole(self, file: PlannedFile, path: Path, count: Count) -> bool:
        """Whether the file is there and right; read once, and then known by its size and time."""
        there = size_of(path)
        if there is None or file.size not in (None, there):
            return False
        if self.checked.knows(path, self.place.key(file)):
            return True
        if file.sha256 is None and file.blob_id is None:
            return True  # nothing is known of it but its size
        count.stage = "verify"

        def check(done: int) -> None:
            self.call.check()
            count.done = done

        right = is_right(path, file.size, file.sha256, file.blob_id, check)
        if not right:
            count.done = 0
        return right

    def _take_copy(self, file: PlannedFile, partial: Path, count: Count) -> None:
        """Begin with what another place on this machine has of the same bytes, if any has them all."""
        if file.size is None or partial.exists():
            return
        for copy in self.place.copies(file):
            if size_of(copy) == file.size:
                count.stage = "copy"
                with copy.open("rb", buffering=0) as source, partial.open("wb", buffering=0) as sink:
                    while piece := source.read(CHUNK):
                        self.call.check()
                        write(sink, piece)
                return


@contextmanager
def _only_us(path: Path, call: Call, count: Count) -> Iterator[None]:
    """Hold a lock between processes, waiting for who has it, unless cancelled."""
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            count.stage = "waiting"
            call.rest(0.1)
            continue
        except NotImplementedError:  # a file system without locks: the checksum still tells what is whole
            yield
            return
        break
    try:
        yield
    finally:
        lock.release()
