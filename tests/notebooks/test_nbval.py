"""The cells marked for nbval print, in a fresh run, exactly what the saved notebook says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks.refresh import NOTEBOOKS, find
from tests.surroundings import surroundings


@pytest.mark.starter
@pytest.mark.parametrize("path", find(), ids=lambda path: path.stem)
def test_marked_cells_print_what_is_saved(path: Path) -> None:
    # A pytest of its own: nbval collects notebooks, and here it must not collect anything else.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout=600",
    ]
    with surroundings():
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            [*command, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(path)],
            cwd=NOTEBOOKS.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
