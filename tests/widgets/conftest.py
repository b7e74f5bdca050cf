"""Fixtures for the panels: models are fakes, and none stays loaded after a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from influence_nb.engine import registry


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    yield
    for model in registry.loaded():
        model.unload()
