"""DownloadPanel without a browser: the queue with its rows and buttons, on a fake of the hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from download_page import click, says, until
from fake_hub import FakeHub
from on_page import text

from influence_nb import api
from influence_nb.errors import DownloadInterrupted, HubUnreachable, InvalidData
from influence_nb.hub.progress import Progress
from influence_nb.widgets import DownloadPanel, amounts
from influence_nb.widgets.job_row import SLOTS, FilesAtWork
from influence_nb.widgets.painter import Painter

WAIT = 60


def test_download_fetches_shows_the_way_and_tells_the_other_panels(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small", held=True)
    panel.plan("acme/small").result(WAIT)
    library = panel.state.library
    click(panel, "Download acme/small")
    says(panel, "2.00 MB of 4.00 MB")
    for words in ("downloading", "50%", "2.00 MB/s", "1 s left", "model.safetensors"):
        assert words in text(panel._queue)
    assert "acme/small: running, 50% of 4.00 MB" in panel.static_html()
    hub.gates["acme/small"].set()
    says(panel, "<code>/models/acme/small</code>")
    says(panel, "all of it here already")
    until(panel, lambda: panel.state.library == library + 1)
    assert "acme/small: done" in panel.static_html()
    assert "running" not in panel.static_html()


def test_from_python_a_future_gives_the_model_and_the_end_is_shown_before_it_is_told(
    hub: FakeHub, panel: DownloadPanel
):
    hub.add("acme/small")
    model = panel.download("acme/small").result(WAIT)
    assert model.name == "acme/small"
    assert "acme/small: done" in panel.static_html()
    assert [job.title for job in panel.jobs.jobs] == ["acme/small"]


def test_several_models_wait_in_a_queue_and_one_is_cancelled(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/one", held=True)
    hub.add("acme/two")
    one = panel.download("acme/one")
    assert hub.halfway["acme/one"].wait(WAIT)
    two = panel.download("acme/two")
    says(panel, "It waits for its turn.")
    click(panel, "Cancel acme/two")
    with pytest.raises(DownloadInterrupted):
        two.result(WAIT)
    assert "acme/two: cancelled" in panel.static_html()
    hub.gates["acme/one"].set()
    assert one.result(WAIT).name == "acme/one"
    assert [repo for repo, _ in hub.fetched] == ["acme/one"]


def test_pause_keeps_the_future_waiting_and_resume_goes_on(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small", held=True)
    future = panel.download("acme/small")
    assert hub.halfway["acme/small"].wait(WAIT)
    click(panel, "Pause acme/small")
    until(panel, lambda: "paused" in text(panel._queue))
    assert not future.done()
    assert "acme/small: paused, 50%" in panel.static_html()
    hub.gates["acme/small"].set()
    click(panel, "Resume acme/small")
    assert future.result(WAIT).name == "acme/small"
    assert len(hub.fetched) == 2


def test_what_failed_says_why_and_can_be_tried_again(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small")
    hub.faults["acme/small"] = HubUnreachable("The hub <hung up>.", "Check the network.")
    with pytest.raises(HubUnreachable):
        panel.download("acme/small").result(WAIT)
    assert "The hub &lt;hung up&gt;." in text(panel)
    assert "Check the network." in text(panel)
    assert "acme/small: failed: The hub &lt;hung up&gt;." in panel.static_html()
    click(panel, "Retry acme/small")
    says(panel, "<code>/models/acme/small</code>")


def test_the_same_plan_is_not_queued_twice(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small", held=True)
    first = panel.download("acme/small")
    assert hub.halfway["acme/small"].wait(WAIT)
    second = panel.download()
    assert "is in the list of downloads already" in text(panel)
    hub.gates["acme/small"].set()
    assert first.result(WAIT) is second.result(WAIT)
    assert len(panel.jobs.jobs) == 1


def test_what_is_over_can_be_taken_off_the_list(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/done")
    hub.add("acme/held", held=True)
    panel.download("acme/done").result(WAIT)
    panel.download("acme/held")
    assert hub.halfway["acme/held"].wait(WAIT)
    click(panel, "Take finished downloads off the list")
    assert [job.title for job in panel.jobs.jobs] == ["acme/held"]
    assert "acme/done" not in text(panel._queue)


def test_panels_share_the_queue_of_the_process_and_a_later_one_shows_what_goes_on(hub: FakeHub):
    hub.add("acme/shared", held=True)
    one = DownloadPanel()
    future = one.download("acme/shared")
    assert hub.halfway["acme/shared"].wait(WAIT)
    other = DownloadPanel()
    assert other.jobs is one.jobs
    assert "2.00 MB of 4.00 MB" in text(other)
    hub.gates["acme/shared"].set()
    future.result(WAIT)
    says(other, "<code>/models/acme/shared</code>")
    one.jobs.clear_finished()
    one.close()
    other.close()


def test_load_puts_the_model_into_memory_and_says_so(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small")
    asked = []

    def load(model: Any, on_progress: Callable[[str, float], None]) -> None:
        on_progress("weights", 0.5)
        asked.append(model.path)

    monkeypatch.setattr(api, "load", load)
    panel.download("acme/small").result(WAIT)
    click(panel, "Load acme/small")
    says(panel, "acme/small is loaded.")
    assert asked == [Path("/models/acme/small")]


def test_a_failed_load_is_said_in_the_row(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small")

    def load(model: Any, on_progress: Any) -> None:
        raise InvalidData("It is <odd>.", "Do not load it.")

    monkeypatch.setattr(api, "load", load)
    panel.download("acme/small").result(WAIT)
    click(panel, "Load acme/small")
    says(panel, "It is &lt;odd&gt;.")
    assert "Do not load it." in text(panel)


def test_interrupting_a_cell_that_waits_pauses_the_download(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small", held=True)
    future = panel.download("acme/small")
    says(panel, "2.00 MB of 4.00 MB")
    with monkeypatch.context() as patch:

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            future.result()
    until(panel, lambda: "paused" in text(panel._queue))
    hub.gates["acme/small"].set()
    click(panel, "Resume acme/small")
    assert future.result(WAIT).name == "acme/small"


def test_a_download_can_be_cancelled_before_its_plan_is_made(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small", held=True)
    gate = threading.Event()

    def plan(repo_id: str, **more: Any) -> Any:
        assert gate.wait(WAIT)
        return hub.plan(repo_id, **more)

    monkeypatch.setattr(api, "plan", plan)
    future = panel.download("acme/small")
    assert future.cancel()
    gate.set()
    with pytest.raises(DownloadInterrupted):
        future.result(WAIT)
    assert not future.cancel()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (amounts.data(0), "0 B"),
        (amounts.data(999.4), "999 B"),
        (amounts.data(999.6), "1.00 kB"),
        (amounts.data(45_120_000), "45.1 MB"),
        (amounts.data(812e9), "812 GB"),
        (amounts.data(4e15), "4000 TB"),
        (amounts.rate(0), ""),
        (amounts.duration(None), ""),
        (amounts.duration(0.2), "1 s"),
        (amounts.duration(200), "3 min 20 s"),
        (amounts.duration(7500), "2 h 05 min"),
        (amounts.duration(9e5), "10 days"),
    ],
)
def test_amounts_are_said_in_few_words(said: str, words: str):
    assert said == words


def moment(file: str, done: int, total: int = 100, stage: str = "download") -> Progress:
    return Progress(file, done, total, done, 1000, 0.0, None, stage)


def test_each_file_at_work_keeps_its_line_until_it_is_done():
    files = FilesAtWork()
    names = [f"part-{number}" for number in range(SLOTS + 2)]
    for name in names:
        files.note(moment(name, 10))
    assert [line.file for line in files.lines() if line] == names[:SLOTS]
    assert files.more == 2
    files.note(moment(names[1], 100))
    files.note(moment(names[0], 50))
    assert [line.file for line in files.lines() if line] == [names[0], names[SLOTS], names[2]]
    files.note(moment(names[SLOTS + 1], 100, stage="ready"))
    assert files.more == 0


def test_many_changes_are_few_repaints_and_the_last_one_is_painted():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    now, painted = [0], []

    def paint() -> None:
        begun.set()
        assert go_on.wait(WAIT)
        painted.append(now[0])
        if now[0] == 100:
            ended.set()

    painter = Painter(paint, every=0)
    painter.ask()
    assert begun.wait(WAIT)
    for number in range(1, 101):
        now[0] = number
        painter.ask()
    go_on.set()
    assert ended.wait(WAIT)
    assert len(painted) <= 2


def test_unknown_keywords_raise():
    with pytest.raises(TypeError, match="does not know the keyword colour"):
        DownloadPanel(colour="red")
