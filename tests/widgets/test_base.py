"""What a saved notebook shows: the static rendering, kept current, in papermill's and nbconvert's output."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter

FAKES = Path(__file__).parent
PANEL = f"""
import sys
sys.path.insert(0, {str(FAKES)!r})
from fake_model import FakeModel
from influence_nb.widgets import ChatPanel
model = FakeModel(pieces=["All ", "is <b>well</b>."])
chat = ChatPanel()
chat
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papermill")
    cells = [PANEL, 'chat.send("How are you?").result(60).text', "import asyncio\n"
             'await asyncio.wait_for(asyncio.wrap_future(chat.send("And now?")), 60)']  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    papermill.execute_notebook(folder / "in.ipynb", folder / "out.ipynb", progress_bar=False)
    return folder / "out.ipynb"


def test_papermill_keeps_both_parts_and_the_static_one_has_the_last_answer(executed: Path):
    live, static = nbformat.read(executed, as_version=4).cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    html = static["data"]["text/html"]
    assert html.index("How are you?") < html.index("And now?")
    assert html.count("All is &lt;b&gt;well&lt;/b&gt;.") == 2
    assert "being written" not in html


def test_result_gives_the_completion_in_papermill(executed: Path):
    cell = nbformat.read(executed, as_version=4).cells[1]
    assert cell.outputs[0]["data"]["text/plain"] == "'All is <b>well</b>.'"


def test_nbconvert_shows_the_conversation(executed: Path):
    html, _ = HTMLExporter().from_filename(str(executed))
    assert "How are you?" in html
    assert "All is &lt;b&gt;well&lt;/b&gt;." in html
