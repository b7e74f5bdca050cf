"""DownloadPanel without a browser: plans, refusals, the queue with its buttons, tokens that leave no trace."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_hub
import ipywidgets
import pytest
from fake_hub import FakeFile, FakeHub

from influence_nb import api
from influence_nb.errors import DownloadInterrupted, GatedModel, HubUnreachable, InvalidData, ModelNotFound
from influence_nb.hub.jobs import Jobs
from influence_nb.hub.progress import Progress
from influence_nb.memory import FitReport
from influence_nb.widgets import DownloadPanel, amounts
from influence_nb.widgets.job_row import SLOTS, FilesAtWork
from influence_nb.widgets.painter import Painter
from influence_nb.widgets.state import State

WAIT = 60
TOKEN = "hf_never_to_be_seen"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    made = fake_hub.install(monkeypatch)
    yield made
    for gate in made.gates.values():
        gate.set()


@pytest.fixture
def panel(hub: FakeHub) -> Iterator[DownloadPanel]:
    made = DownloadPanel(jobs=Jobs())
    yield made
    made.close()


def controls(widget: Any) -> list[Any]:
    """Every widget in a panel, in order."""
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += controls(child)
    return found


def field(panel: Any, label: str) -> Any:
    return next(one for one in controls(panel) if getattr(one, "description", None) == label)


def button(panel: Any, tooltip: str) -> Any:
    """The button with this tooltip that is to be seen."""
    found = [one for one in controls(panel) if getattr(one, "tooltip", None) == tooltip]
    assert found, f"there is no button {tooltip!r}"
    return found[0]


def click(panel: DownloadPanel, tooltip: str) -> None:
    """Click a button as soon as a person could."""

    def ready() -> bool:
        found = [one for one in controls(panel) if getattr(one, "tooltip", None) == tooltip]
        return any(shown(one) and not one.disabled for one in found)

    until(panel, ready)
    button(panel, tooltip).click()


def shown(one: Any) -> bool:
    return bool(one.layout.display != "none")


def text(widget: Any) -> str:
    """All that is to be read in it, as HTML."""
    parts = [str(one.value) for one in controls(widget) if type(one).__name__ == "HTML"]
    return " ".join(part for part in parts if not part.startswith("<style>"))


def until(panel: DownloadPanel, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that a change of the panel or of its state brings about."""
    changed = threading.Event()

    def tell(_: Any) -> None:
        changed.set()

    panel.state.observe(tell)
    while True:
        changed.clear()
        for one in controls(panel):  # each time, since rows come and go
            one.observe(tell)
        if condition():
            return
        assert changed.wait(WAIT), text(panel)


def says(panel: DownloadPanel, words: str) -> None:
    until(panel, lambda: words in text(panel))


def press_enter(one: Any) -> None:
    """What the page sends when Enter is pressed in a field."""
    one._handle_custom_msg({"event": "submit"}, [])


def type_secret(one: Any, secret: str) -> list[Any]:
    """What the page sends when a secret was entered; all that the kernel sends back."""
    sent: list[Any] = []
    before = one._send
    one._send = lambda message, buffers=None: sent.append(message)
    try:
        one.set_state({"value": secret})
    finally:
        one._send = before
    return sent


# Planning


def test_a_plan_says_which_files_come_and_why_and_what_is_left_out(hub: FakeHub, panel: DownloadPanel):
    plan = hub.add(
        "acme/small",
        files=(FakeFile("config.json", 700, "config", here=True), FakeFile("model.safetensors", 4_000_000)),
        needs_code=True,
        code_files=("modeling_acme.py",),
    )
    assert panel.plan("acme/small").result(WAIT) is plan
    said = text(panel)
    for words in (
        "4.00 MB</b> in all",
        "700 B here already",
        "80.0 GB free",
        "weights, safetensors",
        "licence: apache-2.0",
        "1 file is left out",
        "pickled; safetensors are there: pytorch_model.bin",
        "brings code of its own (modeling_acme.py). It is fetched as files and is not run.",
    ):
        assert words in said
    assert not button(panel, "Download acme/small").disabled
    assert "pytorch_model" not in panel.static_html()
    assert "model.safetensors" in panel.static_html()


