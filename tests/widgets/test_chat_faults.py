"""ChatPanel under what goes wrong: observers that raise, odd text, damaged files, malformed wishes of a page."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from chat_page import WAIT, Observer, Page, contents
from fake_model import FakeModel

from influence_nb.errors import InvalidData, ModelNotFound
from influence_nb.widgets.chat import ChatPanel


@pytest.mark.parametrize("followed", ["messages", "running", "context", "problem"])
def test_an_observer_that_raises_holds_up_no_answer(followed: str):
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    reply = chat.send("Hi")
    boom = Observer()
    chat.observe(boom, followed)
    model.step(3)
    assert reply.result(WAIT).text == "Hello there."
    assert (chat.running, contents(chat)) == ("", ["Hi", "Hello there."])
    assert boom.called == (followed != "problem")
    if boom.called:
        assert "the observer raised" in chat.problem["message"]
    chat.unobserve(boom, followed)
    model.step(3)
    chat.send("More").result(WAIT)
    assert chat.problem is None


def test_an_observer_may_ask_the_next_question():
    FakeModel()
    chat = ChatPanel()
    replies: list[Any] = []

    def ask(_: Any) -> None:
        if not chat.running and not replies:
            replies.append(chat.send("And?"))

    reply = chat.send("Hi")
    reply.result(WAIT)
    chat.observe(ask, "messages")
    chat.regenerate().result(WAIT)
    replies[0].result(WAIT)
    assert contents(chat) == ["Hi", "Hello there.", "And?", "Hello there."]


def test_a_rendering_that_fails_holds_up_no_answer():
    FakeModel()
    chat = ChatPanel()
    chat.on_static_change(Observer())
    assert chat.send("Hi").result(WAIT).text == "Hello there."
    chat.send("More").result(WAIT)
    assert len(chat.messages) == 4


@pytest.mark.parametrize("followed", ["messages", "running"])
def test_a_question_that_cannot_begin_leaves_nothing_behind(followed: str):
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    before = chat.conversation.to_json()
    boom = Observer()
    chat.observe(boom, followed)
    with pytest.raises(RuntimeError, match="the observer raised"):
        chat.send("More")
    chat.unobserve(boom, followed)
    assert (chat.running, contents(chat)) == ("", ["Hi", "Hello there."])
    assert chat.conversation.to_json() == before
    assert len(model.received) == 1
    chat.send("More").result(WAIT)
    assert len(chat.messages) == 4


@pytest.mark.parametrize("text", [None, 5, "half \ud83d of a pair"])
def test_what_is_not_text_never_becomes_a_message(text: Any, monkeypatch: pytest.MonkeyPatch):
    FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    before = chat.conversation.to_json()
    question, answer = (message["id"] for message in chat.messages)
    for ask in (
        lambda: chat.send(text),
        lambda: chat.edit(question, text),
        lambda: chat.edit(answer, text),
    ):
        with pytest.raises(InvalidData) as refused:
            ask()
        assert refused.value.hint
    Page(chat, monkeypatch).send("send", text=text)
    assert "tex" in chat.problem["message"]
    assert (chat.running, chat.conversation.to_json()) == ("", before)


@pytest.mark.parametrize(
    "changes",
    [
        {"stats": {"zz": 1}},
        {"stats": {"tokens": 1, "tokens_per_second": "fast"}},
        {"seed": True},
        {"sampling": {"temperature": -1}},
    ],
)
def test_a_damaged_file_leaves_the_conversation_as_it_was(changes: dict[str, Any], tmp_path: Path):
    FakeModel()
    chat = ChatPanel(system="Be brief.")
    chat.send("Hi").result(WAIT)
    path = chat.save(tmp_path / "chat.json")
    whole = json.loads(path.read_text())
    whole["system"] = "Other."
    whole["messages"][1].update(changes)
    path.write_text(json.dumps(whole))
    before = chat.messages
    with pytest.raises(InvalidData, match="message 1"):
        chat.load(path)
    assert (chat.messages, chat.system, chat.conversation.system) == (before, "Be brief.", "Be brief.")
    assert "Hello there." in chat.static_html()


def test_saving_that_fails_keeps_the_file_that_is_there(tmp_path: Path):
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    path = chat.save(tmp_path / "chat.json")
    good = path.read_bytes()
    model.pieces = ["\ud83d"]
    chat.send("More").result(WAIT)
    with pytest.raises(InvalidData, match="UTF-8"):
        chat.save(path)
    assert path.read_bytes() == good
    chat.clear()
    for absent in (tmp_path / "absent" / "chat.json", tmp_path):
        with pytest.raises(InvalidData, match="cannot be written") as refused:
            chat.save(absent)
        assert "folder" in refused.value.hint
    assert [one.name for one in tmp_path.iterdir()] == ["chat.json"]


def test_a_panel_is_closed_as_often_as_one_likes():
    FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    chat.close()
    chat.close()
    FakeModel("later")
    assert chat.loaded == ["fake"]


def test_a_panel_that_could_not_be_made_can_be_closed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ModelNotFound):
        ChatPanel(model="absent")
    gc.collect()
    assert "Exception ignored" not in capsys.readouterr().err


def test_an_answer_stopped_before_its_first_word_is_shown_but_not_sent():
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    reply = chat.send("Hi")
    reply.cancel()
    model.step()
    assert reply.result(WAIT).finish_reason == "cancelled"
    assert [(one["content"], one["status"]) for one in chat.messages] == [("Hi", "done"), ("", "cancelled")]
    model.step(3)
    chat.send("Again").result(WAIT)
    assert model.received[-1]["messages"] == [
        {"role": "user", "content": "Hi"}, {"role": "user", "content": "Again"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        None,
        "send",
        {},
        {"type": [1]},
        {"type": "dance"},
        {"type": "send"},
        {"type": "edit", "id": 3},
        {"type": "edit", "id": [3], "text": "x"},
        {"type": "version", "id": "x"},
        {"type": "stop", "now": True},
        {"type": "model", "name": 5},
        {"type": "load", "json": 5},
        {"type": "inspect", "id": {}},
    ],
)
def test_a_malformed_wish_of_the_page_becomes_a_readable_problem(
    content: Any, monkeypatch: pytest.MonkeyPatch
):
    model = FakeModel()
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    page.raw(content)
    assert chat.problem["hint"]
    assert "fault in the program" not in chat.problem["hint"]
    assert (chat.messages, chat.model) == ([], model)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("switches", [{"name": "x"}]),
        ("switches", [3]),
        ("switches", None),
        ("switches", [{"name": "x", "value": "yes"}]),
        ("sampling", "hot"),
        ("sampling", None),
        ("sampling", {"order": 5}),
        ("sampling", {"temperature": 10**400}),
        ("when_full", "explode"),
        ("system", 5),
        ("system", "\ud83d"),
    ],
)
def test_a_malformed_setting_of_the_page_is_refused_and_the_last_valid_one_stays(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
):
    FakeModel()
    chat = ChatPanel(system="Be brief.")
    before = getattr(chat, name)
    Page(chat, monkeypatch).set(**{name: value})
    assert chat.problem["hint"]
    assert "fault in the program" not in chat.problem["hint"]
    assert getattr(chat, name) == before
    assert chat.send("Hi").result(WAIT).text == "Hello there."


def test_a_chosen_model_that_is_unloaded_makes_room_for_the_next_one_loaded():
    chosen = FakeModel("chosen")
    chat = ChatPanel(model=chosen)
    chosen.unload()
    assert chat.model is None
    after = FakeModel("after")
    assert chat.model is after
    FakeModel("later")
    assert chat.model is after


def test_a_drawn_seed_is_one_of_the_engines(monkeypatch: pytest.MonkeyPatch):
    FakeModel()
    monkeypatch.setattr("secrets.randbelow", lambda end: end - 1)
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    assert chat.messages[-1]["seed"] == 2**31 - 1
