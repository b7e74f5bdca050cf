"""From a slider that moves on the X-ray to the frame with the new bars, on a vocabulary of 150,000 tokens.

In a JupyterLab in a real Chromium, beside the same move of an ipywidgets slider that a matplotlib figure of the same
bars follows. "Painted" is the second animation frame after the bars have changed. The model is a tiny random one.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import fail, line, ratio
from tests import tiny
from tests.browser.install import find
from tests.browser.lab import CHROMIUM_FLAGS, LabServer

VOCABULARY, MOVES = 150_000, 15

SETUP = """
import influence_nb as inb
model = inb.load({folder!r}, device="cpu", dtype="float32")
model.network.lm_head.weight.data.mul_(25)  # else its distribution is flat, as no trained model's is
panel = inb.widgets.SamplingLab(sampling=inb.Sampling(seed=1, top_k=None)).xray
panel.look([5, 6, 7, 8], 16).result()
panel
"""
PEER = """
import ipywidgets, matplotlib.pyplot as plt
from IPython.display import display, clear_output
step = panel.xray[0]
slider = ipywidgets.FloatSlider(0.7, min=0.1, max=2, step=0.01, description="peer")
out = ipywidgets.Output()

def draw(change):
    frame = step.trace and panel.xray.under(temperature=change["new"])[0].to_frame(20)
    figure, axes = plt.subplots(figsize=(6, 5))
    axes.barh(frame["token"].astype(str) + frame["id"].astype(str), frame["sampled"])
    with out:
        clear_output(wait=True)
        display(figure)
    plt.close(figure)

slider.observe(draw, "value")
draw({"new": 0.7})
display(slider, out)
"""
WATCH = """([selector, kind]) => {
  const root = document.querySelector(selector);
  window.painted = new Promise((resolve) => {
    const look = (changes) => {
      const bars = changes.some(({ target, addedNodes }) => kind === 'style'
        ? target.classList?.contains('inb-bar-sampled')
        : [...addedNodes].some((one) => one.querySelector?.('img') || one.tagName === 'IMG'));
      if (!bars) return;
      observer.disconnect();
      const done = () => resolve(performance.now() - window.began);
      requestAnimationFrame(() => requestAnimationFrame(done));
    };
    const observer = new MutationObserver(look);
    observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ['style'] });
  });
}"""
MOVE = """(slider, value) => {
  window.began = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
}"""
MOVE_PEER = """async (value) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  window.began = performance.now();
  await kernel.requestExecute({ code: `slider.value = ${value}`, silent: true, store_history: false }).done;
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    browser = find()
    if browser is None:
        fail("no browser: python -m tests.browser.install gets one")
    ours: list[float] = []
    theirs: list[float] = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = tiny.config("llama", VOCABULARY)
        tiny.save(folder / "model", made)
        chromium = playwright.chromium.launch(executable_path=str(browser), args=CHROMIUM_FLAGS)
        server = LabServer(folder / "lab", chromium)
        try:
            lab_page = server.open([SETUP.format(folder=str(folder / "model")), PEER])
            lab_page.run_cell(0)
            lab_page.page.locator(".inb-bars tbody tr").first.wait_for()
            assert lab_page.kernel_eval("panel.view['vocabulary']") == VOCABULARY
            stage = lab_page.kernel_eval("panel.view['stages'][0]")
            print(f"entropy of the model's own distribution: {stage['before']:.2f} nats")
            lab_page.run_cell(1)
            slider = lab_page.page.locator("[data-stage=temperature] input[type=range]")
            for number in range(MOVES + 1):
                value = 0.75 + 0.05 * number
                mine = moved(
                    lab_page.page, ".inb-bars", "style", lambda v=value: slider.evaluate(MOVE, str(v))
                )
                lab_page.kernel_until("panel.judged")
                peer = moved(
                    lab_page.page, "body", "image", lambda v=value: lab_page.page.evaluate(MOVE_PEER, v)
                )
                if number:  # the first warms up
                    ours.append(mine)
                    theirs.append(peer)
        finally:
            server.close_pages()
            server.stop()
            chromium.close()
    print(f"X-ray: {[round(one) for one in ours]} ms; a figure: {[round(one) for one in theirs]} ms")
    line("slider to painted bars, ms", statistics.median(ours), "at most 80")
    ratio("the same, X-ray / matplotlib figure in an output", ours, theirs, "at most 1")


def moved(page: Any, selector: str, kind: str, move: Any) -> float:
    """Milliseconds from the move to the frame that shows it."""
    page.evaluate(WATCH, [selector, kind])
    move()
    return float(page.evaluate("() => window.painted"))


if __name__ == "__main__":
    main()
