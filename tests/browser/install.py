"""A browser for the browser tests: one that is there, Playwright's own, or the system's package.

`python -m tests.browser.install` sets one up where it can and says in one line which; `find()` only looks.
It ends with an error where none can be had and BROWSER_TESTS=required.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find() -> Path | None:
    """A Chromium that starts, or None: $CHROMIUM, else on PATH, else Playwright's own."""
    return next(filter(_runs, _candidates()), None)


def install() -> Path | None:
    """A Chromium that starts, fetched first where it must be and can be."""
    for step in (lambda: None, _from_playwright, _from_debian):
        step()
        if found := find():
            return found
    return None


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("CHROMIUM"):
        yield Path(chosen)
        return
    yield from (Path(path) for name in NAMES if (path := shutil.which(name)))
    yield MAC
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield Path(playwright.chromium.executable_path)


def _runs(browser: Path) -> bool:
    """Whether it starts at all: a downloaded one may lack the system's libraries."""
    return browser.is_file() and _quietly(str(browser), "--version")


def _from_playwright() -> None:
    _quietly(sys.executable, "-m", "playwright", "install", "chromium")


def _from_debian() -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    get = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
    if not _quietly(*get):
        _quietly("apt-get", "update") and _quietly(*get)


def _quietly(*command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    """Say which browser the tests will use; 1 where they are required and there is none."""
    if found := install():
        print(f"Browser tests use {found}")
        return 0
    print("No browser could be had (CHROMIUM=/path/to/chromium names one): browser tests do not run.")
    return int(os.environ.get("BROWSER_TESTS") == "required")


if __name__ == "__main__":
    sys.exit(main())
