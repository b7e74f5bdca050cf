"""Fixtures for tests in a real browser: `lab`, one JupyterLab for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import CHROMIUM_FLAGS, LabPage, LabServer

NO_BROWSER = "no browser: python tests/browser/install.py gets one (BROWSER_TESTS=required insists)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from install import find
    from playwright.sync_api import sync_playwright

    executable = find()
    if executable is None:
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(executable), args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    server = LabServer(tmp_path_factory.mktemp("lab"), browser)
    yield server
    server.close_pages()
    server.stop()


@pytest.fixture(scope="module")
def notebook(request: pytest.FixtureRequest, lab_server: LabServer) -> Iterator[LabPage]:
    """One notebook for a module, of its `CELLS`. The last, which makes the panel, is left for the tests to run."""
    made = lab_server.open(request.module.CELLS)
    for index in range(len(request.module.CELLS) - 1):
        made.run_cell(index)
    yield made
    lab_server.close_pages()


@pytest.fixture
def lab(lab_server: LabServer) -> Iterator[LabServer]:
    """`lab.open(notebook)` gives a `LabPage`; pages and kernels end with the test."""
    yield lab_server
    lab_server.close_pages()
