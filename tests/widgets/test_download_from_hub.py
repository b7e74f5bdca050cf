"""DownloadPanel against the loopback Hub: real plans, real bytes, real refusals; and what papermill keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from download_page import click, says, type_secret, until
from in_papermill import executed, read
from on_page import button, field, text

from influence_nb import api
from influence_nb.errors import DownloadInterrupted, GatedModel, HubUnreachable, ModelNotFound
from influence_nb.hub import patience
from influence_nb.hub.jobs import Jobs
from influence_nb.hub.patience import Patience
from influence_nb.settings import settings
from influence_nb.widgets import DownloadPanel
from tests.loopback import LoopbackHub
from tests.loopback.models import gguf, made_up

WAIT = 60
TOKEN = "hf_never_to_be_seen"
REAL_FIT = api.fit
QUICK = Patience(first_wait=0.001, longest_wait=0.002, longest_asked=0.003)


def no_fit(*_: Any, **__: Any) -> Any:
    raise ModelNotFound("It is not asked here.")


@pytest.fixture
def hub(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_home / "no-token"))
    monkeypatch.setattr(patience, "PATIENCE", QUICK)
    monkeypatch.setattr(api, "fit", no_fit)  # it starts torch in a thread, which must not outlive the tests
    with LoopbackHub() as made:
        monkeypatch.setenv("INFLUENCE_MIRROR", made.endpoint)
        settings.cache_clear()
        made.add("acme/small", made_up(3_000_000), license="mit")
        made.add("acme/gated", made_up(100_000), gated="manual", allowed_tokens={TOKEN})
        made.add("acme/quantized", gguf())
        yield made


@pytest.fixture
def panel(hub: LoopbackHub) -> Iterator[DownloadPanel]:
    made = DownloadPanel(jobs=Jobs())
    yield made
    for job in made.jobs.jobs:
        job.cancel()
    made.close()


def test_a_model_is_planned_fetched_checked_and_in_the_library(hub: LoopbackHub, panel: DownloadPanel):
    plan = panel.plan("acme/small").result(WAIT)
    assert "licence: mit" in text(panel)
    assert "nothing of it here yet" in text(panel)
    model = panel.download().result(WAIT)
    assert (model.name, model.revision, model.verified) == ("acme/small", plan.commit, True)
    assert [one.name for one in api.library() if one.source == "hub"] == ["acme/small"]
    says(panel, "all of it here already")


def test_whether_it_fits_is_worked_out_from_headers_before_the_weights_are_here(
    hub: LoopbackHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api, "fit", REAL_FIT)
    panel.plan("acme/small").result(WAIT)
    says(panel, 'data-fits="yes"')
    assert "nothing of it here yet" in text(panel)


def test_a_download_that_is_cancelled_midway_goes_on_later_where_it_stopped(
    hub: LoopbackHub, panel: DownloadPanel
):
    with hub.hold("*.safetensors", at_byte=2_000_000) as held:
        future = panel.download("acme/small")
        assert held.reached.wait(WAIT)
        says(panel, "2.00 MB of 3.00 MB")
        click(panel, "Cancel acme/small")
        with pytest.raises(DownloadInterrupted):
            future.result(WAIT)
        says(panel, "2.00 MB here already")  # and that although the hub holds on to the rest
        hub.forget()
        click(panel, "Retry acme/small")
        says(panel, "all of it here already")
    ranges = [request.range for request in hub.requests("*.safetensors", host="cdn", method="GET")]
    assert [first >= 2_000_000 for first, _ in ranges] == [True]


def test_a_gated_model_comes_with_a_token_that_only_the_hub_s_host_sees(
    hub: LoopbackHub, panel: DownloadPanel
):
    panel.plan("acme/gated").result(WAIT)
    with pytest.raises(GatedModel):
        panel.download().result(WAIT)
    assert f'href="{hub.endpoint}/acme/gated"' in text(panel)
    type_secret(field(panel, "Access token"), TOKEN)
    click(panel, "Retry acme/gated")
    says(panel, "all of it here already")
    assert {request.token for request in hub.requests("*/resolve/*", host="hub", method="GET")} >= {TOKEN}
    assert {request.token for request in hub.requests(host="cdn")} == {None}


def test_the_mirror_that_is_typed_is_the_one_that_is_asked(hub: LoopbackHub, panel: DownloadPanel):
    with LoopbackHub() as other:
        other.add("only/there", made_up(50_000))
        field(panel, "Mirror").value = other.endpoint
        field(panel, "Repository").value = "only/there"
        panel.plan().result(WAIT)
        assert panel.download().result(WAIT).name == "only/there"
    assert hub.log == []


def test_a_hub_that_is_gone_is_said_and_the_panel_works_once_it_is_back(
    hub: LoopbackHub, panel: DownloadPanel
):
    with LoopbackHub() as gone:
        address = gone.endpoint
    with pytest.raises(HubUnreachable):
        panel.plan("acme/small", mirror=address).result(WAIT)
    assert 'role="alert"' in text(panel)
    assert field(panel, "Repository").value == "acme/small"
    field(panel, "Mirror").value = ""
    panel.plan().result(WAIT)
    assert not button(panel, "Download acme/small").disabled


def test_a_quantization_is_chosen_from_those_that_are_offered(
    hub: LoopbackHub, panel: DownloadPanel, tmp_path: Path
):
    panel.plan("acme/quantized").result(WAIT)
    offered = field(panel, "Quantization (GGUF)")
    assert offered.options == ("Q4_K_M", "Q8_0")
    offered.value = "Q8_0"
    field(panel, "Output directory").value = str(tmp_path / "here")
    panel.plan().result(WAIT)
    model = panel.download().result(WAIT)
    assert model.path == tmp_path / "here"
    assert [path.name for path in model.path.glob("*.gguf")] == ["model.Q8_0.gguf"]
    until(panel, lambda: "acme/quantized · Q8_0" in text(panel))


def test_without_room_on_the_disk_nothing_is_started(
    hub: LoopbackHub, panel: DownloadPanel, monkeypatch: pytest.MonkeyPatch
):
    import shutil

    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    panel.plan("acme/small").result(WAIT)
    assert "Not enough room on the disk" in text(panel)
    assert button(panel, "There is not enough room on the disk").disabled
    assert panel.jobs.jobs == []


def test_papermill_waits_for_the_model_and_keeps_the_rendering_without_the_token(
    hub: LoopbackHub, tmp_path: Path, tmp_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {**hub.environment, "HF_HUB_CACHE": str(tmp_path / "cache"), "A_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    cells = [
        "from influence_nb.widgets import DownloadPanel\npanel = DownloadPanel()\npanel",
        "import os\npanel.plan('acme/gated').result(60)\n"
        "panel._pane._gate._field.set_state({'value': os.environ['A_TOKEN']})\n"
        "panel.download().result(60).name",
        "panel.download('acme/small', token=os.environ['A_TOKEN']).result(60).name",
    ]
    out = executed(tmp_path, *cells)
    done = read(out)
    assert [cell.outputs[-1]["data"]["text/plain"] for cell in done.cells[1:]] == [
        "'acme/gated'",
        "'acme/small'",
    ]
    static = done.cells[0].outputs[-1]["data"]["text/html"]
    assert "acme/gated: done" in static
    assert "acme/small: done" in static
    assert done.metadata.widgets  # papermill keeps the widgets' state
    assert TOKEN not in out.read_text()
