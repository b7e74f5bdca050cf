"""Opening one panel in a notebook whose kernel asks a loopback Hub and keeps its models in a folder of the test.

It does not know what a panel shows.
"""

from __future__ import annotations

from pathlib import Path

from lab import LabPage, LabServer

from tests.loopback import LoopbackHub


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
    page.page.set_viewport_size({"width": width + 116, "height": 1000})
    for _ in range(3):  # what stands beside it differs between versions of JupyterLab
        box = panel.bounding_box()
        assert box
        if abs(box["width"] - width) < 1:
            return
        now = page.page.viewport_size
        page.page.set_viewport_size({"width": round(now["width"] + width - box["width"]), "height": 1000})
    raise AssertionError(f"the panel is {box['width']} px wide, not {width}")
