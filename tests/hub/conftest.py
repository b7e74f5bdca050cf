"""A loopback Hub with this process's own Hub settings out of the way, and a patience that waits for nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from on_disk import NAME

from influence_nb.hub import patience
from influence_nb.hub.patience import Patience
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

QUICK = Patience(
    first_wait=0.001,
    longest_wait=0.002,
    longest_asked=0.003,
    read_seconds=20,
    answer_seconds=20,
    slow_seconds=20,
)


@pytest.fixture
def hub(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """It serves, INFLUENCE_MIRROR names it, nobody is logged in, and waits between attempts are of milliseconds."""
    from huggingface_hub import constants

    from influence_nb.settings import settings

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_home / "no-token"))
    monkeypatch.setattr(patience, "PATIENCE", QUICK)
    with LoopbackHub() as hub:
        monkeypatch.setenv("INFLUENCE_MIRROR", hub.endpoint)
        settings.cache_clear()
        while settings().mirror != hub.endpoint:  # a thread of an earlier test may just have kept older ones
            settings.cache_clear()
        yield hub


@pytest.fixture(scope="session")
def noise() -> bytes:
    """Five million bytes that do not repeat."""
    return random.Random(7).randbytes(5_000_000)


@pytest.fixture
def files(noise: bytes) -> dict[str, bytes]:
    """A model with five million bytes of weights."""
    return {**made_up(), "model.safetensors": noise}


@pytest.fixture
def commit(hub: LoopbackHub, files: dict[str, bytes]) -> str:
    return hub.add(NAME, files)


@pytest.fixture
def model(hub: LoopbackHub) -> str:
    """The commit of a small model on that hub."""
    return hub.add(NAME, made_up())
