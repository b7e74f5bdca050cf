from __future__ import annotations

from collections.abc import Iterator

import pytest

import influence_nb as inb
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[inb.Model]:
    """A random tiny model, in float32."""
    loaded = inb.load(
        tiny.build(tmp_path_factory.mktemp("tiny") / "llama", "llama"), device="cpu", dtype="float32"
    )
    yield loaded
    loaded.unload()
