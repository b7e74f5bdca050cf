"""A GGUF file that llama.cpp runs: answers, sessions, cancelling, what bad input gets, and memory that comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.api import as_recorded
from influence_nb.engine import device as devices
from influence_nb.engine import keeping
from influence_nb.errors import (
    BrokenModel,
    CapabilityMissing,
    ContextTooLong,
    InvalidData,
    InvalidSampling,
    MissingExtra,
    UnsupportedModel,
)
from tests.engine.gguf import bare

pytest.importorskip("xllamacpp", reason="the extra llamacpp is not installed")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.starter

GREEDY: dict[str, Any] = {"temperature": 0.0, "top_p": None, "repetition_penalty": 1.0}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """llama.cpp takes as many threads as torch; on a busy machine they wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def model(file: Path) -> Iterator[Any]:
    model = inb.load(file, runtime="llama.cpp")
    yield model
    model.unload()


def test_a_completion_says_what_it_was_made_from(model: Any) -> None:
    made = model.generate("The capital of France is", max_new_tokens=6, **GREEDY)
    assert "Paris" in made.text
    assert (made.finish_reason, made.usage.completion_tokens, made.usage.prompt_tokens) == ("length", 6, 5)
    assert model.decode(made.ids) == made.text
    assert all(event.logprob_raw < 0 and event.logprob_sampled == 0 for event in made.tokens)
    receipt = made.receipt
    assert (receipt.runtime, receipt.dtype, receipt.device) == ("llama.cpp", "Q4_1", "cpu")
    assert "xllamacpp" in receipt.versions
    assert list(receipt.output_ids) == made.ids
    assert list(receipt.files) == [model.local.path.name]
    assert model.report()["runtime"] == "llama.cpp"
    assert inb.load(model.local.path, **as_recorded(receipt.to_dict())) is model


def test_the_same_seed_gives_the_same_text_and_another_one_another(model: Any) -> None:
    first, again, other = (
        model.generate("Once upon a time", max_new_tokens=12, temperature=1.2, seed=seed)
        for seed in (2**40 + 1, 2**40 + 1, 7)
    )
    assert first.ids == again.ids != other.ids
    assert {event.logprob_sampled for event in first.tokens} == {None}, "not known, so not said"


def test_nothing_but_the_model_itself_is_one_kind_of_logprob(model: Any) -> None:
    made = model.generate("Once", max_new_tokens=3, temperature=1.0, top_p=None, repetition_penalty=1.0)
    assert all(event.logprob_raw == event.logprob_sampled for event in made.tokens)


def test_a_session_reuses_what_llama_cpp_has_in_its_cache(model: Any) -> None:
    session = model.session(system="Be brief.")
    first = session.send("Say hello.", max_new_tokens=8, **GREEDY)
    second = session.send("Once more.", max_new_tokens=8, **GREEDY)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert model.generate(list(session.prompt_ids), max_new_tokens=8, **GREEDY).usage.cached_tokens == 0
    assert session.prompt_ids == tuple(model.encode(model.render(
        [{"role": "system", "content": "Be brief."}, *session.messages[:-1]]), special=False))  # fmt: skip
    assert "".join(text for _, text in session.rendered()[1]) == session.rendered()[0]


def test_its_tokenizer_and_template_are_those_of_the_same_model_in_transformers(model: Any) -> None:
    messages = [{"role": "user", "content": "Is 2 > 1? Ça va \U0001f642"}]
    with_transformers = inb.load("starter/chat", device="cpu")
    assert model.render(messages) == with_transformers.render(messages)
    text = model.render(messages) + "naïve\n\n  x=10**3; \U0001f99c\U0001f1eb\U0001f1f7"
    ids = model.encode(text, special=False)
    assert ids == with_transformers.encode(text, special=False)
    for special in (True, False):
        assert model.decode(ids, special) == with_transformers.decode(ids, special)
    assert model.vocabulary_size == with_transformers.vocabulary_size
    assert model.context_length == with_transformers.context_length


def test_every_token_of_a_character_is_an_event(model: Any) -> None:
    made = model.generate(
        "\U0001f642\U0001f99c\U0001f41b\U0001f642\U0001f99c\U0001f41b\U0001f642\U0001f99c\U0001f41b\U0001f642\U0001f99c\U0001f41b\U0001f642\U0001f99c",
        max_new_tokens=7,
        **GREEDY,
    )
    assert len(made.tokens) == made.usage.completion_tokens == 7
    assert made.tokens[0].text == ""
    assert made.tokens[0].logprob_raw is None
    ids = [event.id for event in made.tokens]
    assert model.decode(ids[:6]) == made.text, "their ids are found again"
    assert ids[6] is None, "but not that of a character which stayed incomplete"


def test_min_new_tokens_keeps_the_turn_open_and_stop_strings_end_it(model: Any) -> None:
    end = model.encode("<|im_end|>", special=False)[0]
    eager = {**GREEDY, "logit_bias": {end: 60.0}}
    prompt = [{"role": "user", "content": "Say ok."}]
    assert model.generate(prompt, max_new_tokens=9, **eager).ids == [end]
    kept = model.generate(prompt, max_new_tokens=9, min_new_tokens=4, **eager)
    assert len(kept.ids) == 5
    assert kept.ids[-1] == end
    assert kept.finish_reason == "stop"
    stopped = model.generate("1, 2, 3, 4,", max_new_tokens=30, stop="6", **GREEDY)
    assert (stopped.text, stopped.finish_reason) == (" 5, ", "stop")


