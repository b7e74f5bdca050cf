"""Models on a server: what is sent, what comes back, and what is kept of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.api import as_recorded
from influence_nb.errors import CapabilityMissing, InfluenceError, InvalidData, InvalidSampling, ModelNotFound
from tests.chat_server import ChatServer

HI = [{"role": "user", "content": "Hi"}]
LLAMA = {"/props": {"default_generation_settings": {"n_ctx": 2048}, "build_info": "b9000"}}
VLLM = [{"id": "big", "owned_by": "vllm", "max_model_len": 4096}]
SERVE = {"/openapi.json": {"paths": {"/load_model": {}, "/v1/chat/completions": {}}}}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.fixture
def model(server: ChatServer) -> Iterator[inb.Model]:
    made = inb.load(endpoint=server.url)
    yield made
    made.unload()


def test_messages_and_text_are_streamed_and_counted(server: ChatServer, model: inb.Model):
    stream = model.stream(HI, temperature=0.5, seed=3, stop=["END"], presence_penalty=1, logit_bias={5: -1.5})
    events = list(stream)
    assert [event.text for event in events] == ["Hello", " there", ".", ""]
    assert [event.is_token for event in events] == [True, True, True, False]
    assert events[-1].finish_reason == "stop"
    done = stream.completion
    assert (done.text, done.usage.prompt_tokens, done.usage.completion_tokens) == ("Hello there.", 7, 3)
    assert done.timings.total >= done.timings.first_token > 0
    assert len(done.to_frame()) == 3
    assert server.posts[0].path == "/v1/chat/completions"
    assert server.posts[0].body == {
        "model": "talker", "messages": HI, "stream": True, "stream_options": {"include_usage": True},
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 512, "seed": 3, "stop": ["END"], "presence_penalty": 1.0,
        "logit_bias": {"5": -1.5},
    }  # fmt: skip
    assert model.generate("Once", max_new_tokens=2).finish_reason == "length"
    assert server.posts[1].path == "/v1/completions"
    assert server.posts[1].body["prompt"] == "Once"


def test_a_receipt_says_where_and_how_and_leaves_open_what_is_not_known(server: ChatServer, model: inb.Model):
    receipt = model.generate([1, 2, 3], seed=9).receipt
    assert (receipt.runtime, receipt.endpoint, receipt.seed) == ("endpoint", server.url, 9)
    assert receipt.prompt_ids == (1, 2, 3)
    again = inb.load(receipt.model, **as_recorded(receipt.to_dict()))
    assert again.arguments == model.arguments
    again.unload()
    assert receipt.sampling["repetition_penalty"] == 1.0  # what the server does not take was not in force
    assert (receipt.files, receipt.template_sha256, receipt.batch_shape) == ({}, None, None)
    assert receipt.output_ids == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("framed", ["chunk", "byte"])
def test_streams_are_read_however_they_are_cut(
    server: ChatServer, model: inb.Model, newline: str, framed: str
):
    server.pieces = ["Grüße", " \U0001f600", " aus", " 東京"]
    server.newline, server.framed, server.comments = newline, framed, True
    assert model.generate(HI).text == "Grüße \U0001f600 aus 東京"
    server.done = server.usage = False
    done = model.generate(HI)
    assert (done.text, done.usage.prompt_tokens) == ("Grüße \U0001f600 aus 東京", None)
    assert done.usage.completion_tokens == 4


def test_a_whole_answer_instead_of_a_stream_is_taken_too(server: ChatServer, model: inb.Model):
    message = {"message": {"content": "All at once."}, "finish_reason": "length"}
    server.faults = [lambda handler: handler.answer(200, {"choices": [message]}) or True]
    done = model.generate(HI)
    assert (done.text, done.finish_reason) == ("All at once.", "length")


def test_stop_strings_hold_whatever_the_server_does(server: ChatServer, model: inb.Model):
    server.pieces = ["one", " tw", "o th", "ree", " four"]
    done = model.generate(HI, stop=["two th"])
    assert (done.text, done.finish_reason) == ("one ", "stop")


def test_thoughts_that_a_server_tells_apart_stand_between_marks(server: ChatServer, model: inb.Model):
    def think(handler: Any) -> bool:
        import json

        deltas = [{"reasoning_content": "Hm"}, {"reasoning_content": "."}, {"content": "Yes"}]
        handler.stream(iter([*(json.dumps({"choices": [{"delta": one}]}) for one in deltas), "[DONE]"]))
        return True

    server.faults = [think]
    assert model.generate(HI).text == "<think>\nHm.\n</think>\n\nYes"


def test_logprobs_stand_where_they_are_true(server: ChatServer):
    server.logprobs, neutral = [-0.5, -1.0, -2.0], {"temperature": 1, "top_p": None, "repetition_penalty": 1}
    other = inb.load(endpoint=server.url)
    unknown = other.generate(HI)  # raw, or after the sampler? An unknown server may mean either
    assert {(event.logprob_raw, event.logprob_sampled) for event in unknown.tokens} == {(None, None)}
    same = other.generate("Once", **neutral)
    assert [event.logprob_raw for event in same.tokens] == [-0.5, -1.0, -2.0]
    assert [event.logprob_sampled for event in same.tokens] == [-0.5, -1.0, -2.0]
    other.unload()
    server.pages = LLAMA
    llama = inb.load(endpoint=server.url)
    raw = llama.generate(HI, temperature=0)
    assert [(event.logprob_raw, event.logprob_sampled) for event in raw.tokens] == [
        (-0.5, 0),
        (-1, 0),
        (-2, 0),
    ]
    assert raw.ids == [100, 101, 102] == list(raw.receipt.output_ids)
    llama.unload()


def test_fields_that_can_be_done_without_are_left_out_where_they_are_refused(
    server: ChatServer, model: inb.Model
):
    server.knows = {"model", "messages", "stream", "temperature", "top_p", "max_tokens"}
    done = model.generate(HI, temperature=1, top_p=None, repetition_penalty=1)
    assert (done.text, done.usage.prompt_tokens, done.receipt.seed) == ("Hello there.", None, None)
    asked = len(server.posts)
    model.generate(HI)
    assert len(server.posts) == asked + 1  # it remembers
    with pytest.raises(InfluenceError, match="presence_penalty"):
        model.generate(HI, presence_penalty=1)


KINDS = [
    ("OpenAI's protocol", {}, {}, {"top_k": 5, "min_p": 0.1, "typical_p": 0.5, "repetition_penalty": 1.2,
                                   "penalty_window": 9, "min_new_tokens": 2}),
    ("vLLM", {"models": VLLM, "pages": {"/version": {"version": "0.20"}}},
     {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.1, "min_tokens": 0}, {"typical_p": 0.5, "penalty_window": 9}),
    ("llama.cpp", {"pages": LLAMA},
     {"top_k": 0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.1, "repeat_last_n": -1}, {"min_new_tokens": 2}),
    ("Ollama", {"pages": {"/api/version": {"version": "0.40"}}}, {}, {"top_k": 5, "logit_bias": {1: 1.0}}),
    ("transformers serve", {"pages": SERVE}, {}, {"presence_penalty": 1, "frequency_penalty": 1, "penalty_window": 9}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "about", "sent", "refused"), KINDS, ids=[one[0] for one in KINDS])
def test_each_kind_of_server_is_asked_in_its_own_words(
    server: ChatServer, kind: str, about: dict[str, Any], sent: dict[str, Any], refused: dict[str, Any]
):
    for name, value in about.items():
        setattr(server, name, value)
    model = inb.load(endpoint=server.url)
    assert model.report()["server"] == kind
    assert model.generate(HI).text == "Hello there."  # the defaults work everywhere
    body = server.posts[-1].body
    assert {name: body[name] for name in sent} == sent
    assert kind == "transformers serve" or "repetition_penalty" not in body or "repetition_penalty" in sent
    for name, value in {**refused, "order": ("temperature",)}.items():
        with pytest.raises(InvalidSampling, match=name) as error:
            model.generate(HI, **{name: value})
        assert error.value.field == name
        assert kind in error.value.message
    with pytest.raises(InvalidSampling, match="logit_bias"):
        model.generate(HI, logit_bias={3: float("-inf")})
    model.generate(HI, min_p=0.0, typical_p=1.0, repetition_penalty=1.0)  # these change nothing anywhere
    model.unload()


def test_what_a_server_tells_of_its_model_is_reported(server: ChatServer):
    server.models = VLLM
    model = inb.load("big", endpoint=server.url)
    assert model.context_length == 4096
    assert model in inb.loaded()
    assert repr(model) == f"Model('big', {server.url})"
    assert model is inb.load(endpoint=server.url + "/") is inb.load(endpoint=server.url.removesuffix("/v1"))
    model.unload()
    assert model not in inb.loaded()
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.generate(HI)
    with pytest.raises(CapabilityMissing, match="another machine"):
        inb.fit(model)


def test_which_model_is_meant(server: ChatServer):
    server.models = [{"id": "one"}, {"id": "two:latest"}]
    with pytest.raises(ModelNotFound) as error:
        inb.load(endpoint=server.url)
    assert "'one', 'two:latest'" in error.value.hint
    with pytest.raises(ModelNotFound, match="has no model 'three'"):
        inb.load("three", endpoint=server.url)
    assert inb.load("two", endpoint=server.url).name == "two:latest"
    server.models = []
    with pytest.raises(ModelNotFound, match="has no models"):
        inb.load(endpoint=server.url)
    assert inb.load("anything", endpoint=server.url).generate(HI).text == "Hello there."


def test_how_long_it_stays_is_the_servers_business_and_once_it_is_gone_there_is_no_session(
    server: ChatServer,
):
    model = inb.load(endpoint=server.url)
    with pytest.raises(InvalidData, match="keep_alive cannot be chosen for a model on a server"):
        model.keep_alive = "5m"
    assert model.keep_alive is None
    with pytest.raises(InvalidData, match="quality='yes'"):
        model.report(quality="yes")
    model.unload()
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.session()


def test_a_name_and_a_port_are_an_address(server: ChatServer):
    port = server.url.removesuffix("/v1").rpartition(":")[2]
    for written in (f"127.0.0.1:{port}", f"127.0.0.1:{port}/", f" 127.0.0.1:{port}/v1"):
        model = inb.load(endpoint=written)
        assert model.report()["endpoint"] == server.url
        model.unload()
    model = inb.load(endpoint=f"localhost:{port}")
    assert model.report()["endpoint"] == f"http://localhost:{port}/v1"
    assert model.generate(HI).text == "Hello there."
    model.unload()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"endpoint": "127.0.0.1"}, "not the address of a server"),
        ({"endpoint": "http://host:99999/v1"}, "not the address of a server"),
        ({"endpoint": "host:99999/v1"}, "not the address of a server"),
        ({"endpoint": "ftp://host:21/v1"}, "not the address of a server"),
        ({"endpoint": 8000}, "not the address of a server"),
        ({"endpoint": "http://127.0.0.1:1/v1", "key": "a b"}, "holds a space"),
        ({"endpoint": "http://me:pw@127.0.0.1:1/v1", "key": "k"}, "beside an address"),
        ({"endpoint": "http://127.0.0.1:1/v1", "model": 3}, "known by its name"),
        ({"endpoint": "http://127.0.0.1:1/v1", "device": "cuda"}, "cannot be chosen"),
        (
            {"endpoint": "http://127.0.0.1:1/v1", "trust_remote_code": True},
            "trust_remote_code cannot be chosen",
        ),
        ({"endpoint": "http://127.0.0.1:1/v1", "runtime": "transformers"}, "does not run models on a server"),
        ({"runtime": "endpoint"}, "needs a server's address"),
        ({"runtime": "magic"}, "is not a runtime"),
        ({"key": "k"}, "no endpoint to use it at"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], says: str):
    with pytest.raises(InvalidData, match=says):
        inb.load(**arguments)


def test_prompts_that_cannot_be(server: ChatServer, model: inb.Model):
    for prompt in (
        "",
        [],
        [-1],
        [{"role": "user"}],
        "half \ud83d",
        [{"role": "user", "content": "\ude00"}],
        3,
        [True],
    ):
        with pytest.raises(InvalidData):
            model.generate(prompt)
    assert server.posts == []
    with pytest.raises(CapabilityMissing, match="takes no switches"):
        model.session(switches={"enable_thinking": False}).send("Hi")


def test_a_session_sends_everything_each_time_and_can_be_saved(
    server: ChatServer, model: inb.Model, tmp_path: Any
):
    talk = model.session(system="Be brief.")
    assert talk.send("Hi").text == "Hello there."
    talk.send("Again")
    sent = [message["role"] for message in server.posts[-1].body["messages"]]
    assert sent == ["system", "user", "assistant", "user"]
    assert talk.context_used == 10
    assert '"Again"' in talk.rendered()[0]
    again = inb.Session.load(talk.save(tmp_path / "talk.json"), model)
    assert again.messages == talk.messages


def test_an_interrupt_keeps_what_was_said_and_what_came(server: ChatServer):
    model = inb.load(endpoint=server.url)
    main, seen = threading.get_ident(), threading.Event()

    def interrupt(handler: Any) -> bool:
        handler.some(2)
        assert seen.wait(60)
        signal.pthread_kill(main, signal.SIGINT)
        return bool(handler.hang())

    server.faults = [interrupt]
    talk = model.session()
    with closing(talk.stream("Hi")) as stream, pytest.raises(KeyboardInterrupt):
        any(seen.set() for _ in stream)
    server.gone.get(timeout=60)
    said, came = talk.messages
    assert said == {"role": "user", "content": "Hi"}
    assert came["content"] in ("Hello", "Hello there")
    assert talk.completion is not None
    assert talk.completion.finish_reason == "cancelled"
    assert talk.send("Again").text == "Hello there."
    model.unload()


def test_cancel_close_and_unload_close_the_connection(server: ChatServer):
    model = inb.load(endpoint=server.url)
    silent = lambda handler: handler.some(2) or handler.hang()  # noqa: E731
    server.faults = [silent, silent, silent, lambda handler: handler.hang()]
    cancel = threading.Event()
    stream = model.stream(HI, cancel=cancel)
    assert [next(stream).text, next(stream).text] == ["Hello", " there"]
    cancel.set()
    assert next(stream).finish_reason == "cancelled"
    server.gone.get(timeout=60)
    assert stream.completion.text == "Hello there"

    stream = model.stream(HI)
    next(stream)
    stream.close()
    server.gone.get(timeout=60)
    finished = stream.finished()
    assert finished is not None
    assert finished.finish_reason == "cancelled"

    stream = model.stream(HI)
    next(stream)
    threading.Thread(target=model.unload).start()
    server.gone.get(timeout=60)
    assert [event.finish_reason for event in stream][-1] == "cancelled"

    model = inb.load(endpoint=server.url)
    cancel = threading.Event()
    waits = model.stream(HI, cancel=cancel)  # before a byte has come
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.extend(waits))
    waiting.start()
    while len(server.posts) < 4:
        assert waiting.is_alive()
    cancel.set()
    waiting.join(60)
    server.gone.get(timeout=60)
    assert [event.finish_reason for event in answers] == ["cancelled"]
    model.unload()
