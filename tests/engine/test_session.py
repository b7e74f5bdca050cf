from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb import Sampling, Session
from influence_nb.errors import (
    CapabilityMissing,
    ContextTooLong,
    InfluenceError,
    InvalidData,
    InvalidSampling,
)

GREEDY = Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=10)
TURNS = ["hello world", "the quick brown fox", "how are you today?", "lazy dog"]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "mixtral", "gpt2", "mamba"])
def test_every_turn_equals_a_fresh_run(load: Callable[..., inb.Model], kind: str) -> None:
    model = load(kind)
    session = model.session(sampling=GREEDY)
    for turn, text in enumerate(TURNS):
        completion = session.send(text, seed=turn, temperature=0.0 if turn % 2 else 1.0)
        fresh = model.generate(session.messages[:-1], GREEDY, seed=turn, temperature=0.0 if turn % 2 else 1.0)
        assert completion.ids == fresh.ids
        assert fresh.usage.cached_tokens == 0
    assert [message["role"] for message in session.messages] == ["user", "assistant"] * len(TURNS)


def test_a_turn_costs_only_what_is_new(model: inb.Model) -> None:
    session = model.session(sampling=GREEDY)
    session.send(TURNS[0])
    before = session.completion.usage
    after = session.send(TURNS[1]).usage
    assert after.cached_tokens >= before.prompt_tokens
    assert after.prompt_tokens > after.cached_tokens


def test_editing_the_past_reuses_what_still_holds(model: inb.Model) -> None:
    session = model.session("be brief", GREEDY)
    for text in TURNS[:3]:
        session.send(text)
    session.messages[2]["content"] = "the quick red fox"
    del session.messages[3:]
    stream = session.reply()
    edited = stream.completion
    assert 0 < edited.usage.cached_tokens < edited.usage.prompt_tokens
    fresh = model.generate([{"role": "system", "content": "be brief"}, *session.messages[:-1]], GREEDY)
    assert edited.ids == fresh.ids
    assert len(session.messages) == 4


def test_a_cancelled_answer_stays_and_the_conversation_goes_on(model: inb.Model) -> None:
    session = model.session(sampling=GREEDY.replace(max_new_tokens=100))
    cancel = threading.Event()
    stream = session.stream("hello", cancel=cancel)
    next(stream)
    cancel.set()
    list(stream)
    assert session.completion.finish_reason == "cancelled"
    assert session.messages[-1] == {"role": "assistant", "content": session.completion.text}
    completion = session.send("lazy dog", max_new_tokens=5)
    assert completion.ids == model.generate(session.messages[:-1], GREEDY, max_new_tokens=5).ids


def test_a_stream_that_is_dropped_counts_as_cancelled(model: inb.Model) -> None:
    session = model.session(sampling=GREEDY.replace(max_new_tokens=100))
    stream = session.stream("hello")
    next(stream)
    stream.close()
    assert [message["role"] for message in session.messages] == ["user", "assistant"]
    assert session.completion.finish_reason == "cancelled"


