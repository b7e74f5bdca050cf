"""What a DownloadPanel says: while nothing flows, when all is here, after a refusal; always what to do in the panel."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from download_page import click, says, until
from fake_hub import FakeFile, FakeHub
from on_page import button, text

from influence_nb import api
from influence_nb.errors import GatedModel
from influence_nb.hub.jobs import Jobs
from influence_nb.hub.progress import Progress
from influence_nb.widgets import DownloadPanel, LibraryPanel, job_row
from influence_nb.widgets.form import message
from influence_nb.widgets.here import here
from influence_nb.widgets.newest import Pause
from influence_nb.widgets.state import State

WAIT = 60


def reporting(panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch, *moments: Progress) -> threading.Event:
    """Begin a download that reports these once it has a row, and then waits for the event."""
    begin, gate = threading.Event(), threading.Event()

    def download(plan: Any, token: Any, on_progress: Any, cancel: threading.Event) -> None:
        assert begin.wait(WAIT)
        for moment in moments:
            on_progress(moment)
        while not gate.wait(0.01) and not cancel.is_set():
            pass

    monkeypatch.setattr(api, "download", download)
    panel.download("acme/small")
    says(panel, "Starting.")
    begin.set()
    return gate


def moment(file: str, stage: str) -> Progress:
    return Progress(file, 10, 1_000_000, 20, 2_000_000, 5e5, 4.0, stage)


def test_what_waits_to_be_tried_again_shows_no_time_left(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small")
    gate = reporting(
        panel, monkeypatch, moment("one", "download"), moment("two", "waiting"), moment("one", "waiting")
    )
    says(panel, "waiting to try again")
    assert " left" not in text(panel._queue)
    assert "kB/s" not in text(panel._queue)
    assert "20 B of 2.00 MB" in text(panel._queue)
    gate.set()


def test_while_one_file_still_flows_the_download_does(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small")
    gate = reporting(panel, monkeypatch, moment("one", "download"), moment("two", "waiting"))
    says(panel, "trying again")
    assert ">downloading<" in text(panel._queue)
    assert "4 s left" in text(panel._queue)
    gate.set()


def test_a_hub_that_is_silent_is_said_and_its_last_rate_is_not_shown(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    clock, now = Clock(), [100.0]
    monkeypatch.setattr("influence_nb.widgets.queue_view.Pause", lambda s, act: Pause(s, act, clock))
    monkeypatch.setattr(job_row.time, "monotonic", lambda: now[0])
    panel = DownloadPanel(jobs=Jobs())
    hub.add("acme/small")
    gate = reporting(panel, monkeypatch, moment("one", "download"))
    says(panel, "4 s left")
    now[0] += job_row.QUIET
    clock.pass_by(job_row.QUIET)
    panel._queue.painter.now()
    assert "waiting for the hub" in text(panel._queue)
    assert "4 s left" not in text(panel._queue)
    gate.set()
    panel.close()


def test_the_button_is_not_the_first_thing_to_press_when_all_is_here(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/here", files=(FakeFile("model.safetensors", 4_000, here=True),))
    hub.add("acme/half", files=(FakeFile("model.safetensors", 4_000),))
    panel.plan("acme/half").result(WAIT)
    assert button(panel, "Download acme/half").button_style == "primary"
    panel.plan("acme/here").result(WAIT)
    assert button(panel, "Download acme/here").button_style == ""
    assert "<b>1 file</b>" in text(panel)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_the_library_shows_what_a_download_left_however_it_ended(
    hub: FakeHub, tmp_home: Path, end: str, monkeypatch: pytest.MonkeyPatch
):
    state = State()
    panel, library = DownloadPanel(state=state, jobs=Jobs()), LibraryPanel(state=state)
    library._refreshed.result(WAIT)
    hub.add("acme/cut", held=True)
    future = panel.download("acme/cut")
    assert hub.halfway["acme/cut"].wait(WAIT)
    blobs = tmp_home.parent / "hub-cache" / "models--acme--cut" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{'f' * 64}.influence.incomplete").write_bytes(bytes(5000))
    assert "acme/cut" not in text(library)
    before = state.library
    if end == "cancelled":
        click(panel, "Cancel acme/cut")
    else:
        hub.faults["acme/cut"] = GatedModel("It is gated.", "Accept the licence.")
        hub.gates["acme/cut"].set()
    assert future.exception(WAIT) is not None
    until(panel, lambda: state.library == before + 1)
    library._refreshed.result(WAIT)
    assert "acme/cut" in text(library)
    assert "Press Fetch" in text(library)
    assert "inb." not in text(library)
    panel.close()
    library.close()


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        ("Leave `quantization` out; other weights are quantized.", "Leave the field Quantization empty;"),
        (
            "Free some space, or another disk by `output_dir` or HF_HOME.",
            "or an output directory on another disk.",
        ),
        ('Pass it as `token`, set HF_TOKEN, or run "hf auth login" once.', "Enter it as access token"),
        (
            "Download it again, inb.download('a/b', revision='1'): that fetches it.",
            "Press Fetch in its row: that",
        ),
        ('It would fit with quantization="int8".', "quantization to int8 when it is loaded."),
        ("Check the network.", "Check the network."),
    ],
)
def test_a_hint_for_who_calls_from_python_says_what_to_do_in_a_panel(hint: str, words: str):
    assert words in here(hint)
    assert "`" not in here(hint)


def test_addresses_in_messages_are_links_and_all_else_is_text():
    said = message(
        "No <b>.", 'Accept it at https://hub.example/a/b?c=1&d=2, then "https://x.example/". javascript:a'
    )
    assert 'href="https://hub.example/a/b?c=1&amp;d=2"' in said
    assert ">https://x.example/</a>&quot;. javascript:a" in said
    assert "No &lt;b&gt;." in said
