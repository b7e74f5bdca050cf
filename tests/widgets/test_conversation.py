"""A conversation's versions: nothing that was said is lost, and what is saved comes back."""

from __future__ import annotations

import json

import pytest

from influence_nb.errors import InvalidData
from influence_nb.widgets.conversation import Conversation


def talk() -> Conversation:
    conversation = Conversation("Be brief.")
    question = conversation.add("user", "Hi", None)
    answer = conversation.add(
        "assistant", "Hello", question.id, model="m", seed=7, sampling={"temperature": 0}
    )
    conversation.add("user", "Why?", answer.id)
    return conversation


def said(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.path()]


def test_an_edit_is_a_version_beside_the_earlier_one_which_keeps_what_followed_it():
    conversation = talk()
    first = conversation.path()[0]
    conversation.edit(first.id, "Good day")
    assert said(conversation) == ["Good day"]
    conversation.switch(first.id, 0)
    assert said(conversation) == ["Hi", "Hello", "Why?"]


def test_switching_back_finds_the_branch_that_was_active_there():
    conversation = talk()
    question, answer, _ = conversation.path()
    other = conversation.add("assistant", "Howdy", question.id)
    conversation.add("user", "Where?", other.id)
    conversation.switch(answer.id, 0)
    assert said(conversation) == ["Hi", "Hello", "Why?"]
    conversation.switch(answer.id, 1)
    assert said(conversation) == ["Hi", "Howdy", "Where?"]


def test_rows_number_the_versions():
    conversation = talk()
    conversation.add("assistant", "Howdy", conversation.path()[0].id)
    row = conversation.rows()[1]
    assert (row["content"], row["version"], row["versions"]) == ("Howdy", 1, 2)
    assert "parent" not in row


def test_a_model_is_not_shown_a_question_whose_answer_failed():
    conversation = talk()
    last = conversation.path()[-1]
    failed = conversation.add(
        "assistant", "", last.id, status="error", error={"message": "no room", "hint": ""}
    )
    conversation.add("user", "Again?", failed.id)
    assert [one["content"] for one in conversation.for_model()] == ["Hi", "Hello", "Again?"]


def test_json_keeps_every_version_the_facts_and_the_place():
    conversation = talk()
    first = conversation.path()[0]
    conversation.edit(first.id, "Good day")
    conversation.switch(first.id, 0)
    again = Conversation.from_json(conversation.to_json())
    assert again == conversation
    assert said(again) == ["Hi", "Hello", "Why?"]


def test_an_answer_saved_while_it_was_written_comes_back_as_stopped():
    conversation = Conversation()
    conversation.add("assistant", "He", conversation.add("user", "Hi", None).id, status="running")
    assert Conversation.from_json(conversation.to_json()).path()[-1].status == "cancelled"