@pytest.mark.parametrize("passes", [3, 4, 9])
def test_an_interrupt_is_a_cancel_and_goes_on(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    session = model.session(sampling=GREEDY.replace(max_new_tokens=150, min_new_tokens=150))
    forward, main, left = model.network.forward, threading.get_ident(), [passes]

    def interrupting(*args: object, **options: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            signal.pthread_kill(main, signal.SIGINT)
        return forward(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", interrupting)
        with pytest.raises(KeyboardInterrupt) as interrupted:
            session.send("hello")
    said, came = session.messages
    assert said == {"role": "user", "content": "hello"}
    assert came == {"role": "assistant", "content": session.completion.text}
    assert session.completion.finish_reason == "cancelled"
    assert passes - 1 <= session.completion.usage.completion_tokens < 150
    assert interrupted.tb is not None, "whoever keeps the traceback keeps the stream"
    assert not model.is_busy
    completion = session.send("lazy dog", max_new_tokens=5, min_new_tokens=0)
    assert completion.ids == model.generate(session.messages[:-1], GREEDY, max_new_tokens=5).ids


def test_it_shows_its_model_its_messages_and_its_tokens(load: Callable[..., inb.Model]) -> None:
    model = load("qwen3")
    session = model.session(sampling=GREEDY)
    assert repr(session) == f"Session({model.name!r}, 0 messages, 0 tokens used)"
    session.messages = [{"role": "user", "content": "hello world " * 300}]
    used = session.context_used
    assert used > 1000
    assert repr(session) == f"Session({model.name!r}, 1 message, {used:,} tokens used)"
    session.messages.append({"role": "user"})
    assert repr(session) == f"Session({model.name!r}, 2 messages)", "what cannot be counted is left out"


def test_a_stream_that_is_never_read_leaves_nothing(model: inb.Model) -> None:
    session = model.session(sampling=GREEDY)
    stream = session.stream("hello")
    assert session.messages == []
    stream.close()
    del stream
    assert session.messages == []


def test_after_a_failure_the_conversation_is_as_before(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = model.session(sampling=GREEDY)
    session.send("hello")
    before = [dict(message) for message in session.messages]
    with pytest.raises(InvalidSampling):
        session.send("more", top_p=7)
    assert session.messages == before

    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("not enough memory: you tried to allocate 8 bytes")

    with monkeypatch.context() as patch:
        patch.setattr(model.network, "forward", broken)
        with pytest.raises(inb.errors.OutOfMemory):
            session.send("more")
    assert session.messages == before
    completion = session.send("more")
    assert completion.ids == model.generate(session.messages[:-1], GREEDY).ids


def test_a_full_context_stops_or_drops_the_oldest_as_stated(model: inb.Model) -> None:
    long = "the quick brown fox jumps over the lazy dog " * 4
    stopping = model.session(sampling=GREEDY)
    for _ in range(3):
        if stopping.context_used + len(model.encode(long)) < 240:
            stopping.send(long)
    with pytest.raises(ContextTooLong, match="256") as refused:
        stopping.send(long)
    assert "drop_oldest" in refused.value.hint
    assert stopping.messages[-1]["role"] == "assistant"

    dropping = model.session(sampling=GREEDY, when_full="drop_oldest")
    for _ in range(8):
        completion = dropping.send(long)
        assert completion.usage.prompt_tokens + 10 <= 256
    assert dropping.dropped > 0
    asking = model.session(sampling=GREEDY, when_full="drop_oldest")
    asking.messages = [*dropping.messages, {"role": "user", "content": long}]
    tokens = asking.rendered()[1]
    asking.reply().close()
    assert [token for token, _ in tokens] == list(asking.prompt_ids)
    assert asking.dropped > 0
    assert len(dropping.messages) == 16
    with pytest.raises(ContextTooLong):
        dropping.send(long * 8)
    with pytest.raises(InvalidData):
        model.session(when_full="explode")


def test_a_message_that_fits_is_answered_whatever_happens_when_full(model: inb.Model) -> None:
    text = "x " * 110
    for when_full in ("stop", "drop_oldest"):
        session = model.session(sampling=GREEDY, when_full=when_full)
        assert session.send(text).usage.prompt_tokens > 256 - 64


def test_a_cancel_before_the_first_token_leaves_no_empty_answer(model: inb.Model) -> None:
    session, cancel = model.session(sampling=GREEDY), threading.Event()
    cancel.set()
    assert session.send("hello", cancel=cancel).finish_reason == "cancelled"
    assert session.messages == []


def test_a_session_answers_one_question_at_a_time(model: inb.Model) -> None:
    session = model.session(sampling=GREEDY)
    stream = session.stream("hello")
    next(stream)
    with pytest.raises(InfluenceError, match="still answering"):
        session.send("and more")
    list(stream)
    assert session.send("and more").ids
    assert [message["role"] for message in session.messages] == ["user", "assistant"] * 2


def test_a_save_that_fails_leaves_the_file_as_it_was(model: inb.Model, tmp_path: Path) -> None:
    session = model.session(sampling=GREEDY)
    session.send("hello")
    before = session.save(tmp_path / "talk.json").read_bytes()
    session.messages.append({"role": "user", "content": "half a \ud800 character"})
    with pytest.raises(InvalidData, match="cannot be written"):
        session.save(tmp_path / "talk.json")
    assert (tmp_path / "talk.json").read_bytes() == before
    with pytest.raises(InvalidData, match="cannot be written"):
        session.save(tmp_path / "nowhere" / "talk.json")


def test_saved_and_loaded_it_goes_on_the_same(model: inb.Model, tmp_path: Path) -> None:
    session = model.session("be brief", GREEDY.replace(stop=("zzz",)), switches={"enable_thinking": False})
    session.send("hello")
    again = Session.load(session.save(tmp_path / "talk.json"), model)
    assert (again.messages, again.system, again.sampling) == (
        session.messages,
        session.system,
        session.sampling,
    )
    assert again.send("how are you?").ids == session.send("how are you?").ids


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', '{"format": "influence_nb session"}'])
def test_a_file_that_is_no_session_is_refused(model: inb.Model, tmp_path: Path, content: str) -> None:
    file = tmp_path / "no.json"
    file.write_text(content)
    with pytest.raises(InvalidData, match=r"no\.json"):
        Session.load(file, model)


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"system": 5}, {"messages": [{"role": "user", "content": None}]}, {"messages": 7}],
)
def test_a_session_with_wrong_parts_is_refused(
    model: inb.Model, tmp_path: Path, change: dict[str, object]
) -> None:
    file = model.session(sampling=GREEDY).save(tmp_path / "talk.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InvalidData, match=r"talk\.json"):
        Session.load(file, model)
    with pytest.raises(InvalidData, match="nothing"):
        Session.load(tmp_path / "nothing.json", model)


def test_what_was_sent_can_be_seen(model: inb.Model) -> None:
    session = model.session("be brief")
    session.messages.append({"role": "user", "content": "hello"})
    text, tokens = session.rendered()
    assert (
        text
        == "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "".join(piece for _, piece in tokens) == text
    assert [token for token, _ in tokens] == model.encode(text, special=False)
    assert session.context_used == len(tokens)


def test_a_model_without_a_template_says_so(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.tokenizer, "chat_template", None)
    with pytest.raises(CapabilityMissing, match="chat template"):
        model.session()
    with pytest.raises(CapabilityMissing, match="chat template"):
        model.generate([{"role": "user", "content": "hello"}])


def test_unloading_frees_the_cache(tiny_folder: Callable[..., Path]) -> None:
    model = inb.load(tiny_folder("gpt2"), device="cpu", dtype="float32")
    session = model.session(sampling=GREEDY)
    session.send("hello")
    assert len(session._prefix) > 0
    model.unload()
    assert len(session._prefix) == 0
