"""From the hub's answer to the frame that shows it: a SearchPanel, pandas' display of the same rows, and many widgets.

The panel is typed into, the other two are cells that are run; all in one JupyterLab in a real Chromium, in turns, with
the loopback Hub answering. Kernel and page read the same machine's clock. "Painted" is the second animation frame
after the last of the twenty rows is in the document.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import fail, line, ratio
from tests.browser.install import find
from tests.browser.lab import CHROMIUM_FLAGS, LabServer
from tests.loopback import LoopbackHub

ROWS, ROUNDS = 20, 7
PEERS = ("panel", "pandas", "widgets")

SETUP = """
import itertools, os, time
os.environ["INFLUENCE_MIRROR"] = {endpoint!r}
import ipywidgets
import influence_nb as inb
from IPython.display import display
from influence_nb.hub import search as hub_search
from influence_nb.hub.query import Query
from influence_nb.hub.results import cells

times = {{}}
ordinary = hub_search.search

def timed(*args, **keywords):
    found = ordinary(*args, **keywords)
    times["answered"] = time.time()
    return found

hub_search.search = timed
inb.search("warm")  # torch is imported now, as it is a few seconds after a panel has appeared
panel = inb.widgets.SearchPanel()
ordinary_show = panel.table.show

def show(**values):
    ordinary_show(**values)
    times["sent"] = time.time()

panel.table.show = show
rounds = {{name: itertools.count() for name in {peers!r}}}
panel
"""
RUN = {
    "pandas": """
found = timed(Query(f"pandas-{next(rounds['pandas']):02}"))
display(found.to_frame())
times["sent"] = time.time()""",
    "widgets": """
found = timed(Query(f"widgets-{next(rounds['widgets']):02}"))
rows = [[ipywidgets.Label(text) for text in cells(hit).values()] for hit in found]
buttons = [ipywidgets.Button(description="Plan download") for _ in found]
display(ipywidgets.VBox([ipywidgets.HBox([*row, button]) for row, button in zip(rows, buttons)]))
times["sent"] = time.time()""",
}
THERE = {
    "panel": "id => document.querySelector(`.inb-results tr[data-id='${id}']`)",
    "pandas": "id => [...document.querySelectorAll('table.dataframe td')].some(one => one.textContent === id)",
    "widgets": "id => [...document.querySelectorAll('.widget-label')].some(one => one.textContent === id)",
}
WATCH = """([there, id]) => {
  const found = eval(there);
  window.painted = new Promise((resolve) => {
    const look = () => {
      if (!found(id)) return;
      observer.disconnect();
      const done = () => resolve(performance.timeOrigin + performance.now());
      requestAnimationFrame(() => requestAnimationFrame(done));
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
  });
}"""


def measure(page: Any, peer: str, number: int) -> tuple[float, float]:
    """Milliseconds from the answer until all is sent, and until it is painted."""
    page.page.evaluate(WATCH, [THERE[peer], f"acme/{peer}-{number:02}-{ROWS - 1:02}"])
    if peer == "panel":
        page.page.get_by_role("textbox", name="Name", exact=True).fill(f"panel-{number:02}")
    else:
        page.run_cell(PEERS.index(peer))
    painted = page.page.evaluate("() => window.painted")
    times = page.kernel_eval("times")
    return 1000 * (times["sent"] - times["answered"]), painted - 1000 * times["answered"]


def main() -> None:
    from playwright.sync_api import sync_playwright

    browser = find()
    if browser is None:
        fail("no browser: python -m tests.browser.install gets one")
    sent: dict[str, list[float]] = {name: [] for name in PEERS}
    painted: dict[str, list[float]] = {name: [] for name in PEERS}
    with LoopbackHub() as hub, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        for name in PEERS:
            for number in range(ROUNDS + 1):
                for row in range(ROWS):
                    about = {
                        "parameters": {"BF16": 10**8},
                        "used_storage": 2 * 10**8,
                        "downloads": 1000 - row,
                    }
                    hub.add(f"acme/{name}-{number:02}-{row:02}", {"config.json": b"{}"}, **about)
        chromium = playwright.chromium.launch(executable_path=str(browser), args=CHROMIUM_FLAGS)
        server = LabServer(Path(folder), chromium)
        try:
            setup = SETUP.format(endpoint=hub.endpoint, peers=PEERS)
            page = server.open([setup, *RUN.values()])
            page.run_cell(0)
            page.page.locator(".inb-results").first.wait_for()
            for number in range(ROUNDS + 1):
                for name in PEERS:
                    in_kernel, on_page = measure(page, name, number)
                    if number:  # the first of each warms up
                        sent[name].append(in_kernel)
                        painted[name].append(on_page)
        finally:
            server.close_pages()
            server.stop()
            chromium.close()
    for name in PEERS:
        kernel, whole = statistics.median(sent[name]), statistics.median(painted[name])
        spread = f"{min(painted[name]):.0f}-{max(painted[name]):.0f}"
        print(f"{name}: sent {kernel:.1f} ms, painted {whole:.0f} ms after the answer ({spread})")
    line("search results, answer to painted, ms", statistics.median(painted["panel"]), "at most 100")
    ratio("the same, SearchPanel / pandas display", painted["panel"], painted["pandas"], "at most 1")
    ratio("the same, SearchPanel / one widget a cell", painted["panel"], painted["widgets"], "to compare")


if __name__ == "__main__":
    main()