def damaged(**changes: object) -> str:
    whole = json.loads(talk().to_json())
    messages = whole["messages"]
    for name, value in changes.items():
        if name in whole:
            whole[name] = value
        else:
            messages[1][name] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "not JSON"),
        ("[]", "format"),
        ('{"format": "other"}', "format"),
        (damaged(version=9), "version 9"),
        (damaged(system=None), "system"),
        (damaged(messages=[3]), "message 0 is not an object"),
        (damaged(messages=[{"id": "a"}]), "message 0 has no"),
        (damaged(path=["nowhere"]), "unknown message 'nowhere'"),
        (damaged(path=[1]), "unknown message 1"),
        (damaged(parent="nowhere"), "message 1 answers the unknown message"),
        (damaged(role="user"), "out of turn"),
        (damaged(role="system"), "out of turn"),
        (damaged(status="odd"), "unknown status"),
        (damaged(content=5), "content"),
        (damaged(error={}), "error"),
        (damaged(error={"message": "", "hint": "", "more": []}), "error"),
        (damaged(content="\ud83d"), "UTF-8"),
        (damaged(seed=True), "seed"),
        (damaged(seed=-1), "seed"),
        (damaged(seed=2**53), "seed"),
        (damaged(stats={"zz": 1}), "stats"),
        (damaged(stats={"tokens": 1, "zz": 1}), '"zz" in "stats"'),
        (damaged(stats={"tokens": 1, "tokens_per_second": "fast"}), '"tokens_per_second" in "stats"'),
        (damaged(stats={"tokens": True}), '"tokens" in "stats"'),
        (damaged(stats={"tokens": 1, "first_token": float("nan")}), '"first_token" in "stats"'),
        (damaged(beside="nowhere"), "beside"),
        (damaged(beside=5), "beside"),
        (damaged(sampling={"temperature": -1}), "sampling"),
        (damaged(sampling={"warmth": 1}), "sampling"),
        (damaged(sampling={"order": 5}), "sampling"),
        (damaged(sampling={"temperature": 10**400}), "sampling"),
        (damaged(sent=[]), "sent"),
        (damaged(sent={"system": 5, "switches": {}}), '"system" in "sent"'),
        (damaged(sent={"system": "", "switches": {"x": 1}}), '"switches" in "sent"'),
        (damaged(sent={"system": "", "switches": {}, "left_out": -1, "ids": ""}), '"left_out" in "sent"'),
        (damaged(sent={"system": "", "switches": {}, "left_out": 1}), '"ids" in "sent"'),
        ("[" * 100_000, "nested|JSON"),
        ('{"a":' * 100_000, "nested|JSON"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(text: str, says: str):
    with pytest.raises(InvalidData, match=says) as refused:
        Conversation.from_json(text)
    assert refused.value.hint


def test_a_path_that_skips_a_message_is_refused():
    whole = json.loads(talk().to_json())
    del whole["path"][0]
    with pytest.raises(InvalidData, match="does not follow"):
        Conversation.from_json(json.dumps(whole))


@pytest.mark.parametrize("index", [-1, 1, 0.5, None, "0"])
def test_a_version_that_is_not_there_is_refused(index: int):
    conversation = talk()
    with pytest.raises(InvalidData, match="no version"):
        conversation.switch(conversation.path()[0].id, index)
    assert said(conversation) == ["Hi", "Hello", "Why?"]


def two() -> tuple[Conversation, list[str]]:
    """A question with two answers beside each other and a third version; the ids of the four."""
    conversation = Conversation()
    question = conversation.add("user", "Hi", None)
    left = conversation.add("assistant", "Hello", question.id)
    right = conversation.add("assistant", "Good day", question.id, beside=left.id)
    third = conversation.add("assistant", "Hey", question.id)
    return conversation, [one.id for one in (question, left, right, third)]


def test_two_answers_stand_beside_each_other_until_one_is_chosen():
    conversation, (question, left, right, third) = two()
    assert [conversation.pair(id) is None for id in (question, left, right, third)] == [
        True,
        False,
        False,
        True,
    ]
    assert conversation.rows()[1]["beside"] is None
    conversation.switch(right, 1)
    row = conversation.rows()[1]
    assert (row["id"], row["version"], row["beside"]["id"], row["beside"]["version"]) == (right, 1, left, 0)
    assert "beside" not in row["beside"]
    again = Conversation.from_json(conversation.to_json())
    assert again.rows() == conversation.rows()
    conversation.settle(left)
    assert said(conversation) == ["Hi", "Hello"]
    assert conversation.pair(right) is None
    assert [row["versions"] for row in conversation.rows()] == [1, 3]
    assert conversation.settle(third).content == "Hey"


def test_an_answer_stands_beside_one_other_only():
    conversation, (question, left, right, third) = two()
    for beside in (left, right, question):
        conversation.update(third, beside=beside)
        with pytest.raises(InvalidData, match="no other answer alone"):
            Conversation.from_json(conversation.to_json())
