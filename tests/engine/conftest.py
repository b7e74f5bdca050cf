from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import influence_nb as inb
from tests import tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """tiny_folder(kind) -> the folder of a random tiny model of that architecture, built once."""
    built: dict[str, Path] = {}

    def folder(kind: str = "llama") -> Path:
        if kind not in built:
            built[kind] = tiny.build(tmp_path_factory.mktemp("tiny") / kind, kind)
        return built[kind]

    return folder


@pytest.fixture(scope="module", autouse=True)
def nothing_else_loaded() -> Iterator[None]:
    """Each module begins and ends without loaded models."""
    for model in inb.loaded():
        model.unload()
    yield
    for model in inb.loaded():
        model.unload()


@pytest.fixture(scope="module")
def load(tiny_folder: Callable[..., Path]) -> Callable[..., inb.Model]:
    """load(kind) -> the loaded tiny model."""

    def loaded(kind: str = "llama") -> inb.Model:
        return inb.load(tiny_folder(kind), device="cpu", dtype="float32")

    return loaded


@pytest.fixture
def model(load: Callable[..., inb.Model]) -> inb.Model:
    return load("llama")
