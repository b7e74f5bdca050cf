"""DownloadPanel's plans: what is said of a download before it begins, and what is refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from download_page import click, press_enter, says, until
from fake_hub import FakeFile, FakeHub
from on_page import button, field, text

from influence_nb import api
from influence_nb.errors import HubUnreachable, InvalidData, ModelNotFound
from influence_nb.hub.jobs import Jobs
from influence_nb.memory import FitReport
from influence_nb.widgets import DownloadPanel
from influence_nb.widgets.state import State

WAIT = 60


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
        "brings code of its own (modeling_acme.py). It is fetched as files and is not run unless",
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


def test_what_a_download_is_given_goes_into_its_plan(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small")
    panel.download("acme/small", "v2", output_dir="/data", include="*.json", token="good").result(WAIT)
    asked = {"revision": "v2", "output_dir": "/data", "include": ("*.json",), "token": "good"}
    assert asked.items() <= hub.asked[0].items()
    with pytest.raises(TypeError, match="outputdir"):
        panel.download("acme/small", outputdir="/data")


def test_a_plan_that_is_shown_is_downloaded_as_it_is(hub: FakeHub, panel: DownloadPanel):
    hub.add("acme/small")
    panel.plan("acme/small").result(WAIT)
    with pytest.raises(InvalidData, match="as it is") as refused:
        panel.download(include="*.json")
    assert "owner/name" in refused.value.hint
    assert panel.jobs.jobs == []
    assert panel.download().result(WAIT).name == "acme/small"


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
        ("yes", "It fits this machine (GPU, cuda:0): it takes about 16.4 GB, and 11.2 GB are free."),
        (
            "nf4",
            "It fits this machine (GPU, cuda:0) only quantized: it takes about 16.4 GB, and 11.2 GB are free. Try nf4.",
        ),
        (
            "no",
            "It does not fit this machine (GPU, cuda:0): it takes about 16.4 GB, and 11.2 GB are free. Try nf4.",
        ),
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