def test_cancelling_while_the_prompt_is_read(model: Any) -> None:
    cancel = threading.Event()
    stream = model.stream([7, 8, 9] * 1000, cancel=cancel)
    threading.Timer(0.2, cancel.set).start()
    assert [event.finish_reason for event in stream] == ["cancelled"]
    assert stream.completion.usage.completion_tokens == 0
    assert model.generate("Fine", max_new_tokens=2, **GREEDY).usage.completion_tokens == 2


def test_cancelling_and_closing_between_tokens(model: Any) -> None:
    cancel = threading.Event()
    seen = []
    for event in model.stream("Once upon a time", cancel=cancel, min_new_tokens=400):
        seen.append(event)
        if len(seen) == 3:
            cancel.set()
    assert seen[-1].finish_reason == "cancelled"
    stream = model.stream("Once upon a time", min_new_tokens=400)
    next(stream)
    stream.close()
    assert stream.finished().finish_reason == "cancelled"


def test_a_batch_keeps_its_order_and_one_that_fails_fails_alone(model: Any) -> None:
    with pytest.raises(inb.errors.BatchIncomplete) as failed:
        model.batch(["One, two,", "", "A, B,"], max_new_tokens=2, **GREEDY)
    one, none, other = failed.value.completions
    assert none is None
    singles = [model.generate(prompt, max_new_tokens=2, **GREEDY).ids for prompt in ("One, two,", "A, B,")]
    assert [one.ids, other.ids] == singles


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("", InvalidData),
        ([10**9], InvalidData),
        ("half \ud800", InvalidData),
        ([5] * 9000, ContextTooLong),
    ],
)
def test_prompts_that_it_cannot_take(model: Any, prompt: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        model.generate(prompt)
    assert refused.value.hint
    assert model.generate("Fine", max_new_tokens=1).usage.completion_tokens == 1


def test_other_things_that_it_cannot(model: Any) -> None:
    with pytest.raises(CapabilityMissing, match=r"llama\.cpp runtime cannot score"):
        model.score("text")
    with pytest.raises(CapabilityMissing, match=r"llama\.cpp runtime cannot tell how probable"):
        model.likelihoods([("a", " b")])
    with pytest.raises(InvalidSampling, match="outside the vocabulary"):
        model.stream("x", logit_bias={10**6: 1.0})
    with pytest.raises(InvalidSampling, match="no token to draw"):
        model.stream("x", logit_bias=dict.fromkeys(range(model.vocabulary_size), float("-inf")))
    with pytest.raises(InvalidData, match="encoded"):
        model.encode("\ud800")


def test_files_that_are_not_whole(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for name, content in {
        "none": b"not a model" * 99,
        "head": whole[:5000],
        "half": whole[: len(whole) // 2],
    }.items():
        (tmp_path / f"{name}.gguf").write_bytes(content)
        with pytest.raises(BrokenModel, match=f"{name}.gguf"):
            inb.load(tmp_path / f"{name}.gguf", runtime="llama.cpp")
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(whole.replace(b"general.architecture", b"general.architecturx", 1))
    with pytest.raises(BrokenModel, match=r"damaged\.gguf"):
        inb.load(damaged, runtime="llama.cpp")


def test_which_models_and_arguments_it_takes(file: Path, model: Any) -> None:
    assert inb.load(file) is model, "auto hands out what is loaded"
    with pytest.raises(UnsupportedModel, match="no GGUF file"):
        inb.load("starter/chat", runtime="llama.cpp")
    with pytest.raises(InvalidData, match="dtype"):
        inb.load(file.parent, runtime="llama.cpp", dtype="float32")
    with pytest.raises(InvalidData, match="quantization"):
        inb.load(file.parent, runtime="llama.cpp", quantization="nf4")
    with pytest.raises(CapabilityMissing, match="quality"):
        model.report(quality=True)
    assert inb.load("starter/chat", device="cpu").runtime == "transformers"


def test_it_stays_while_it_answers_and_goes_once_it_has_been_idle_for_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(keeping, "clock", lambda: now[0])
    monkeypatch.setattr(keeping, "_begin_watching", lambda: None)
    model = inb.load(bare(tmp_path), runtime="llama.cpp", keep_alive="5m")
    assert (model.keep_alive, model.quantization) == (300, "Q4_1")
    assert model.memory > model.local.size / 2
    running = model.stream("Once upon a time", max_new_tokens=4, **GREEDY)
    next(running)
    now[0] += 1000
    keeping.sweep()
    assert model.is_loaded
    assert model.is_busy
    assert len(list(running)) == 4
    now[0] += 300
    keeping.sweep()
    assert not model.is_loaded
    assert (model.memory, model in inb.loaded()) == (0, False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="auto takes transformers where there is a GPU")
def test_auto_takes_it_for_a_folder_with_a_gguf_and_memory_comes_back(tmp_path: Path) -> None:
    inb.load(bare(tmp_path / "warm"), runtime="llama.cpp").unload()
    before, _ = devices.memory("cpu")
    model = inb.load(bare(tmp_path / "beside").parent)
    assert model.runtime == "llama.cpp"
    running = model.stream("Once upon a time", min_new_tokens=400)
    next(running)
    inside, _ = devices.memory("cpu")
    model.unload()
    assert list(running)[-1].finish_reason == "cancelled"
    after, _ = devices.memory("cpu")
    assert not model.is_loaded
    assert after - before < (inside - before) / 4
    with pytest.raises(CapabilityMissing, match="was unloaded"):
        model.generate("x")


def test_without_the_extra_it_says_how_to_get_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    from influence_nb.engine.runtimes.llamacpp import library

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(library, "version", missing)
    with pytest.raises(MissingExtra) as refused:
        inb.load(file.parent, runtime="llama.cpp")
    assert "pip install 'influence_nb[llamacpp]'" in refused.value.hint
