from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.settings import settings
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[inb.Model]:
    """A random tiny model, in float32."""
    loaded = inb.load(
        tiny.build(tmp_path_factory.mktemp("tiny") / "llama", "llama"), device="cpu", dtype="float32"
    )
    yield loaded
    loaded.unload()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for the runs of a test."""
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()
