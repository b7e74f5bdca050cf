"""Two answers to one turn: what is sent, what comes, which one goes on, and what stays of the other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from chat_page import WAIT, Page, contents, finish
from fake_model import FakeModel

import influence_nb as inb
from influence_nb.api import loading
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import ContextTooLong, InfluenceError, InvalidData, InvalidSampling, ModelNotFound
from influence_nb.widgets import two
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.reply import Reply, Stream
from influence_nb.widgets.two import warmer


def both(replies: tuple[Reply, Reply]) -> tuple[str, str]:
    """The texts of two answers."""
    left, right = (reply.result(WAIT).text for reply in replies)
    return left, right


def two_models() -> tuple[FakeModel, FakeModel]:
    """The second is loaded first, so that a panel takes the first."""
    second = FakeModel("second", ["Good", " day", "."])
    return FakeModel("first"), second


def test_two_models_answer_one_turn():
    first, second = two_models()
    chat = ChatPanel()
    assert both(chat.compare("Hi", model="second", temperature=0)) == ("Hello there.", "Good day.")
    question, left = chat.messages
    right = left["beside"]
    assert (question["content"], question["beside"]) == ("Hi", None)
    assert (left["content"], left["model"], left["version"]) == ("Hello there.", "first", 0)
    assert (right["content"], right["model"], right["version"]) == ("Good day.", "second", 1)
    assert (left["sampling"]["temperature"], right["sampling"]["temperature"]) == (0.7, 0)
    assert left["seed"] == right["seed"] is not None
    assert left["stats"]["tokens_per_second"] == right["stats"]["tokens_per_second"] == 50.0
    assert (
        first.received[0]["messages"] == second.received[0]["messages"] == [{"role": "user", "content": "Hi"}]
    )
    assert (chat.running, chat.model) == ("", first)
    assert left["pieces"] == [["Hello", False], [" ", True], ["there", False], [".", True]]
    assert "".join(text for text, _ in right["pieces"]) == "Good day."


def test_seeds_are_shared_unless_nothing_else_differs():
    FakeModel()
    chat = ChatPanel()

    def seeds(**settings: float) -> list[int]:
        both(chat.compare("Hi", **settings))
        last = chat.messages[-1]
        return [one["seed"] for one in (last, last["beside"])]

    left, right = seeds(temperature=1.2)
    assert left == right
    left, right = seeds()
    assert left != right
    assert seeds(seed=3, temperature=1.2) == [3, 3]
    left, right = seeds(seed=3)
    assert left != right == 3
    chat.sampling = Sampling(seed=5)
    assert seeds(temperature=1.2) == [5, 5]


def test_the_left_one_goes_on_until_one_is_chosen_and_nothing_is_lost():
    two_models()
    chat = ChatPanel()
    both(chat.compare("Hi", model="second"))
    chat.send("More").result(WAIT)
    assert contents(chat) == ["Hi", "Hello there.", "More", "Hello there."]
    assert chat.messages[1]["beside"]["content"] == "Good day."
    chat.choose(1)
    assert contents(chat) == ["Hi", "Good day."]
    assert chat.messages[1]["beside"] is None
    assert (chat.messages[1]["version"], chat.messages[1]["versions"]) == (1, 2)
    chat.switch(chat.messages[1]["id"], 0)
    assert contents(chat) == ["Hi", "Hello there.", "More", "Hello there."]
    assert chat.messages[1]["beside"] is None


def test_what_is_chosen_is_what_the_model_reads():
    first, _ = two_models()
    chat = ChatPanel()
    both(chat.compare("Hi", model="second"))
    chat.choose(1, chat.messages[1]["id"])
    chat.send("More").result(WAIT)
    assert [one["content"] for one in first.received[-1]["messages"]] == ["Hi", "Good day.", "More"]


def test_stop_stops_both_and_each_can_be_stopped_alone():
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    left, right = chat.compare("Hi")
    left.cancel()
    model.step(4)
    assert left.result(WAIT).finish_reason == "cancelled"
    assert right.result(WAIT).text == "Hello there."
    replies = chat.compare("Hi")
    chat.stop()
    model.step(2)
    assert [one.result(WAIT).finish_reason for one in replies] == ["cancelled", "cancelled"]
    assert chat.running == ""


def test_a_failure_in_one_leaves_the_other_which_then_goes_on():
    first, _ = two_models()
    first.fault = ContextTooLong("It is 90 of 64 tokens.", "Shorten it.")
    chat = ChatPanel()
    left, right = chat.compare("Hi", model="second")
    assert right.result(WAIT).text == "Good day."
    with pytest.raises(ContextTooLong):
        left.result(WAIT)
    assert contents(chat) == ["Hi", "Good day."]
    assert chat.messages[1]["beside"]["status"] == "error"
    assert "pieces" not in chat.messages[1]  # what was not said to the end differs in nothing
    first.fault = None
    chat.send("More").result(WAIT)
    assert [one["content"] for one in first.received[-1]["messages"]] == ["Hi", "Good day.", "More"]


def test_a_page_has_its_message_answered_twice(monkeypatch: pytest.MonkeyPatch):
    _, second = two_models()
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    page.set(two=True)
    assert chat.other_sampling == chat.sampling.replace(temperature=1.2)
    page.set(other_model="second", other_sampling={"temperature": 0.1, "top_k": 4})
    page.send("compare", text="Hi")
    finish(chat)
    assert second.received[-1]["sampling"].top_k == 4
    ids = {one["id"] for one in (chat.messages[1], chat.messages[1]["beside"])}
    assert {one["id"] for one in page.got if one["type"] == "delta"} == ids
    page.send("choose", which=1, id=chat.messages[1]["id"])
    assert contents(chat) == ["Hi", "Good day."]


def test_the_second_answer_is_never_colder():
    assert [warmer(Sampling(temperature=given)).temperature for given in (0.7, 1.8, 3.0)] == [1.2, 2.0, 3.0]


def test_a_second_model_that_somebody_unloads_is_asked_no_more():
    _, second = two_models()
    chat = ChatPanel()
    chat.other_model = "second"
    second.unload()
    assert chat.other_model == ""
    assert both(chat.compare("Hi")) == ("Hello there.", "Hello there.")


def test_a_second_model_is_followed_when_its_name_changes():
    first, second = two_models()
    chat = ChatPanel(model=first)
    chat.other_model = "second"
    FakeModel("second", path="/models/there/fake")
    assert chat.other_model != "second"
    assert chat.other_model in chat.loaded
    assert both(chat.compare("Hi")) == ("Hello there.", "Good day.")
    assert len(second.received) == 1


def test_a_second_model_that_went_by_itself_is_loaded_again(monkeypatch: pytest.MonkeyPatch):
    first, second = two_models()
    chat = ChatPanel(model=first)
    chat.other_model = "second"
    again: list[FakeModel] = []

    def load(**arguments: object) -> FakeModel:
        assert arguments == {"model": "second", "keep_alive": 1}
        again.append(FakeModel("second", ["Back", "."]))
        return again[0]

    monkeypatch.setattr(loading, "load", load)
    second.arguments, second.keep_alive = {"model": "second"}, 1
    assert second.use.claim(leaves=True)
    second.unload()
    assert chat.other_model == "second"
    assert both(chat.compare("Hi")) == ("Hello there.", "Back.")
    both(chat.compare("Hi"))
    assert (len(again), len(again[0].received), len(second.received)) == (1, 2, 0)
    again[0].unload()
    assert chat.other_model == ""


def test_two_answers_are_compared_while_the_panel_is_free_and_once(monkeypatch: pytest.MonkeyPatch):
    free: list[bool] = []

    def compared(text: str, other: str) -> list[tuple[str, bool]]:
        def enter() -> None:
            if chat._lock.acquire(timeout=5):
                free.append(True)
                chat._lock.release()

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(6)
        return [(text, False)]

    monkeypatch.setattr(two, "differences", compared)
    second = FakeModel("second", ["Never", " said"], stepwise=True)
    FakeModel("first", ["Nor", " this"])
    chat = ChatPanel()
    left, right = chat.compare("Hi", model="second")
    left.result(WAIT)
    second.step(2)
    right.result(WAIT)
    assert free == [True, True]
    assert chat.messages[1]["pieces"] == [["Nor this", False]]


def test_many_pairs_are_compared_once():
    pairs = [(f"Left {number}", f"Right {number}") for number in range(200)]
    two._differences.cache_clear()
    for _ in range(2):
        two.with_differences(
            {"status": "done", "content": left, "beside": {"status": "done", "content": right}}
            for left, right in pairs
        )
    assert two._differences.cache_info().misses == 400


def test_a_page_that_joins_gets_both_texts_so_far(monkeypatch: pytest.MonkeyPatch):
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    page = Page(chat, monkeypatch)
    replies = chat.compare("Hi")
    page.got.clear()
    page.send("hello")
    assert [one["type"] for one in page.got] == ["snapshot", "snapshot"]
    model.step(6)
    both(replies)


def test_bad_input_is_refused_and_the_conversation_is_as_before():
    FakeModel()
    chat = ChatPanel()
    with pytest.raises(ModelNotFound):
        chat.compare("Hi", model="another")
    with pytest.raises(InvalidSampling):
        chat.compare("Hi", temperature=-1)
    with pytest.raises(InvalidSampling):
        chat.compare("Hi", "hot")
    with pytest.raises(InvalidData, match="3 is no model"):
        chat.compare("Hi", model=3)
    with pytest.raises(InvalidData):
        chat.compare(3)
    with pytest.raises(InvalidData, match="no two answers"):
        chat.choose(0)
    assert (chat.messages, chat.running) == ([], "")
    both(chat.compare("Hi"))
    with pytest.raises(InvalidData, match="which=2"):
        chat.choose(2)


def test_while_they_are_written_none_is_chosen():
    model = FakeModel(stepwise=True)
    chat = ChatPanel()
    replies = chat.compare("Hi")
    with pytest.raises(InfluenceError, match="still being written"):
        chat.choose(0)
    model.step(6)
    both(replies)


def test_a_message_is_answered_twice_again_or_in_another_version():
    model = FakeModel()
    chat = ChatPanel()
    chat.send("Hi").result(WAIT)
    both(chat.compare(temperature=1))
    assert contents(chat) == ["Hi", "Hello there."]
    assert (chat.messages[1]["version"], chat.messages[1]["beside"]["version"]) == (1, 2)
    both(chat.compare("Good day", id=chat.messages[0]["id"]))
    assert contents(chat) == ["Good day", "Hello there."]
    assert chat.messages[0]["versions"] == 2
    assert [one["messages"] for one in model.received[-2:]] == [[{"role": "user", "content": "Good day"}]] * 2
    with pytest.raises(InvalidData, match="not answered"):
        chat.compare("No", id=chat.messages[1]["id"])


def test_a_file_keeps_both(tmp_path: Path):
    two_models()
    chat = ChatPanel()
    both(chat.compare("Hi", model="second"))
    before = chat.messages
    chat.save(tmp_path / "chat.json")
    chat.clear()
    chat.load(tmp_path / "chat.json")
    assert [{**one, "kept": True} for one in (chat.messages[1], chat.messages[1]["beside"])] == [
        {**one, "beside": {**before[1]["beside"], "kept": False}} if "beside" in one else one
        for one in (before[1], before[1]["beside"])
    ]
    chat.choose(1)
    assert contents(chat) == ["Hi", "Good day."]


def test_a_saved_notebook_shows_both_with_what_differs_marked():
    two_models()
    chat = ChatPanel()
    both(chat.compare("Hi", model="second"))
    page = chat.static_html()
    assert "<strong>first</strong>" in page
    assert "<strong>second</strong>" in page
    marked = [one.partition(">")[2].partition("<")[0] for one in page.split("<mark")[1:]]
    assert marked == ["Hello", "there", "Good", "day"]
    assert page.index("goes on with this one") < page.index("second")


SAMPLING = Sampling(temperature=0.9, max_new_tokens=12, min_new_tokens=12, seed=7)


@pytest.fixture
def real(model: inb.Model) -> ChatPanel:
    """A chat with a tiny model in float32."""
    return ChatPanel(model=model, sampling=SAMPLING)


def test_the_same_settings_and_seed_give_the_same_text_in_one_batch(real: ChatPanel):
    left, right = real.compare("Hi", seed=7)
    assert left.result(WAIT).ids == right.result(WAIT).ids
    assert left.result().receipt.batch_shape[0] == 2
    assert all(same for _, same in real.messages[1]["pieces"])


def test_each_of_two_equals_a_single_answer_under_its_settings(real: ChatPanel):
    real.send("Hi").result(WAIT)
    pair = [reply.result(WAIT) for reply in real.compare("And more?", temperature=1.5, top_k=20)]
    assert pair[0].ids != pair[1].ids
    alone = [real.model.session(sampling=SAMPLING, switches={}) for _ in range(2)]
    history = [{"role": one["role"], "content": one["content"]} for one in real.messages[:3]]
    for session, completion, overrides in zip(
        alone, pair, ({}, {"temperature": 1.5, "top_k": 20}), strict=True
    ):
        session.messages = list(history)
        assert session.reply(**overrides).completion.ids == completion.ids


def test_one_of_a_batch_that_is_refused_leaves_the_other(real: ChatPanel):
    left, right = real.compare("Hi", logit_bias={10**6: 1.0})
    assert len(left.result(WAIT).ids) == 12
    with pytest.raises(InvalidSampling, match="outside the vocabulary"):
        right.result(WAIT)
    assert real.messages[1]["beside"]["status"] == "error"


def test_one_of_a_batch_is_stopped_alone_and_both_before_they_begin(real: ChatPanel):
    left, right = real.compare("Hi")
    left.cancel()
    assert len(right.result(WAIT).ids) == 12
    assert left.result(WAIT).finish_reason in ("cancelled", "length")
    replies = real.compare("Hi")
    real.stop()  # which may come before the first token, or after the last
    assert {one.result(WAIT).finish_reason for one in replies} <= {"cancelled", "length"}
    assert real.running == ""


def test_a_batch_that_begins_anew_replaces_the_text_so_far():
    posted: list[dict[str, object]] = []
    stream = Stream("id", posted.append)
    stream.begin_again()
    assert posted == []
    stream.add(TokenEvent(0, 5, "Hel"))
    stream.begin_again()
    stream.add(TokenEvent(0, 5, "Hel"))
    assert [(one["type"], one["text"]) for one in posted] == [
        ("delta", "Hel"),
        ("snapshot", ""),
        ("delta", "Hel"),
    ]
