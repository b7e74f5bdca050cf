"""Fixtures for every test, and which tests run where.

INFLUENCE_HOME stays the user's own unless a test asks for `tmp_home`: the starter models are fetched once. No vectors
are kept there: a test that is about the cache has a home of its own and says how much it may hold.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

from influence_nb.settings import settings

os.environ["INFLUENCE_VECTOR_CACHE"] = "0"
# Threads of torch that wait for each other must not spin: beside another test that computes, that is ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

hypothesis.settings.register_profile("influence_nb", deadline=None)  # a busy machine is no bug
hypothesis.settings.load_profile("influence_nb")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    no_hub = pytest.mark.skip(reason="needs the real Hub: make test-hub")
    no_gpu = pytest.mark.skip(reason="needs a real GPU: make test-gpu")
    for item in items:
        if item.get_closest_marker("hub") and not os.environ.get("TEST_HUB"):
            item.add_marker(no_hub)
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(no_gpu)
        for extra in item.iter_markers("extras"):
            if not os.environ.get("TEST_EXTRAS") and find_spec(*extra.args) is None:
                item.add_marker(pytest.mark.skip(reason=f"needs {extra.args[0]}: make test-extras"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """Ctrl-C as Python has it at a terminal: a shell starts what runs in the background with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tmp_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An INFLUENCE_HOME and a Hub cache of the test's own, both empty."""
    from huggingface_hub import constants

    home = tmp_path / "influence-home"
    monkeypatch.setenv("INFLUENCE_HOME", str(home))
    monkeypatch.delenv("INFLUENCE_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    settings.cache_clear()
    yield home
    settings.cache_clear()
