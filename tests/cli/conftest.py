"""Commands in this process, settings of their own, a tiny model, a loopback Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from influence_nb.settings import Settings, settings
from tests import tiny
from tests.chat_server import ChatServer
from tests.commands import Influence
from tests.engine.conftest import nothing_else_loaded
from tests.loopback import LoopbackHub

__all__ = ["nothing_else_loaded"]


@pytest.fixture
def influence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Influence]:
    """Runs a command in a folder of its own, without the settings of whoever runs the tests, but for their home."""
    from influence_nb.cli import app

    home = settings().home
    for name in Settings.model_fields:
        if name not in ("home", "mirror"):
            monkeypatch.delenv(f"INFLUENCE_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFLUENCE_HOME", str(home))

    def run(*args: str, input: str | bytes | None = None, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        return CliRunner().invoke(app, args, input=input)

    settings.cache_clear()
    yield run
    settings.cache_clear()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random tiny model with a chat template, and a context that no test fills."""
    place = tmp_path_factory.mktemp("tiny") / "llama"
    return str(tiny.build(place, max_position_embeddings=100_000))


@pytest.fixture
def hub(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """It serves, INFLUENCE_MIRROR names it, nobody is logged in."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_home / "no-token"))
    with LoopbackHub() as hub:
        monkeypatch.setenv("INFLUENCE_MIRROR", hub.endpoint)
        settings.cache_clear()
        yield hub


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server of OpenAI's protocol that says "Hello there." unless told otherwise."""
    with ChatServer() as server:
        yield server
