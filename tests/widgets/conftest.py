"""Fixtures for the panels: models are fakes, and none stays loaded after a test."""

from __future__ import annotations

from collections.abc import Iterator

import fake_hub
import pytest
from fake_hub import FakeHub

from influence_nb.engine import registry
from influence_nb.hub.jobs import Jobs
from influence_nb.widgets import DownloadPanel


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    yield
    for model in registry.loaded():
        model.unload()


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
