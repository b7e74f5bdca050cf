"""Fixtures for the panels: models are fakes, and none stays loaded after a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_hub
import pytest
from clock import Clock
from fake_hub import FakeHub

import influence_nb as inb
from influence_nb import api
from influence_nb.engine import registry
from influence_nb.hub import search as searching
from influence_nb.hub.hits import ModelHit
from influence_nb.hub.jobs import Jobs
from influence_nb.settings import settings
from influence_nb.widgets import DownloadPanel, SearchPanel
from influence_nb.widgets.newest import Pause
from tests import tiny
from tests.loopback import LoopbackHub


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    """No model stays, and no panel that a test left open goes on listening to the loaded models."""
    listening = list(registry._listeners)
    yield
    registry._listeners[:] = listening
    for model in registry.loaded():
        model.unload()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model, for panels that ask a real one."""
    return tiny.build(tmp_path_factory.mktemp("tiny") / "llama", "llama")


@pytest.fixture
def model(folder: Path) -> inb.Model:
    """It, loaded."""
    return inb.load(folder, device="cpu", dtype="float32")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Planning and fetching on a fake; what waits at the end of a test is let go."""
    made = fake_hub.install(monkeypatch)
    yield made
    for gate in made.gates.values():
        gate.set()


@pytest.fixture
def panel(hub: FakeHub) -> Iterator[DownloadPanel]:
    """A DownloadPanel on that fake, with a queue of its own."""
    made = DownloadPanel(jobs=Jobs())
    yield made
    made.close()


@pytest.fixture
def search_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """Twelve models by acme and one by other, on a loopback Hub; a search gives up soon."""
    with LoopbackHub() as made:
        for number in range(12):
            made.add(f"acme/chat-{number}", {"config.json": b"{}"}, downloads=100 - number,
                     parameters={"BF16": (number + 1) * 10**9}, used_storage=2 * 10**9)  # fmt: skip
        made.add("other/embedder", {"config.json": b"{}"}, downloads=5, task="feature-extraction")
        soon = replace(searching.PATIENCE, first_wait=0.01, answer_seconds=0.4)
        monkeypatch.setattr(searching, "PATIENCE", soon)
        monkeypatch.setenv("INFLUENCE_MIRROR", made.endpoint)
        settings.cache_clear()
        yield made
    settings.cache_clear()


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to three billion parameters fit, up to six as nf4."""

    def of(device: str = "auto") -> Callable[[ModelHit], Any]:
        return lambda hit: None if not hit.parameters else "yes" if hit.parameters <= 3e9 else "nf4"

    monkeypatch.setattr(api, "judge", of)


@pytest.fixture
def panels(judge: None) -> Iterator[Callable[..., SearchPanel]]:
    """Makes search panels, and closes them."""
    made: list[SearchPanel] = []

    def make(**keywords: Any) -> SearchPanel:
        made.append(SearchPanel(**keywords))
        return made[-1]

    yield make
    for panel in made:
        panel.close()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that search panels made after it go by."""
    clock = Clock()
    monkeypatch.setattr("influence_nb.widgets.search.Pause", lambda seconds, act: Pause(seconds, act, clock))
    return clock
