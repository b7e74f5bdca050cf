"""Opening one panel in a notebook whose kernel asks a loopback Hub and keeps its models in a folder of the test.

It does not know what a panel shows.
"""

from __future__ import annotations

from pathlib import Path

from lab import LabPage, LabServer
from playwright.sync_api import Locator

from tests.loopback import LoopbackHub

SETTLED = """element => new Promise(resolve => {
  let before = '', same = 0;
  const look = () => {
    const {x, y, width, height} = element.getBoundingClientRect();
    const now = JSON.stringify([x, y, width, height, window.innerWidth]);
    same = now === before ? same + 1 : 0;
    before = now;
    if (same === 10) resolve({x, y, width, height});
    else requestAnimationFrame(look);
  };
  look();
})"""


def open_panel(lab: LabServer, panel: str, hub: LoopbackHub, place: Path, theme: str = "light") -> LabPage:
    """A notebook whose first cell shows `panel`, the code that makes it."""
    environment = {
        **hub.environment,
        "INFLUENCE_MIRROR": hub.endpoint,
        "INFLUENCE_HOME": str(place / "home"),
        "HF_HUB_CACHE": str(place / "cache"),
    }
    cell = (
        f"import os\nos.environ.update({environment!r})\nimport influence_nb as inb\npanel = {panel}\npanel"
    )
    page = lab.open([cell], theme=theme)
    page.run_cell(0)
    return page


def narrow(page: LabPage, width: int) -> None:
    """Make the panel that wide, by the window's width."""
    page.page.evaluate("() => jupyterapp.shell.collapseLeft()")
    panel = page.page.locator(".live").first
    beside = 116
    for _ in range(5):  # what stands beside it differs between versions of JupyterLab
        page.page.set_viewport_size({"width": width + beside, "height": 1000})
        box = settled(panel)
        if abs(box["width"] - width) < 1:
            return
        beside += round(width - box["width"])
    raise AssertionError(f"the panel is {box['width']} px wide, not {width}")


def settled(element: Locator) -> dict[str, float]:
    """Where an element is, once it has been there for ten frames: a page is laid out after its window has its size."""
    return element.evaluate(SETTLED)
