"""LoadPanel and Workbench without a browser: stages, refusals, several models, one shared selection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fake_model import FakeModel

from influence_nb import api
from influence_nb.engine import registry
from influence_nb.errors import InfluenceError, InvalidData, ModelNotFound, OutOfMemory
from influence_nb.widgets import load
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.gauge import Memory
from influence_nb.widgets.load import LoadPanel
from influence_nb.widgets.state import State
from influence_nb.widgets.workbench import Workbench

WAIT = 60


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for `api.load`: says its stages, waits for the gate, makes a fake."""
    control: dict[str, Any] = {"gate": threading.Event(), "fault": None, "asked": []}
    control["gate"].set()

    def load(
        model: str,
        device: str,
        dtype: str,
        on_progress: Callable[[str, float | None], None],
        quantization: str | None = None,
    ) -> FakeModel:
        control["asked"].append((model, device, dtype, *([quantization] if quantization else [])))
        on_progress("weights", 0.4)
        assert control["gate"].wait(WAIT)
        if control["fault"]:
            raise control["fault"]
        on_progress("ready", 1.0)
        return FakeModel(model)

    monkeypatch.setattr(api, "load", load)
    return control


def controls(panel: Any) -> list[Any]:
    """Every widget in a panel, in order."""
    found = [panel]
    for child in getattr(panel, "children", ()):
        found += controls(child)
    return found


def button(panel: LoadPanel, name: str) -> Any:
    return next(one for one in controls(panel) if getattr(one, "tooltip", None) == name)


def text(panel: LoadPanel) -> str:
    return " ".join(str(one.value) for one in controls(panel) if type(one).__name__ == "HTML")


def test_load_shows_its_stage_locks_the_form_and_lists_the_model(loader: dict[str, Any]):
    panel = LoadPanel()
    loader["gate"].clear()
    task = panel.load("one", dtype="float32")
    while "weights" not in text(panel).split('data-status="now"')[-1]:
        assert not task.done()
    assert button(panel, "Load the chosen model").disabled
    with pytest.raises(InfluenceError, match="still loading"):
        panel.load("two")
    loader["gate"].set()
    task.result(WAIT)
    assert loader["asked"] == [("one", "auto", "float32")]
    assert not button(panel, "Load the chosen model").disabled
    assert "one is loaded." in text(panel)
    assert "before:" in text(panel)
    assert button(panel, "Unload one")


@pytest.mark.parametrize("ways", [(), ("int8", "nf4")])
def test_quantization_is_offered_where_it_is_possible(
    loader: dict[str, Any], monkeypatch: pytest.MonkeyPatch, ways: tuple[str, ...]
):
    monkeypatch.setattr(load.packed, "possible", lambda device: ways)
    panel = LoadPanel()
    panel.refresh().result(WAIT)
    [choice] = [one for one in controls(panel) if getattr(one, "description", "") == "Quantization"]
    assert [value for _, value in choice.options] == ["", *ways]
    if ways:
        choice.value = "nf4"
        panel.load("one").result(WAIT)
        panel.load("two", quantization="").result(WAIT)
        panel.load("three", quantization="int8").result(WAIT)
        assert [asked[3:] for asked in loader["asked"]] == [("nf4",), (), ("int8",)]


def test_several_models_are_loaded_and_unloaded_one_by_one(loader: dict[str, Any]):
    panel = LoadPanel()
    panel.load("one").result(WAIT)
    panel.load("two").result(WAIT)
    assert [model.name for model in api.loaded()] == ["one", "two"]
    panel.unload("one").result(WAIT)
    assert [model.name for model in api.loaded()] == ["two"]
    assert "two" in panel.static_html()
    gone = threading.Event()
    panel.state.observe(lambda change: change["new"] or gone.set(), "loaded")
    button(panel, "Unload two").click()
    assert gone.wait(WAIT)
    assert api.loaded() == []
    assert "No model is loaded." in panel.static_html()
    with pytest.raises(ModelNotFound):
        panel.unload("two")


