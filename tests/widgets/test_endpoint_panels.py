"""The panels with a model on a server: connecting, talking, stopping, and what is kept when the server dies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_load import button, controls, text

import influence_nb as inb
from influence_nb.errors import EndpointError, InvalidData, ModelNotFound
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.load import LoadPanel
from tests.chat_server import ChatServer

WAIT = 60


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.fixture
def chat(server: ChatServer) -> Iterator[ChatPanel]:
    panel = ChatPanel(model=inb.load(endpoint=server.url), system="Be brief.")
    yield panel
    panel.close()


def field(panel: LoadPanel, label: str) -> Any:
    return next(one for one in controls(panel) if getattr(one, "description", None) == label)


def test_the_form_connects_to_a_server(server: ChatServer):
    panel = LoadPanel()
    server.models = [{"id": "one"}, {"id": "two"}]
    field(panel, "Or a server's address").value = server.url
    with pytest.raises(ModelNotFound):
        panel.connect().result(WAIT)
    assert "It has &#x27;one&#x27;, &#x27;two&#x27;." in text(panel)
    field(panel, "Its model").value = "two"
    model = panel.connect().result(WAIT)
    assert model.name == "two"
    assert "Connected." in text(panel)
    assert f"two: on the server {model.device}" in text(panel)
    assert "two: on the server" in panel.static_html()
    panel.unload("two").result(WAIT)
    assert inb.loaded() == []
    with pytest.raises(InvalidData, match="not the address of a server"):
        panel.connect("localhost").result(WAIT)
    button(panel, "Connect to the model on the server").click()
    while inb.loaded() == []:
        assert "cannot" not in text(panel)


def test_the_chat_talks_to_it(server: ChatServer, chat: ChatPanel):
    assert chat.send("Hi").result(WAIT).text == "Hello there."
    chat.send("Again", temperature=0.2).result(WAIT)
    body = server.posts[-1].body
    assert [message["content"] for message in body["messages"]] == [
        "Be brief.",
        "Hi",
        "Hello there.",
        "Again",
    ]
    assert body["seed"] == chat.messages[-1]["seed"]
    assert chat.messages[-1]["stats"]["prompt_tokens"] == 7
    assert chat.messages[-1]["stats"]["tokens"] == 3
    assert chat.context == {"used": 10, "size": None}
    shown: list[Any] = []
    chat._post = shown.append
    chat._inspect()
    assert '"content": "Again"' in shown[-1]["template"]
    assert shown[-1]["note"] == ""


def test_what_a_server_does_not_count_is_left_open_and_saved(
    server: ChatServer, chat: ChatPanel, tmp_path: Any
):
    server.usage = False
    chat.send("Hi").result(WAIT)
    assert chat.messages[-1]["stats"]["prompt_tokens"] is None
    chat.load(chat.save(tmp_path / "chat.json"))
    assert chat.messages[-1]["content"] == "Hello there."


def test_an_answer_is_stopped(server: ChatServer, chat: ChatPanel):
    server.faults = [lambda handler: handler.some(2) or handler.hang()]
    reply = chat.send("Hi")
    chat.stop()
    assert reply.result(WAIT).finish_reason == "cancelled"
    if server.posts:  # the stop may be quicker than the question
        server.gone.get(timeout=WAIT)
    assert chat.messages[-1]["status"] == "cancelled"


def test_a_server_that_dies_midway_leaves_what_came(server: ChatServer, chat: ChatPanel):
    server.faults = [lambda handler: handler.some(2) or handler.reset()]
    with pytest.raises(EndpointError, match="stopped after 2 tokens"):
        chat.send("Hi").result(WAIT)
    last = chat.messages[-1]
    assert (last["content"], last["status"]) == ("Hello there", "error")
    assert "stopped after 2 tokens" in last["error"]["message"]
    assert chat.regenerate().result(WAIT).text == "Hello there."


def test_a_parameter_that_the_server_does_not_take_is_named(chat: ChatPanel):
    with pytest.raises(inb.errors.InvalidSampling, match="top_k=5 cannot be asked of this server"):
        chat.send("Hi", top_k=5).result(WAIT)
    assert "top_k=5" in chat.messages[-1]["error"]["message"]
    assert chat.send("Hi").result(WAIT).text == "Hello there."


def test_turns_that_the_server_has_no_room_for_are_left_out_and_said(server: ChatServer, chat: ChatPanel):
    chat.send("One").result(WAIT)
    chat.when_full = "drop_oldest"
    full = {"error": {"message": "This model's maximum context length is 9 tokens."}}
    server.faults = [lambda handler: handler.answer(400, full) or True]
    assert chat.send("Two").result(WAIT).text == "Hello there."
    assert [message["content"] for message in server.posts[-1].body["messages"]] == ["Be brief.", "Two"]
    shown: list[Any] = []
    chat._post = shown.append
    chat._inspect()
    assert "oldest 2 messages were left out" in shown[-1]["note"]
    assert '"One"' not in shown[-1]["template"]


def test_two_answers_of_a_server_come_side_by_side_and_are_not_taken_up_elsewhere(server: ChatServer):
    chat = ChatPanel(model=inb.load(endpoint=server.url), open_with={"X-ray": lambda *_: None})
    pair = chat.compare("Hi", temperature=1.2)
    assert [reply.result(WAIT).text for reply in pair] == ["Hello there."] * 2
    assert sorted(post.body["temperature"] for post in server.posts[-2:]) == [0.7, 1.2]
    assert not chat.messages[-1]["kept"]
    with pytest.raises(InvalidData, match="came from a file or a server"):
        chat.open_in("X-ray")
    chat.close()