def test_the_button_and_enter_plan_what_is_typed(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small")
    field(panel, "Repository").value = " acme/small "
    field(panel, "Revision").value = "v2"
    field(panel, "Quantization (GGUF)").value = "Q4_K_M"
    field(panel, "Output directory").value = "/data/models"
    field(panel, "Mirror").value = "http://127.0.0.1:9"
    click(panel, "Plan the download of this repository")
    says(panel, "<h4>acme/small</h4>")
    press_enter(field(panel, "Revision"))
    until(panel, lambda: len(hub.asked) == 2)
    assert hub.asked[0] == hub.asked[1]
    assert hub.asked[0] == {
        "repo_id": "acme/small",
        "revision": "v2",
        "quantization": "Q4_K_M",
        "output_dir": "/data/models",
        "mirror": "http://127.0.0.1:9",
        "include": None,
        "exclude": None,
        "token": None,
    }


@pytest.mark.parametrize(
    "address", ["https://hub.example/acme/small", "https://hub.example/acme/small/tree/main?not=this"]
)
def test_the_address_of_a_model_s_page_names_its_repository(hub: FakeHub, panel: DownloadPanel, address: str):
    hub.add("acme/small")
    field(panel, "Repository").value = address
    assert panel.plan().result(WAIT).repo_id == "acme/small"
    assert not button(panel, "Download acme/small").disabled


def test_what_is_wanted_elsewhere_is_planned_at_once_and_the_place_stays(hub: FakeHub):
    hub.add("acme/small")
    state = State()
    panel = DownloadPanel(state=state, jobs=Jobs())
    field(panel, "Output directory").value = "/data"
    field(panel, "Revision").value = "of another model"
    state.wanted = "acme/small"
    says(panel, "<h4>acme/small</h4>")
    assert field(panel, "Repository").value == "acme/small"
    assert (hub.asked[-1]["output_dir"], hub.asked[-1]["revision"]) == ("/data", None)
    later = DownloadPanel(state=state, jobs=Jobs())
    says(later, "<h4>acme/small</h4>")


def test_a_changed_form_has_to_be_planned_again(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small")
    panel.plan("acme/small").result(WAIT)
    field(panel, "Revision").value = "v2"
    assert "the form has changed: plan again" in text(panel)
    assert button(panel, "Plan first").disabled
    with pytest.raises(InvalidData, match="no plan"):
        panel.download()
    field(panel, "Revision").value = ""
    assert "the form has changed" not in text(panel)
    assert not button(panel, "Download acme/small").disabled


def test_without_room_on_the_disk_it_is_said_before_anything_starts(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small", disk_free=1_000_000)
    panel.plan("acme/small").result(WAIT)
    assert "Not enough room on the disk: 4.00 MB are to come and 1.00 MB are free. Free 3.00 MB" in text(
        panel
    )
    assert button(panel, "There is not enough room on the disk").disabled


def test_a_refused_plan_is_readable_keeps_what_was_typed_and_the_next_one_works(
    hub: FakeHub, panel: DownloadPanel
):
    hub.add("acme/small")
    field(panel, "Repository").value = "acme/smal"
    field(panel, "Revision").value = "v2"
    with pytest.raises(ModelNotFound):
        panel.plan().result(WAIT)
    assert "There is no &lt;b&gt;acme/smal&lt;/b&gt; on the hub." in text(panel)
    assert "Look for it in the search panel." in text(panel)
    assert (field(panel, "Repository").value, field(panel, "Revision").value) == ("acme/smal", "v2")
    assert button(panel, "Plan first").disabled
    panel.plan("acme/small").result(WAIT)
    assert "There is no" not in text(panel)


def test_nothing_typed_is_said_and_not_asked(hub: FakeHub, panel: DownloadPanel):
    click(panel, "Plan the download of this repository")
    assert "There is no repository to plan." in text(panel)
    for nothing in ("", "  ", None, 7):
        with pytest.raises(InvalidData):
            panel.plan(nothing)
    assert hub.asked == []


def test_a_starter_is_not_asked_of_the_hub(hub: FakeHub, panel: DownloadPanel):
    for call in (panel.plan, panel.download):
        with pytest.raises(InvalidData, match="does not come from the Hub") as refused:
            call("starter/chat")
        assert "Load panel" in refused.value.hint
    assert hub.asked == []


def test_of_two_plans_asked_for_the_later_one_is_shown(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    slow, quick = hub.add("acme/slow"), hub.add("acme/quick")
    gate = threading.Event()

    def plan(repo_id: str, **more: Any) -> Any:
        if repo_id == "acme/slow":
            assert gate.wait(WAIT)
        return hub.plan(repo_id, **more)

    monkeypatch.setattr(api, "plan", plan)
    first = panel.plan("acme/slow")
    assert panel.plan("acme/quick").result(WAIT) is quick
    gate.set()
    assert first.result(WAIT) is slow
    assert "<h4>acme/quick</h4>" in text(panel)


def test_whether_it_fits_is_shown_and_never_in_the_way(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/small")
    gate = threading.Event()

    def fit(plan: Any, **more: Any) -> Any:
        assert gate.wait(WAIT)
        raise HubUnreachable("The headers did not come.", "Try again.")

    monkeypatch.setattr(api, "fit", fit)
    panel.plan("acme/small").result(WAIT)  # does not wait for it
    assert not button(panel, "Download acme/small").disabled
    gate.set()
    says(panel, "Whether it fits this device is not known: The headers did not come.")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("yes", "It fits cuda:0: it takes about 16.4 GB, and 11.2 GB are free."),
        ("nf4", "It fits cuda:0 only quantized: it takes about 16.4 GB, and 11.2 GB are free. Try nf4."),
        ("no", "It does not fit cuda:0: it takes about 16.4 GB, and 11.2 GB are free. Try nf4."),
    ],
)
def test_a_fit_is_said_in_words(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch, verdict: Any, words: str
):
    hub.add("acme/small")
    hub.fit = FitReport(
        weights=0,
        cache=0,
        activations=0,
        total=16_400_000_000,
        budget=11_200_000_000,
        fits=verdict,
        suggestion="Try nf4.",
        longest_context=0,
        curve=(),
        device="cuda:0",
    )
    panel.plan("acme/small").result(WAIT)
    says(panel, words)
    assert f'data-fits="{verdict}"' in text(panel)


def test_the_quantizations_of_a_gguf_repository_are_offered(hub: FakeHub, panel: DownloadPanel):
    hub.add(
        "acme/gguf",
        files=(FakeFile("acme.Q4_K_M.gguf", 4_000),),
        left_out=(("acme.Q8_0.gguf", "another quantization"), ("acme-BF16-00001-of-00002.gguf", "another")),
    )
    panel.plan("acme/gguf").result(WAIT)
    assert field(panel, "Quantization (GGUF)").options == ("BF16", "Q4_K_M", "Q8_0")


def test_a_hub_s_words_are_only_ever_text(hub: FakeHub, panel: DownloadPanel):
    evil = "<img src=x onerror=alert(1)>"
    hub.add(
        "acme/evil",
        files=(FakeFile(evil, 10, evil),),
        left_out=((evil, evil),),
        license=evil,
        needs_code=True,
        code_files=(evil,),
        gated="manual",
        endpoint="javascript:alert(1)//",
    )
    panel.plan("acme/evil").result(WAIT)
    for said in (text(panel), panel.static_html()):
        assert "<img" not in said
        assert "javascript:" not in said


# The queue


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
    assert "acme/small: done, in /models/acme/small" in panel.static_html()
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


# Gated models


def test_a_gated_model_shows_its_licence_page_and_a_field_for_the_token(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/open")
    hub.add("acme/gated", gated="manual", endpoint="https://hub.example")
    panel.plan("acme/open").result(WAIT)
    assert not shown(panel._pane._gate)
    panel.plan("acme/gated").result(WAIT)
    assert shown(panel._pane._gate)
    assert '<a href="https://hub.example/acme/gated" target="_blank" rel="noopener noreferrer">' in text(
        panel._pane._gate
    )
    assert "Its owner looks at each request" in text(panel._pane._gate)


def test_a_token_goes_to_its_download_and_nowhere_else(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto", held=True)
    hub.add("acme/gated-too", gated="auto")
    panel.plan("acme/gated").result(WAIT)
    secret = field(panel, "Access token")
    sent = type_secret(secret, f" {TOKEN} ")
    assert secret.value == ""
    assert TOKEN not in json.dumps(sent)  # not echoed
    assert sent[-1]["state"] == {"value": ""}  # and taken out of the page
    assert "A token was taken" in text(panel._pane._gate)
    future = panel.download()
    assert hub.halfway["acme/gated"].wait(WAIT)
    assert hub.fetched == [("acme/gated", TOKEN)]
    says(panel, "2.00 MB of 4.00 MB")
    state = json.dumps(ipywidgets.Widget.get_manager_state(widgets=controls(panel)))
    for place in (
        state,
        panel.static_html(),
        repr(panel),
        repr(future),
        repr(panel.jobs.jobs),
        str(hub.asked),
    ):
        assert TOKEN not in place
    hub.gates["acme/gated"].set()
    future.result(WAIT)
    panel.download("acme/gated-too").result(WAIT)
    assert hub.fetched[-1] == ("acme/gated-too", None)


def test_a_token_that_was_entered_is_forgotten_with_another_model(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto")
    hub.add("acme/other", gated="auto")
    panel.plan("acme/gated").result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    panel.plan("acme/other").result(WAIT)
    assert "A token was taken" not in text(panel._pane._gate)
    panel.download().result(WAIT)
    assert hub.fetched == [("acme/other", None)]


def test_a_token_that_was_entered_for_one_hub_is_not_shown_to_another(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto", endpoint="https://hub.example")
    panel.plan("acme/gated", mirror="https://hub.example").result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    panel.plan("acme/gated", mirror="https://hub.example").result(WAIT)
    assert hub.asked[-1]["token"] == TOKEN
    panel.plan("acme/gated", mirror="https://other.example").result(WAIT)
    assert hub.asked[-1]["token"] is None


def test_a_plan_refused_for_want_of_a_token_is_made_as_soon_as_there_is_one(
    hub: FakeHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    hub.add("acme/hidden", gated="manual", endpoint="https://hub.example")

    def plan(repo_id: str, token: str | None = None, **more: Any) -> Any:
        if token != TOKEN:
            raise GatedModel("acme/hidden is gated.", "Accept its licence and give a token.")
        return hub.plan(repo_id, **more)

    monkeypatch.setattr(api, "plan", plan)
    field(panel, "Mirror").value = "https://hub.example"
    field(panel, "Repository").value = "acme/hidden"
    with pytest.raises(GatedModel):
        panel.plan().result(WAIT)
    assert shown(panel._pane._gate)
    assert '<a href="https://hub.example/acme/hidden"' in text(panel._pane._gate)
    type_secret(field(panel, "Access token"), TOKEN)
    says(panel, "<h4>acme/hidden</h4>")
    panel.download().result(WAIT)
    assert hub.fetched == [("acme/hidden", TOKEN)]


def test_a_download_refused_for_want_of_a_token_is_tried_again_with_one(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/gated", gated="auto")
    hub.faults["acme/gated"] = GatedModel("acme/gated wants a token.", "Give one.")
    panel.plan("acme/gated").result(WAIT)
    with pytest.raises(GatedModel):
        panel.download().result(WAIT)
    type_secret(field(panel, "Access token"), TOKEN)
    click(panel, "Retry acme/gated")
    says(panel, "<code>/models/acme/gated</code>")
    assert hub.fetched == [("acme/gated", None), ("acme/gated", TOKEN)]


# Parts


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