def test_what_cannot_be_done_now_is_said_and_what_is_being_done_goes_on(loader: dict[str, Any]):
    panel = LoadPanel()
    model = panel.load("one").result(WAIT)
    begun, gate = threading.Event(), threading.Event()

    def unload() -> None:
        begun.set()
        assert gate.wait(WAIT)
        FakeModel.unload(model)

    model.unload = unload
    going = panel.unload("one")
    assert begun.wait(WAIT)
    assert "Unloading one" in text(panel)
    FakeModel("another")  # loaded from elsewhere: its row joins a form that is locked
    assert button(panel, "Unload another").disabled
    for name in ("Unload another", "Load the chosen model"):
        button(panel, name).click()  # as a click that was under way when the form was locked
        assert "still loading or unloading" in text(panel)
        assert "Wait until it is done." in text(panel)
    gate.set()
    going.result(WAIT)
    assert "one is unloaded." in text(panel)
    assert [one.name for one in api.loaded()] == ["another"]
    assert not button(panel, "Unload another").disabled


def test_a_click_on_a_model_that_has_gone_says_so(loader: dict[str, Any]):
    panel = LoadPanel()
    model = panel.load("one").result(WAIT)
    late = button(panel, "Unload one")
    model.unload()
    late.click()
    assert "&#x27;one&#x27; is not loaded." in text(panel)
    panel.load("two").result(WAIT)
    assert "two is loaded." in text(panel)


def test_the_gauge_follows_what_others_load_and_unload(monkeypatch: pytest.MonkeyPatch):
    used = [1 << 30]
    monkeypatch.setattr(load, "measure", lambda devices: [Memory("Memory", used[0], 4 << 30)])
    panel = LoadPanel()
    panel.refresh().result(WAIT)
    assert "1.1 GB of" in text(panel)
    used[0] = 2 << 30
    model = FakeModel("elsewhere")
    assert "2.1 GB of" in text(panel)
    registry.remove(model)  # off the list first,
    used[0] = 3 << 29
    registry.tell()  # and told again when its memory is back
    assert "1.6 GB of" in text(panel)


def test_a_failed_load_is_readable_and_the_next_one_works(loader: dict[str, Any]):
    panel = LoadPanel()
    loader["fault"] = OutOfMemory("The device has no room for <b>one</b>.", "Unload another model first.")
    with pytest.raises(OutOfMemory):
        panel.load("one").result(WAIT)
    assert "no room for &lt;b&gt;one&lt;/b&gt;." in text(panel)
    assert "Unload another model first." in text(panel)
    loader["fault"] = None
    panel.load("one").result(WAIT)
    assert "no room" not in text(panel)


def test_the_form_offers_the_library_and_the_devices():
    panel = LoadPanel()
    panel.refresh().result(WAIT)
    options = {one.description: one.options for one in controls(panel) if type(one).__name__ == "Dropdown"}
    assert "starter/chat" in [value for _, value in options["Model"]]
    assert "starter/embedding" not in [value for _, value in options["Model"]]
    assert {"auto", "cpu"} <= {value for _, value in options["Device"]}
    assert "bfloat16" in options["Data type"]


def test_a_refresh_that_fails_says_so_and_the_next_one_takes_it_back(monkeypatch: pytest.MonkeyPatch):
    panel = LoadPanel()
    panel.refresh().result(WAIT)

    def refused() -> list[Any]:
        raise InvalidData("The library cannot be read.", "Check the folder.")

    with monkeypatch.context() as patch:
        patch.setattr(api, "library", refused)
        with pytest.raises(InvalidData):
            panel.refresh().result(WAIT)
    assert "The library cannot be read." in text(panel)
    assert "Check the folder." in text(panel)
    panel.refresh().result(WAIT)
    assert "The library cannot be read." not in text(panel)


def test_what_comes_to_the_disk_is_offered(monkeypatch: pytest.MonkeyPatch):
    panel = LoadPanel()
    panel.refresh().result(WAIT)
    asked = threading.Event()
    monkeypatch.setattr(api, "library", lambda: asked.set() or [])
    panel.state.library_changed()
    assert asked.wait(WAIT)


def test_the_same_model_twice_is_told_apart():
    one, two = FakeModel("same"), FakeModel("same")
    two.dtype = "bfloat16"
    state = State()
    assert state.loaded == ["same (cpu, float32)", "same (cpu, bfloat16)"]
    assert state.named("same (cpu, float32)") is one
    assert state.selected is two


@pytest.mark.parametrize("panel", [ChatPanel, LoadPanel, Workbench])
def test_unknown_keywords_raise(panel: type):
    with pytest.raises(TypeError, match="does not know the keyword colour"):
        panel(colour="red")
