"""A chat whose model went by itself goes on with the next message; one that somebody unloaded does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_page import WAIT, contents

import influence_nb as inb
from influence_nb.engine import keeping, registry
from influence_nb.errors import BrokenModel, ModelNotFound
from influence_nb.widgets.chat import ChatPanel
from tests import tiny

SHORT = inb.Sampling(temperature=0, max_new_tokens=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("again") / "llama", "llama")


@pytest.fixture
def gone() -> Iterator[Callable[[], None]]:
    """Waits until no model is loaded."""
    changed = threading.Event()
    end = registry.subscribe(changed.set)

    def wait() -> None:
        while registry.loaded():
            assert changed.wait(WAIT)
            changed.clear()

    yield wait
    end()


def test_after_its_keep_alive_a_model_is_loaded_again_as_it_was(folder: Path, gone: Callable[[], None]):
    model = inb.load(folder, device="cpu", dtype="float32", keep_alive=0)
    chat = ChatPanel(model=model, sampling=SHORT)
    chat.switches = [{**one, "value": not one["value"]} for one in chat.switches]
    switches = chat.switches
    assert switches, "the template has one"
    first = chat.send("Hi").result(WAIT)
    gone()
    assert (chat.model, chat.problem) == (model, None)
    for number in range(2):
        chat.send("Hi").result(WAIT)
        back = chat.model
        assert back is not model
        assert (back.name, back.device, back.dtype, back.keep_alive) == (model.name, "cpu", "float32", 0)
        gone()
        assert len(chat.messages) == 4 + 2 * number
    assert chat.switches == switches
    assert chat.messages[1]["content"] == first.text
    assert [one["status"] for one in chat.messages[1::2]] == ["length"] * 3


def test_one_that_made_room_comes_back_in_its_own_panel_only(folder: Path, tmp_path: Path):
    other = tiny.build(tmp_path / "other", "qwen3")
    model = inb.load(folder, device="cpu", dtype="float32")
    chat, following = ChatPanel(model=model, sampling=SHORT), ChatPanel(sampling=SHORT)
    assert keeping.make_room("cpu", 1 << 60) == [model]
    assert (chat.model, chat.chosen, chat.loaded) == (model, "", [])
    second = inb.load(other, device="cpu", dtype="float32")
    assert (chat.model, following.model) == (model, second)
    again = inb.load(folder, device="cpu", dtype="float32")
    assert (chat.model, following.model) == (again, again)
    assert chat.send("Hi").result(WAIT).ids == again.generate([{"role": "user", "content": "Hi"}], SHORT).ids


def test_a_right_hand_model_that_comes_back_is_not_chosen(folder: Path, tmp_path: Path):
    model = inb.load(folder, device="cpu", dtype="float32")
    other = inb.load(tiny.build(tmp_path / "other", "qwen3"), device="cpu", dtype="float32")
    chat = ChatPanel(sampling=SHORT)
    assert chat.model is other, "it follows what is loaded"
    chat.state.selected = model
    chat.other_model = other.name
    assert other.use.claim(leaves=True)
    other.unload()
    left, right = (reply.result(WAIT) for reply in chat.compare("Hi"))
    assert (left.receipt.model, right.receipt.model) == (model.name, other.name)
    assert len(chat.loaded) == 2
    assert chat.model is model


def test_one_that_somebody_unloaded_stays_away(folder: Path):
    model = inb.load(folder, device="cpu", dtype="float32", keep_alive="5m")
    chat = ChatPanel(model=model, sampling=SHORT)
    chat.send("Hi").result(WAIT)
    model.unload()
    assert chat.model is None
    with pytest.raises(ModelNotFound, match="No model is loaded"):
        chat.send("Hi")
    assert len(chat.messages) == 2


def test_what_cannot_be_loaded_again_says_so_in_the_answer(tmp_path: Path, gone: Callable[[], None]):
    home = tiny.build(tmp_path / "here", "llama")
    chat = ChatPanel(model=inb.load(home, device="cpu", dtype="float32", keep_alive=0), sampling=SHORT)
    chat.send("Hi").result(WAIT)
    gone()
    away = home.rename(tmp_path / "away")
    error = chat.send("Are you there?").exception(WAIT)
    assert isinstance(error, BrokenModel)
    assert chat.messages[-1]["error"]["message"] == error.message
    assert chat.running == ""
    away.rename(home)
    assert chat.regenerate().result(WAIT).text
    assert contents(chat)[2] == "Are you there?"
