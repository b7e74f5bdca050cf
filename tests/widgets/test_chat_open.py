"""An answer of a chat that is taken up elsewhere: where it is offered, and what is handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_page import WAIT, Page
from fake_model import FakeModel

import influence_nb as inb
from influence_nb.engine.completion import Completion
from influence_nb.errors import InvalidData
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.inspector import TokenInspector


class Place:
    """Somewhere an answer can be taken up: it keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, Completion]] = []

    def __call__(self, prompt: Any, completion: Completion) -> str:
        self.given.append((prompt, completion))
        return "opened"


def test_an_answer_is_handed_on_with_what_was_asked():
    FakeModel()
    place = Place()
    chat = ChatPanel(system="Be brief.", open_with={"X-ray": place})
    assert chat.opens == ["X-ray"]
    completion = chat.send("Hi").result(WAIT)
    chat.send("More").result(WAIT)
    assert [one["kept"] for one in chat.messages] == [False, True, False, True]
    assert chat.open_in("X-ray", chat.messages[1]["id"]) == "opened"
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert place.given == [(prompt, completion)]
    assert place.given[0][1] is completion
    chat.open_in("X-ray")
    assert [one["content"] for one in place.given[1][0]] == ["Be brief.", "Hi", "Hello there.", "More"]


def test_a_page_opens_either_of_two_answers(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel()
    place = Place()
    chat = ChatPanel(open_with={"X-ray": place})
    page = Page(chat, monkeypatch)
    left, right = chat.compare("Hi", temperature=1)
    assert [left.result(WAIT).text, right.result(WAIT).text] == ["Hello there."] * 2
    page.send("open", id=chat.messages[1]["beside"]["id"], where="X-ray")
    assert place.given[0][1] is right.result()
    page.send("open", id=chat.messages[1]["id"], where="Moon")
    assert chat.problem == {"message": "Answers do not open in 'Moon'.", "hint": "There are: X-ray."}
    assert len(place.given) == 1
    assert model.is_loaded


def test_without_its_tokens_an_answer_is_not_offered_and_says_why(tmp_path: Path):
    FakeModel()
    chat = ChatPanel(open_with={"X-ray": Place()})
    with pytest.raises(InvalidData, match="no answer yet"):
        chat.open_in("X-ray")
    chat.send("Hi").result(WAIT)
    with pytest.raises(InvalidData, match="Only an answer"):
        chat.open_in("X-ray", chat.messages[0]["id"])
    chat.edit(chat.messages[1]["id"], "By hand.")
    assert not chat.messages[1]["kept"]
    with pytest.raises(InvalidData, match="tokens of this answer are not here"):
        chat.open_in("X-ray")
    chat.switch(chat.messages[1]["id"], 0)
    assert chat.messages[1]["kept"]
    chat.load(chat.save(tmp_path / "chat.json"))
    assert not chat.messages[1]["kept"]
    with pytest.raises(InvalidData, match="came from a file"):
        chat.open_in("X-ray")


def test_what_was_adopted_can_be_taken_up_again(model: inb.Model):
    place = Place()
    chat = ChatPanel(model=model, open_with={"X-ray": place})
    completion = model.generate([{"role": "user", "content": "Hi"}], max_new_tokens=3)
    chat.adopt([{"role": "user", "content": "Hi"}], completion)
    assert chat.messages[-1]["kept"] == bool(completion.ids)
    chat.open_in("X-ray")
    assert place.given[0][1] is completion


def test_the_choices_of_an_answer_are_made_again_elsewhere(model: inb.Model):
    inspector = TokenInspector(model=model)
    chat = ChatPanel(
        model=model, open_with={"Inspector": lambda _, completion: inspector.inspect(completion)}
    )
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "seed": 2}
    pair = chat.compare("Hi", **settings)
    completion = [one.result(WAIT) for one in pair][1]
    inspection = chat.open_in("Inspector", chat.messages[1]["beside"]["id"]).result(WAIT)
    assert list(inspection.ids) == completion.ids
    assert completion.what_if().first_flip is None
