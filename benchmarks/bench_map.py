"""From a layout to a map that answers: an EmbeddingExplorer of 100,000 and of 1,000,000 points in a real Chromium.

The layout is given, as random points: UMAP's time is not ours. The clock starts before `EmbeddingExplorer(map)` in the
kernel and stops when a hover on the page has reached the kernel; a second figure is when its words are on the page, for
which the pointer has to rest for a while. Memory is the kernel's resident size, less what it was before the texts,
vectors and the map were made. Kernel and page read the same machine's clock.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import fail, line
from tests.browser.install import find
from tests.browser.lab import CHROMIUM_FLAGS, LabServer

SETUP = """
import time
import numpy as np, pandas as pd, psutil
import influence_nb as inb
from influence_nb.embeddings import project
from influence_nb.embeddings.map import EmbeddingMap
from influence_nb.widgets import EmbeddingExplorer

def resident():
    return psutil.Process().memory_info().rss

def given(vectors, seed=0):
    points = np.random.default_rng(seed).normal(size=(len(vectors), 2)).astype(np.float32)
    points[0] = 0, 0
    return project.Pca(points, (0.5, 0.5), np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1], 2)))

project.PROJECTIONS["pca"] = given
warm = EmbeddingExplorer(EmbeddingMap([f"text {i}" for i in range(50)], vectors=np.ones((50, 4)), projection="pca"))
"""
MAKE = """
before = resident()
n = {count}
rng = np.random.default_rng(0)
frame = pd.DataFrame({{"text": [f"text number {{i}}" for i in range(n)]}})
frame["group"] = np.array(["sea", "kitchen", "field", "town"])[np.arange(n) % 4]
frame["n"] = rng.normal(size=n)
map = EmbeddingMap(frame, vectors=rng.normal(size=(n, 8)).astype(np.float32), projection="pca")
"""
OPEN = """
began = time.time()
explorer = EmbeddingExplorer(map)
made = time.time()
answered = []
explorer.scatter.observe(lambda change: answered.append(time.time()), "hovering")
explorer
"""


def measure(server: LabServer, count: int) -> dict[str, float]:
    page: Any = server.open([SETUP, MAKE.format(count=count), OPEN])
    page.run_cell(0)
    page.run_cell(1)
    page.run_cell(2, wait=False)
    canvas = page.page.locator(".inb-explorer canvas").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tip = page.page.locator(".inb-explorer").get_by_text("text number")
    step = 0
    while not tip.first.is_visible():  # the pointer goes about the middle until a point answers
        page.page.mouse.move(x + step % 7, y + step % 5)
        step += 1
        page.page.wait_for_timeout(1000)  # the page waits for the pointer to rest before it asks
        if step > 300:
            fail(f"{count:,} points: no point answers")
    seen = page.page.evaluate("() => Date.now() / 1000")
    times = page.kernel_eval("[began, made, answered[0], resident() - before]")
    server.close_pages()
    return {
        "made": times[1] - times[0],
        "hovered": times[2] - times[0],
        "seen": seen - times[0],
        "bytes": times[3],
    }


def main() -> None:
    from playwright.sync_api import sync_playwright

    browser = find()
    if browser is None:
        fail("no browser: python -m tests.browser.install gets one")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=str(browser), args=CHROMIUM_FLAGS)
        server = LabServer(Path(folder), chromium)
        try:
            for count, most in ((100_000, 5), (1_000_000, 10)):
                found = measure(server, count)
                print(f"{count:,} points: the explorer was made in {found['made']:.2f} s")
                line(
                    f"{count:,} points, until a hover has reached the kernel, s",
                    found["hovered"],
                    f"at most {most}",
                )
                line("until its words are on the page, s", found["seen"], "to compare")
                line("the kernel's memory for them, GB", found["bytes"] / 1e9, "at most 1.5")
        finally:
            server.close_pages()
            server.stop()
            chromium.close()


if __name__ == "__main__":
    main()
