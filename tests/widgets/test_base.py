"""What a saved notebook shows: the static rendering, kept current, in papermill's and nbconvert's output."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_papermill import executed, read
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
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that was run without a person."""
    more = "import asyncio\nawait asyncio.wait_for(asyncio.wrap_future(chat.send('And now?')), 60)"
    folder = tmp_path_factory.mktemp("papermill")
    return executed(folder, PANEL, 'chat.send("How are you?").result(60).text', more)


def test_papermill_keeps_both_parts_and_the_static_one_has_the_last_answer(saved: Path):
    live, static = read(saved).cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    html = static["data"]["text/html"]
    assert html.index("How are you?") < html.index("And now?")
    assert html.count("All is &lt;b&gt;well&lt;/b&gt;.") == 2
    assert "being written" not in html


def test_result_gives_the_completion_in_papermill(saved: Path):
    cell = read(saved).cells[1]
    assert cell.outputs[0]["data"]["text/plain"] == "'All is <b>well</b>.'"


def test_nbconvert_shows_the_conversation(saved: Path):
    html, _ = HTMLExporter().from_filename(str(saved))
    assert "How are you?" in html
    assert "All is &lt;b&gt;well&lt;/b&gt;." in html
