"""One download as a row: its bar, speed and time left, the files at work, and its buttons.

It knows a job of the queue by its public attributes; it does not know what the job fetches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb.widgets import orders
from influence_nb.widgets.amounts import data, duration, percent, rate
from influence_nb.widgets.base import escape
from influence_nb.widgets.form import message, page_button

if TYPE_CHECKING:
    from influence_nb.hub.jobs import Job
    from influence_nb.hub.progress import Progress

SLOTS = 3
"""Lines for files at work: few, and always as many, so that nothing below them jumps."""

QUIET = 3.0
"""Seconds without news after which rate and time left, the last that were heard of, are not shown any more."""

FINISHED = ("done", "cancelled", "failed")

ROW_STYLE = """<style>
.inb-download { padding: 8px 2px 8px 8px; border-top: 1px solid var(--jp-border-color2, rgba(128,128,128,.35)); }
.inb-download .inb-job-top { align-items: center; justify-content: space-between; flex-wrap: nowrap; gap: 12px; }
.inb-download .inb-job-top > .widget-html { flex: 1 1 auto; min-width: 0; margin: 0; }
.inb-download .inb-job-buttons { flex: 0 0 auto; }
.inb-download .inb-job-buttons button { width: 84px; }
.inb-download > .widget-html { margin: 0; }
.inb-download .widget-html-content { line-height: 1.5; }
.inb-downloads .inb-heading { font-weight: 600; font-size: 14px; }
.inb-downloads .inb-queue-head { align-items: center; justify-content: space-between; margin-top: 6px; }
.inb-job-title { font-weight: 600; }
.inb-chip { font-size: 11px; line-height: 17px; padding: 0 8px; margin-left: 8px; border-radius: 9px;
  white-space: nowrap; display: inline-block; border: 1px solid var(--jp-border-color1, #bdbdbd);
  font-weight: 400; vertical-align: 1px; }
.inb-chip[data-status=running] { color: white; border-color: transparent; background: var(--inb-ground-now); }
.inb-chip[data-status=done] { color: white; border-color: transparent; background: var(--inb-ground-done); }
.inb-chip[data-status=failed] { color: white; border-color: transparent; background: var(--inb-ground-bad); }
.inb-job-facts { display: flex; flex-wrap: wrap; gap: 0 16px; font-size: 12px; font-variant-numeric: tabular-nums; }
.inb-job-facts > :nth-child(1) { min-width: 3.2em; font-weight: 600; }
.inb-job-facts > :nth-child(2) { min-width: 11em; }
.inb-job-facts > :nth-child(3) { min-width: 6em; }
.inb-job-facts > :nth-child(4) { min-width: 9em; }
.inb-form .inb-download .inb-track { display: block; margin: 4px 0 3px; }
.inb-download [data-status=paused] .inb-fill, .inb-download [data-status=waiting] .inb-fill { opacity: .5; }
.inb-job-files { height: 54px; font-size: 12px; line-height: 18px; overflow: hidden; opacity: .85; }
.inb-job-files > div { display: grid; grid-template-columns: minmax(0, 1fr) minmax(5em, 11em) 3.4em 7em; gap: 10px;
  height: 18px; align-items: center; }
.inb-job-files span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.inb-form .inb-job-files .inb-track { height: 5px; margin: 0; }
.inb-job-files .inb-number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
</style>"""


class FilesAtWork:
    """Which files are being fetched now, each in the same line until it is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # files come side by side, each from a thread of its own
        self._lines: list[Progress | None] = [None] * SLOTS
        self._waiting: dict[str, Progress] = {}

    def note(self, progress: Progress) -> None:
        """Take in a moment of the job."""
        with self._lock:
            self._note(progress)

    def _note(self, progress: Progress) -> None:
        name = progress.file
        at = next((i for i, line in enumerate(self._lines) if line and line.file == name), None)
        over = progress.done >= progress.total or progress.stage == "ready"
        if at is not None:
            self._lines[at] = None if over else progress
        elif over:
            self._waiting.pop(name, None)
        elif name:
            self._waiting[name] = progress
        for i, line in enumerate(self._lines):
            if line is None and self._waiting:
                self._lines[i] = self._waiting.pop(next(iter(self._waiting)))

    def clear(self) -> None:
        """No file is at work any more."""
        with self._lock:
            self._lines, self._waiting = [None] * SLOTS, {}

    @property
    def waiting(self) -> bool:
        """Whether every file at work waits to be tried again."""
        with self._lock:
            stages = [line.stage for line in (*self._lines, *self._waiting.values()) if line]
        return bool(stages) and all(stage == "waiting" for stage in stages)

    @property
    def more(self) -> int:
        """How many files are at work that have no line."""
        return len(self._waiting)

    def lines(self) -> list[Progress | None]:
        """One entry a line, None for an empty one."""
        return list(self._lines)


class JobRow(ipywidgets.VBox):
    """A download with its buttons.

    A button that is pressed stays where it is and gets another label, or hands the focus to one that does: the
    keyboard's place on the page is never lost.

    Args:
        job: of the queue.
        retry: does it again after it failed or was cancelled.
        load: loads the model that came.
    """

    def __init__(
        self, job: Job[Any], retry: Callable[[JobRow], object], load: Callable[[JobRow], object]
    ) -> None:
        self.job = job
        self.shown = ""  # the status that is on the page
        self._files = FilesAtWork()
        self._retry, self._load = retry, load
        self._asked = ""  # what was clicked and has not happened yet
        self._note = ""
        self._fresh = True  # whether there is something to paint though the status is the same
        self._heard = time.monotonic()  # when there was news last
        self._leaving = False  # whether Cancel, which goes away, was pressed
        title = job.title
        self._head = ipywidgets.HTML()
        self._body = ipywidgets.HTML()
        self._turn = page_button("Pause", f"Pause {title}", self._turn_clicked)
        self._cancel = page_button("Cancel", f"Cancel {title}", self._cancel_clicked)
        buttons = ipywidgets.HBox([self._turn, self._cancel]).add_class("inb-job-buttons")
        top = ipywidgets.HBox([self._head, buttons]).add_class("inb-job-top")
        super().__init__([top, self._body])
        self.add_class("inb-download")
        self.hear(job.progress)

    def hear(self, progress: Progress | None) -> None:
        """Take in how far the job is; nothing is painted yet."""
        if progress is not None:
            self._heard = time.monotonic()
            self._files.note(progress)

    def take(self, job: Job[Any]) -> None:
        """Show another job from now on: one that does the same again."""
        if job is not self.job:
            self.job, self._asked, self._note, self._leaving = job, "", "", False
            self._files.clear()
            self._heard = time.monotonic()
            self.hear(job.progress)

    def focus(self) -> None:
        """Put the keyboard's place on its first button."""
        self._turn.focus()

    def say(self, note: str) -> None:
        """Say something below the row, as HTML; "" takes it back. Shown when it is painted next."""
        self._note, self._fresh = note, True

    def paint(self) -> bool:
        """Show the job as it is now; whether its status is another than was shown before."""
        job = self.job
        status, progress = job.status, job.progress
        if status in FINISHED and not job.finished:  # its result is about to be written
            status = self.shown or "running"
        if status == self.shown and status in FINISHED and not self._fresh:
            return False
        self._fresh = False
        if status in FINISHED or (self._asked == "Pausing" and status == "paused"):
            self._asked = ""
        if self._asked == "Resuming" and status != "paused":
            self._asked = ""
        self._head.value = _head(job.title, status, self._asked or self._doing(status, progress))
        self._body.value = self._body_html(status, progress)
        self._paint_buttons(status)
        if status != "running" and self.shown == "running":
            self._files.clear()
        changed = status != self.shown
        self.shown = status
        return changed

    def static_html(self) -> str:
        """One line on the job for a reader without a kernel."""
        return f"{escape(self.job.title)}: {escape(_in_words(self.job))}"

    def _body_html(self, status: str, progress: Progress | None) -> str:
        if status == "done":
            return _place(self.job.result) + self._note
        if status == "failed":
            error = self.job.error
            said = message(error.message, error.hint, "problem") if error else message("It failed.")
            return said + self._note
        if status == "cancelled":
            return message("Cancelled. What came of it is kept, and is not fetched again.") + self._note
        if progress is None:
            return message("It waits for its turn." if status == "waiting" else "Starting.")
        files = _files(self._files.lines()) if status == "running" else ""
        flows = status == "running" and not self._quiet and not self._files.waiting
        return _bar(self.job.title, status, progress, flows, self._files.more) + files

    @property
    def _quiet(self) -> bool:
        return time.monotonic() - self._heard >= QUIET

    def _doing(self, status: str, progress: Progress | None) -> str:
        """The status in words."""
        if status != "running" or progress is None:
            return status
        if self._files.waiting:
            return "waiting to try again"
        if self._quiet:
            return "waiting for the hub"
        return {"verify": "checking", "copy": "copying"}.get(progress.stage, "downloading")

    def _paint_buttons(self, status: str) -> None:
        turn = {
            "waiting": "Pause",
            "running": "Pause",
            "paused": "Resume",
            "failed": "Retry",
            "cancelled": "Retry",
        }
        if orders.plan_of(self.job) is None:  # nobody here knows how to do it again
            turn = {name: label for name, label in turn.items() if label != "Retry"}
        if getattr(self.job.result, "kind", "") == "chat":
            turn["done"] = "Load"
        label = turn.get(status, "")
        if label and self._turn.description != label:
            self._turn.description, self._turn.tooltip = label, f"{label} {self.job.title}"
            self._turn.button_style = "primary" if label == "Load" else ""
        _show(self._turn, bool(label))
        over = status in FINISHED
        if over and self._leaving and label:
            self.focus()
        self._leaving = self._leaving and not over
        _show(self._cancel, not over)

    def _turn_clicked(self) -> None:
        status = self.job.status
        if self._asked:  # it was pressed twice
            return
        if status in ("running", "waiting"):
            self._ask("Pausing")
            self.job.pause()
        elif status == "paused":
            self._ask("Resuming")
            self.job.resume()
        elif self.job.finished and self._turn.description == "Load":
            self._load(self)
        elif self.job.finished and self._turn.description == "Retry":
            self._retry(self)

    def _cancel_clicked(self) -> None:
        self._leaving = True
        self._ask("Cancelling")
        self.job.cancel()

    def _ask(self, what: str) -> None:
        """Say at once that the click has arrived, whatever the work takes to notice."""
        self._asked = what
        self._head.value = _head(self.job.title, self.job.status, what)


def queue_static(rows: list[JobRow]) -> str:
    """The queue for a reader without a kernel; "" while it is empty."""
    return f"<ul>{''.join(f'<li>{row.static_html()}</li>' for row in rows)}</ul>" if rows else ""


def _show(button: Any, shown: bool) -> None:
    display = None if shown else "none"
    if button.layout.display != display:
        button.layout.display = display


def _head(title: str, status: str, words: str) -> str:
    chip = f'<span class="inb-chip" role="status" data-status="{escape(status)}">{escape(words)}</span>'
    return f'<span class="inb-job-title">{escape(title)}</span>{chip}'


def _bar(title: str, status: str, progress: Progress, flows: bool, more: int) -> str:
    share = percent(progress.all_done, progress.all_total)
    left = duration(progress.seconds_left) if flows else ""
    facts = [
        f"{share:.0f}%",
        f"{data(progress.all_done)} of {data(progress.all_total)}",
        rate(progress.bytes_per_second) if flows else "",
        f"{left} left" if left else "",
        f"{SLOTS + more} files at once" if status == "running" and more else "",
    ]
    text = ", ".join(fact for fact in facts if fact)
    return (
        f'<div data-status="{escape(status)}">{_track(f"Download of {title}", share, text)}'
        f'<div class="inb-job-facts">{"".join(f"<span>{escape(fact)}</span>" for fact in facts)}</div></div>'
    )


def _track(label: str, share: float, text: str) -> str:
    return (
        f'<span class="inb-track" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share:.0f}" aria-valuetext="{escape(text)}">'
        f'<span class="inb-fill" style="width:{share:.1f}%"></span></span>'
    )


def _files(lines: list[Progress | None]) -> str:
    made = "".join(f"<div>{_file(line) if line else ''}</div>" for line in lines)
    return f'<div class="inb-job-files">{made}</div>'


def _file(progress: Progress) -> str:
    share = percent(progress.done, progress.total)
    words = {"verify": "checking", "copy": "copying", "waiting": "trying again"}.get(
        progress.stage, data(progress.total)
    )
    return (
        f"<span title='{escape(progress.file)}'>{escape(progress.file)}</span>"
        f"{_track(progress.file, share, f'{share:.0f}%')}"
        f"<span class='inb-number'>{share:.0f}%</span><span class='inb-number'>{escape(words)}</span>"
    )


def _place(result: Any) -> str:
    size, path = getattr(result, "size", None), getattr(result, "path", result)
    amount = f"{data(size)} in " if size is not None else "In "
    more = ""
    if getattr(result, "kind", "") == "embedding":
        more = f"<br>A model for embeddings: <code>inb.load_encoder({escape(repr(result.name))})</code>"
    return f'<div class="inb-said">{amount}<code>{escape(path)}</code>{more}</div>'


def _in_words(job: Job[Any]) -> str:
    progress = job.progress
    if job.status == "failed" and job.error is not None:
        return f"failed: {job.error.message}"
    if progress is None or job.status in ("cancelled", "done"):  # where it is, is nobody's business elsewhere
        return job.status
    share = percent(progress.all_done, progress.all_total)
    return f"{job.status}, {share:.0f}% of {data(progress.all_total)}"
