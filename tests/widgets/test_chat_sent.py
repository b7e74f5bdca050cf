"""What was sent for an answer: it stays what it was, whatever is changed, saved, loaded or unloaded afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_page import WAIT, Page
from fake_model import FakeModel

from influence_nb.errors import ContextTooLong
from influence_nb.widgets.chat import ChatPanel


def inspected(page: Page, id: str | None = None) -> dict[str, Any]:
    page.send("inspect", **({} if id is None else {"id": id}))
    return page.last("rendered")


def answer(chat: ChatPanel) -> str:
    return chat.messages[-1]["id"]


def test_the_last_prompt_is_shown_as_text_and_tokens(monkeypatch: pytest.MonkeyPatch):
    FakeModel()
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    assert inspected(page)["note"] == "Nothing has been sent yet."
    chat.send("Hi").result(WAIT)
    shown = inspected(page)
    assert (shown["template"], shown["truncated"], shown["note"]) == ("<user> Hi", 0, "")
    assert [token["text"] for token in shown["tokens"]] == ["<user>", "Hi"]
    assert inspected(page, answer(chat)) == shown


def test_what_was_sent_stays_so_when_settings_change_and_is_saved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    model = FakeModel("first")
    model.switches = {"enable_thinking": True}
    chat = ChatPanel(system="Be brief.")
    chat.model = None
    chat.model = model
    chat.send("Hi").result(WAIT)
    first, sent = answer(chat), "<system> Be brief. <enable_thinking> <user> Hi"
    chat.system = "Rhyme."
    chat.switches = [{**chat.switches[0], "value": False}]
    chat.send("More").result(WAIT)
    FakeModel("second")
    page = Page(chat, monkeypatch)
    assert chat.model.name == "second"
    assert inspected(page, first) == {**inspected(page, first), "template": sent, "note": ""}
    assert inspected(page)["template"] == "<system> Rhyme. <user> Hi <assistant> Hello there. <user> More"
    again = ChatPanel(system="Other.")
    again.load(chat.save(tmp_path / "chat.json"))
    assert inspected(Page(again, monkeypatch), first)["template"] == sent


def test_what_was_left_out_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch):
    FakeModel()
    chat = ChatPanel(when_full="drop_oldest")
    chat.send("Hi").result(WAIT)
    chat.send("More").result(WAIT)
    chat.when_full = "stop"
    shown = inspected(Page(chat, monkeypatch))
    assert shown["template"] == "<user> More"
    assert shown["note"] == "The oldest 2 messages were left out: the context was full."


def test_settings_changed_while_an_answer_begins_are_those_of_the_next(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel()
    chat = ChatPanel(system="Be brief.")
    session_with = chat._session_with

    def late(model: Any, side: int) -> Any:
        chat.system = "Rhyme."
        return session_with(model, side)

    monkeypatch.setattr(chat, "_session_with", late)
    chat.send("Hi").result(WAIT)
    assert model.received[-1]["system"] == "Be brief."
    assert inspected(Page(chat, monkeypatch))["template"] == "<system> Be brief. <user> Hi"


def test_a_file_that_does_not_tell_is_shown_with_the_present_settings_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    path = chat.save(tmp_path / "chat.json")
    whole = json.loads(path.read_text())
    for message in whole["messages"]:
        del message["sent"]
    path.write_text(json.dumps(whole))
    chat.load(path)
    chat.system = "Rhyme."
    shown = inspected(Page(chat, monkeypatch))
    assert shown["template"] == "<system> Rhyme. <user> Hi"
    assert shown["note"].startswith("Rebuilt from the present settings")


def test_a_prompt_whose_model_is_gone_or_changed_is_not_passed_off_as_what_was_sent(
    monkeypatch: pytest.MonkeyPatch,
):
    first = FakeModel("first")
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    first.unload()
    FakeModel("second")
    page = Page(chat, monkeypatch)
    shown = inspected(page)
    assert (shown["template"], shown["tokens"]) == ("", [])
    assert "first, which is not loaded any more" in shown["note"]
    other = FakeModel("first")
    monkeypatch.setattr(other, "session", lambda: Shouting(other))
    assert inspected(page)["template"] == "HI"
    assert "not exactly what was sent" in inspected(page)["note"]
    FakeModel("first")  # one of two of that name is the one
    assert (inspected(page)["template"], inspected(page)["note"]) == ("<user> Hi", "")


def test_where_nothing_was_sent_it_says_so(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    page = Page(chat, monkeypatch)
    chat.edit(answer(chat), "Mine")
    assert "written by a person" in inspected(page)["note"]
    with monkeypatch.context() as patch:
        patch.setattr("fake_model.FakeSession.reply", too_long)
        with pytest.raises(ContextTooLong):
            chat.send("Far too long").result(WAIT)
    assert "Nothing was sent for this answer" in inspected(page)["note"]
    page.send("inspect", id=chat.messages[0]["id"])
    assert "nothing was sent" in chat.problem["message"]
    assert len(model.received) == 1


class Shouting:
    """The session of a model whose template is another one."""

    messages: Any

    def __init__(self, model: FakeModel) -> None:
        self.model = model

    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        return "HI", [(1, "HI")]


def too_long(*_: Any, **__: Any) -> Any:
    raise ContextTooLong("It is too long.", "Shorten it.")
