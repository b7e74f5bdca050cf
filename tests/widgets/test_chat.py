"""ChatPanel without a browser: what Python calls, what a page sends, and what both then see."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from pathlib import Path

import pytest
from chat_page import WAIT, Page, contents, finish
from fake_model import FakeModel

from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import ContextTooLong, InfluenceError, InvalidData, InvalidSampling, ModelNotFound
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.reply import Stream


def test_an_answer_carries_its_facts():
    FakeModel()
    chat = ChatPanel(system="Be brief.")
    completion = chat.send("Hi", temperature=0, seed=3).result(WAIT)
    assert completion.text == "Hello there."
    question, answer = chat.messages
    assert (question["role"], question["content"]) == ("user", "Hi")
    assert (answer["content"], answer["status"], answer["model"], answer["seed"]) == (
        "Hello there.", "done", "fake", 3,
    )  # fmt: skip
    assert answer["sampling"]["temperature"] == 0
    assert answer["stats"] == {
        "prompt_tokens": 5, "cached_tokens": 0, "tokens": 3, "first_token": 0.02, "tokens_per_second": 50.0,
        "finish_reason": "stop",
    }  # fmt: skip
    assert chat.running == ""
    assert chat.context == {"used": 5, "size": 64}


def test_a_seed_is_drawn_and_kept_where_none_is_given():
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    assert chat.messages[-1]["seed"] == model.received[0]["sampling"].seed is not None
    assert chat.sampling.seed is None


def test_a_reply_can_be_awaited():
    FakeModel()
    chat = ChatPanel()

    async def talk() -> str:
        return (await asyncio.wait_for(asyncio.wrap_future(chat.send("Hi")), WAIT)).text

    assert asyncio.run(talk()) == "Hello there."


def test_deltas_add_up_and_the_first_token_goes_out_at_once(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel(pieces=["One", " \N{GRINNING FACE}", " three"])
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    page.send("send", text="Hi")
    finish(chat)
    text = ""
    for delta in [message for message in page.got if message["type"] == "delta"]:
        assert delta["at"] == len(text)
        text += delta["text"]
    assert text.startswith("One")
    assert "".join(model.pieces).startswith(text)
    assert contents(chat) == ["Hi", "One \N{GRINNING FACE} three"]


def test_a_delta_holds_all_that_came_since_the_last_and_none_is_sent_for_nothing():
    now, posted = [0.0], []
    stream = Stream("id", posted.append, clock=lambda: now[0])
    for index in range(10):
        now[0] += 0.5
        stream.add(TokenEvent(index, index, "xy"))
    assert [(one["at"], one["text"]) for one in posted] == [(0, "xy")]
    stream.flush()
    stream.flush()
    assert [(one["at"], one["text"]) for one in posted] == [(0, "xy"), (2, "xy" * 9)]
    figures = {"tokens": 10, "first_token": 0.5, "tokens_per_second": 2.0}
    assert posted[-1] == {"type": "delta", "id": "id", "at": 2, "text": "xy" * 9, **figures}
    stream.add(TokenEvent(10, 10, "z"))
    stream.end()
    stream.flush()
    assert len(posted) == 2


def test_a_page_that_joins_gets_the_text_so_far(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    reply = chat.send("Hi")
    page.send("hello")
    assert page.last("snapshot")["text"] == ""
    model.step(3)
    reply.result(WAIT)
    page.got.clear()
    page.send("hello")
    assert page.got == []  # it is in the traits now


def test_stop_ends_the_answer_and_keeps_what_was_said():
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    reply = chat.send("Hi")
    model.step()
    assert reply.cancel()
    model.step()
    completion = reply.result(WAIT)
    assert completion.finish_reason == "cancelled"
    assert chat.messages[-1]["status"] == "cancelled"
    assert model.forwards <= 2
    assert not reply.cancel()


@pytest.mark.parametrize("waiting", ["result", "exception"])
def test_interrupting_the_kernel_while_it_waits_stops_the_model(
    waiting: str, monkeypatch: pytest.MonkeyPatch
):
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    reply = chat.send("Hi")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, waiting, interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(reply, waiting)()
    model.step()
    assert reply.result(WAIT).finish_reason == "cancelled"
    assert chat.running == ""


def test_a_second_message_while_one_is_answered_is_refused_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
):
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    reply = chat.send("Hi")
    with pytest.raises(InfluenceError, match="still being written") as refused:
        chat.send("And?")
    assert "chat.stop()" in refused.value.hint
    page.send("clear")
    assert "still being written" in chat.problem["message"]
    model.step(3)
    reply.result(WAIT)
    assert contents(chat) == ["Hi", "Hello there."]


def test_a_failure_is_shown_at_its_message_and_the_panel_goes_on():
    model = FakeModel()
    model.fault, model.fault_at = ContextTooLong("It is too long.", "Shorten it."), 1
    chat = ChatPanel()
    with pytest.raises(ContextTooLong):
        chat.send("Hi").result(WAIT)
    answer = chat.messages[-1]
    assert (answer["status"], answer["content"]) == ("error", "Hello")
    assert answer["error"] == {"message": "It is too long.", "hint": "Shorten it."}
    model.fault = None
    chat.send("Again").result(WAIT)
    assert contents(chat) == ["Hi", "Hello", "Again", "Hello there."]
    assert model.received[-1]["messages"] == [{"role": "user", "content": "Again"}]


def test_a_foreign_failure_is_readable_too():
    model = FakeModel()
    model.fault = RuntimeError("boom")
    chat = ChatPanel()
    with pytest.raises(InfluenceError, match="RuntimeError: boom"):
        chat.send("Hi").result(WAIT)
    assert chat.messages[-1]["error"]["hint"]


def test_regenerate_and_edit_make_versions_that_stay_reachable():
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    model.pieces = ["Howdy"]
    chat.regenerate().result(WAIT)
    assert contents(chat) == ["Hi", "Howdy"]
    assert model.received[-1]["messages"] == [{"role": "user", "content": "Hi"}]
    chat.switch(chat.messages[1]["id"], 0)
    assert contents(chat) == ["Hi", "Hello there."]
    chat.edit(chat.messages[0]["id"], "Good day").result(WAIT)
    assert contents(chat) == ["Good day", "Howdy"]
    assert chat.edit(chat.messages[1]["id"], "Good evening") is None
    assert contents(chat) == ["Good day", "Good evening"]
    chat.send("Go on").result(WAIT)
    assert [one["content"] for one in model.received[-1]["messages"]] == ["Good day", "Good evening", "Go on"]
    chat.switch(chat.messages[0]["id"], 0)
    assert contents(chat) == ["Hi", "Hello there."]


def test_a_page_does_what_the_methods_do(monkeypatch: pytest.MonkeyPatch):
    FakeModel()
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    page.send("send", text="Hi")
    finish(chat)
    page.send("regenerate", id=chat.messages[1]["id"])
    finish(chat)
    page.send("version", id=chat.messages[1]["id"], index=0)
    assert (chat.messages[1]["version"], chat.messages[1]["versions"]) == (0, 2)
    page.send("edit", id=chat.messages[0]["id"], text="Bye")
    finish(chat)
    assert contents(chat) == ["Bye", "Hello there."]
    page.send("save")
    saved = page.last("saved")
    assert saved["filename"].endswith(".json")
    page.send("clear")
    assert chat.messages == []
    page.send("load", json=saved["json"])
    assert contents(chat) == ["Bye", "Hello there."]
    page.send("load", json="nothing")
    assert "not a saved conversation" in chat.problem["message"]
    assert contents(chat) == ["Bye", "Hello there."]


def test_settings_reach_the_model(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel()
    model.switches = {"enable_thinking": True}
    chat = ChatPanel()
    model.unload()
    page = Page(chat, monkeypatch)
    thinking = FakeModel("thinker")
    thinking.switches = {"enable_thinking": True}
    chat.model = None
    chat.model = "thinker"
    assert chat.switches == [{"name": "enable_thinking", "label": "Enable thinking", "value": True}]
    page.set(
        sampling={**Sampling().to_dict(), "temperature": 0.2},
        system="Be kind.",
        when_full="drop_oldest",
        switches=[{"name": "enable_thinking", "label": "Enable thinking", "value": False}],
    )
    chat.send("Hi").result(WAIT)
    asked = thinking.received[-1]
    assert (asked["system"], asked["when_full"], asked["switches"]) == (
        "Be kind.", "drop_oldest", {"enable_thinking": False},
    )  # fmt: skip
    assert asked["sampling"].temperature == 0.2


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", -1), ("temperature", "hot"), ("top_p", 0), ("max_new_tokens", -3)]
)
def test_invalid_sampling_names_its_field_and_the_last_valid_stays(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
):
    FakeModel()
    chat = ChatPanel(sampling=Sampling(temperature=0.3))
    page = Page(chat, monkeypatch)
    page.set(sampling={**chat.sampling.to_dict(), name: value})
    assert chat.problem["field"] == name
    assert chat.problem["hint"]
    assert chat.sampling == Sampling(temperature=0.3)
    with pytest.raises(InvalidSampling):
        chat.sampling = {name: value}
    with pytest.raises(InvalidSampling):
        chat.send("Hi", **{name: value})
    assert chat.messages == []
    page.set(sampling={**chat.sampling.to_dict(), "temperature": 0.5})
    assert chat.problem is None
    assert chat.sampling.temperature == 0.5


def test_without_a_model_nothing_is_lost_and_the_next_one_loaded_answers(monkeypatch: pytest.MonkeyPatch):
    chat = ChatPanel()
    assert chat.model is None
    with pytest.raises(ModelNotFound) as refused:
        chat.send("Hi")
    assert "inb.load()" in refused.value.hint
    first = FakeModel()
    assert chat.model is first
    chat.send("Hi").result(WAIT)
    first.unload()
    assert (chat.model, chat.loaded) == (None, [])
    assert contents(chat) == ["Hi", "Hello there."]
    second = FakeModel("second")
    chat.send("More").result(WAIT)
    assert chat.messages[-1]["model"] == "second"
    assert len(second.received[0]["messages"]) == 3


def test_a_model_that_was_chosen_stays_when_others_are_loaded(monkeypatch: pytest.MonkeyPatch):
    chosen = FakeModel("chosen")
    chat, follower = ChatPanel(model=chosen), ChatPanel()
    page = Page(chat, monkeypatch)
    other = FakeModel("other")
    assert (chat.model, follower.model) == (chosen, other)
    assert chat.loaded == ["chosen", "other"]
    page.send("model", name="other")
    assert chat.model is other
    page.send("model", name="absent")
    assert "absent" in chat.problem["message"]
    assert chat.model is other


def test_a_conversation_is_saved_and_gone_on_with(tmp_path: Path):
    model = FakeModel()
    chat = ChatPanel(system="Be brief.")
    chat.send("Hi").result(WAIT)
    path = chat.save(tmp_path / "chat.json")
    assert json.loads(path.read_text())["system"] == "Be brief."
    again = ChatPanel()
    again.load(path)
    assert (contents(again), again.system) == (["Hi", "Hello there."], "Be brief.")
    again.send("More").result(WAIT)
    assert len(model.received[-1]["messages"]) == 3
    with pytest.raises(InvalidData, match="cannot be read"):
        again.load(tmp_path / "absent.json")


def test_unknown_keywords_raise_and_name_the_known():
    with pytest.raises(TypeError, match=r"modle.*It knows: model, system"):
        ChatPanel(modle="x")


def test_the_static_rendering_shows_the_conversation_as_plain_text():
    FakeModel(pieces=["<script>alert(1)</script> and\n```python\na < b\n```\ndone"])
    chat = ChatPanel(system="Be <b>brief</b>.")
    chat.send("Hi & bye").result(WAIT)
    html = chat.static_html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "Be &lt;b&gt;brief&lt;/b&gt;." in html
    assert "Hi &amp; bye" in html
    assert "<code>a &lt; b\n</code></pre>" in html
    assert "seed " in html
