"""The panels with a GGUF file that llama.cpp runs: loading it by the form's code, talking, unloading."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_load import text

import influence_nb as inb
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.load import LoadPanel
from tests.engine.gguf import bare

pytest.importorskip("xllamacpp", reason="the extra llamacpp is not installed")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.starter

WAIT = 120


def test_a_gguf_is_shown_talked_to_and_unloaded(tmp_path: Path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = inb.load(bare(tmp_path), runtime="llama.cpp")
    finally:
        torch.set_num_threads(threads)
    load, chat = LoadPanel(), ChatPanel(model=model)
    assert model.name in text(load)
    chat.send("Say hello.", temperature=0.0, max_new_tokens=5).result(WAIT)
    assert [one["role"] for one in chat.messages] == ["user", "assistant"]
    assert chat.messages[1]["content"]
    chat.sampling = chat.sampling.replace(max_new_tokens=4, seed=3)
    left, right = (reply.result(WAIT) for reply in chat.compare("And again.", seed=3))
    assert left.ids == right.ids != []
    load.unload(model.name).result(WAIT)
    assert not model.is_loaded
    chat.close()
    load.close()
