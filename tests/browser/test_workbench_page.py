"""The Workbench as a person uses it, in JupyterLab and as an app in voila: load the starter, then chat with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import LabServer, free_port, isolated_environment, wait_for_http
from playwright.sync_api import Page, expect

from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

WORKBENCH = "import influence_nb as inb\nworkbench = inb.Workbench()\nworkbench"
expect.set_options(timeout=120_000)


@pytest.mark.starter
def test_load_the_starter_then_chat_with_it_then_unload_it(lab: LabServer):
    lab_page = lab.open([WORKBENCH])
    lab_page.run_all()
    page: Page = lab_page.page
    page.get_by_role("button", name="Load", exact=True).first.click()
    expect(page.get_by_text("starter/chat is loaded.")).to_be_visible()
    expect(page.get_by_text("before:")).to_be_visible()
    page.get_by_role("tab", name="Chat").click()
    lab_page.kernel_eval("setattr(workbench.chat, 'sampling', {'max_new_tokens': 12, 'temperature': 0})")
    page.get_by_role("textbox", name="Message", exact=True).fill("Hi!")
    page.keyboard.press("Enter")
    lab_page.kernel_until("len(workbench.chat.messages) == 2 and not workbench.chat.running")
    answer = lab_page.kernel_eval("workbench.chat.messages[1]['content']")
    assert answer
    expect(page.locator("article.inb-message").nth(1)).to_contain_text(answer.split()[0])
    page.get_by_role("tab", name="Load", exact=True).click()
    page.get_by_role("button", name="Unload").click()
    expect(page.get_by_text("starter/chat is unloaded.")).to_be_visible()
    assert lab_page.kernel_eval("[inb.loaded(), workbench.chat.model]") == [[], None]
    assert lab_page.kernel_eval("len(workbench.chat.messages)") == 2


@pytest.mark.starter
def test_a_branch_found_in_the_sampling_tab_goes_on_in_the_chat(lab: LabServer):
    lab_page = lab.open(["import influence_nb as inb\nmodel = inb.load()", WORKBENCH])
    lab_page.run_all()
    page: Page = lab_page.page
    page.get_by_role("tab", name="Sampling").click()
    page.get_by_role("tab", name="Tree", exact=True).click()
    tree = page.locator(".inb-token-tree")
    tree.get_by_label("Text to go on with").fill("The capital of Italy is")
    tree.get_by_role("button", name="Grow", exact=True).click()
    lab_page.kernel_until(
        "workbench.sampling.tree.status == 'idle' and len(workbench.sampling.tree.nodes) > 1"
    )
    tree.get_by_role("treeitem").first.focus()
    page.keyboard.press("ArrowDown")
    tree.get_by_role("button", name="Adopt in the chat").click()
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    word = lab_page.kernel_eval("workbench.chat.messages[1]['content']")
    assert word.strip()
    answer = page.locator("article.inb-message").nth(1)
    expect(answer).to_contain_text(word.strip())
    answer.get_by_role("button", name="Open this answer in X-ray").click()
    expect(page.get_by_role("tab", name="Sampling")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="X-ray")).to_have_attribute("aria-selected", "true")
    lab_page.kernel_until("workbench.sampling.xray.tokens == [workbench.chat.messages[1]['content']]")
    expect(page.get_by_role("group", name="Tokens of the text")).to_contain_text(word.strip())
    temperature = page.locator("[data-stage=temperature] input[type=range]")
    expect(temperature).to_be_visible()


def test_tabs_are_reached_by_keyboard(lab: LabServer):
    lab_page = lab.open([WORKBENCH])
    lab_page.run_all()
    page: Page = lab_page.page
    page.get_by_role("tab", name="Load", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    lab_page.kernel_until("workbench.titles[workbench.selected_index] == 'Chat'")
    expect(page.locator(".inb-chat")).to_have_attribute("data-status", "no-model")


def test_a_model_that_is_found_is_planned_in_the_next_tab(lab: LabServer):
    with LoopbackHub() as hub:
        hub.add("tiny/talker", made_up(20_000), downloads=10)
        environment = {"INFLUENCE_MIRROR": hub.endpoint}
        lab_page = lab.open([f"import os\nos.environ.update({environment})\n{WORKBENCH}"])
        lab_page.run_all()
        page: Page = lab_page.page
        page.get_by_role("tab", name="Search").click()
        page.get_by_label("Name", exact=True).fill("talker")
        page.get_by_role("button", name="Plan").first.click()
        expect(page.get_by_role("tab", name="Download")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_text("tiny/talker").locator("visible=true").first).to_be_visible()
        lab_page.kernel_until("workbench.state.wanted == 'tiny/talker'")


@pytest.fixture
def voila(tmp_path: Path) -> Iterator[str]:
    """The address of a voila that serves a notebook with a Workbench."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WORKBENCH)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "workbench.ipynb")
    url, log = f"http://127.0.0.1:{free_port()}", tmp_path / "voila.log"
    command = [sys.executable, "-m", "voila", "workbench.ipynb", "--no-browser", "--Voila.ip=127.0.0.1"]
    command += [f"--port={url.rsplit(':', 1)[1]}"]
    with log.open("wb") as out:
        environment = isolated_environment(tmp_path / "jupyter")
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out)
    try:
        wait_for_http(url + "/voila/static/", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_voila_shows_the_workbench_as_an_app(browser: Any, voila: str):
    page = browser.new_page()
    try:
        page.goto(voila, timeout=120_000)
        expect(page.get_by_role("tab", name="Load", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Load", exact=True)).to_be_enabled()
        page.get_by_role("tab", name="Chat").click()
        expect(page.locator(".inb-chat")).to_have_attribute("data-status", "no-model")
        page.get_by_role("tab", name="Embeddings").click()
        expect(page.get_by_role("button", name="Map the built-in corpus")).to_be_visible()
        expect(page.locator(".inb-static")).to_be_hidden()
    finally:
        page.close()


@pytest.mark.starter
def test_the_built_in_corpus_is_mapped_on_demand(lab: LabServer):
    lab_page = lab.open([WORKBENCH])
    lab_page.run_all()
    page: Page = lab_page.page
    page.get_by_role("tab", name="Embeddings").click()
    page.get_by_role("button", name="Map the built-in corpus").click()
    expect(page.get_by_text("UMAP of 360 texts")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_label("Text to find").fill("a comet near the sun")
    listed = "workbench.embeddings.explorer.neighbours"
    lab_page.kernel_until(f"{listed} is not None and 'astronomy' in set({listed}['topic'])")
