"""Every family, and some drawn by seed: generation, sessions, batches, forks, scoring; and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import influence_nb as inb
from influence_nb.errors import UnsupportedModel
from tests import architectures, shrunk, tiny

FOUND: dict[str, tuple[str, dict[str, str]]] = {}


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_family_is_held_to_all_of_it(tiny_folder: Callable[..., Path], kind: str) -> None:
    FOUND[kind] = architectures.run(tiny_folder(kind))
    assert FOUND[kind][1], "nothing was tried"


def test_architectures_that_nobody_chose_are_held_to_the_same(tmp_path: Path) -> None:
    FOUND.update(architectures.drawn(tmp_path))
    assert len(FOUND.keys() - set(tiny.KINDS)) == architectures.DRAWN


def test_the_table_in_the_docs_is_what_came_out() -> None:
    if len(FOUND) < len(tiny.KINDS) + architectures.DRAWN or architectures.SEED != architectures.USUAL_SEED:
        pytest.skip("not all architectures of the table were run")
    ours, theirs = architectures.table(FOUND), architectures.on_page()
    if ours.splitlines()[0] != theirs.splitlines()[0]:
        pytest.skip("the table is of another version of transformers, which registers other architectures")
    assert ours == theirs, "run: python -m tests.architectures"


@pytest.fixture
def recurrent(load: Callable[..., inb.Model]) -> inb.Model:
    return load("mamba2")


def test_a_state_that_takes_one_token_at_a_time_is_gone_on_with_so(recurrent: inb.Model) -> None:
    """transformers' Mamba-2 forgets its state when it gets several tokens at once."""
    assert not recurrent.goes_on()
    prefix, start = recurrent.new_prefix(), list(range(5, 25))
    once = recurrent.stream_ids(start, architectures.GREEDY, prefix=prefix).completion
    prompt = [*start, *once.ids, 7, 8, 9]
    before = recurrent.forwards
    again = recurrent.stream_ids(prompt, architectures.GREEDY, prefix=prefix).completion
    assert again.usage.cached_tokens == len(start) + len(once.ids) - 1
    assert recurrent.forwards - before == 4 + len(again.ids) - 1
    assert again.ids == recurrent.generate(prompt, architectures.GREEDY).ids
    # Where most of it is new a fresh run is shorter.
    longer = [*prompt, *again.ids, *range(5, 100)]
    fresh = recurrent.stream_ids(longer, architectures.GREEDY, prefix=prefix).completion
    assert fresh.usage.cached_tokens == 0


def test_a_long_prompt_runs_whole_where_pieces_would_be_forgotten(tmp_path: Path) -> None:
    """Jamba's recurrent layers stand among attention; its prompts are not cut."""
    [(_, network)] = [(kind, made) for kind, made in shrunk.drawn(3, 6) if kind == "jamba"]
    tiny.sharpen(network)
    network.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    model = inb.load(tmp_path, device="cpu", dtype="float32")
    prompt = [5 + 7 * place % 200 for place in range(1100)]
    model._context = None  # the tiny one is made for fewer; its layers do not mind
    with torch.no_grad():
        theirs = model.network.generate(torch.tensor([prompt]), max_new_tokens=4, do_sample=False)
    assert model.generate(prompt, architectures.GREEDY, max_new_tokens=4).ids == theirs[0, 1100:].tolist()
    model.unload()


@pytest.mark.parametrize("decoder", [False, True])
def test_an_encoder_with_a_head_that_could_generate(tmp_path: Path, decoder: bool) -> None:
    from transformers import BertConfig, BertLMHeadModel

    words = tiny.tokenizer()
    small = BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=len(words),
        is_decoder=decoder,
    )
    network = BertLMHeadModel(small)
    tiny.sharpen(network)
    network.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    if decoder:
        model = inb.load(tmp_path, device="cpu")
        assert model.generate("hello", max_new_tokens=2).ids
        model.unload()
        return
    with pytest.raises(UnsupportedModel, match=r"BertLMHeadModel\) is an encoder") as refused:
        inb.load(tmp_path)
    assert "load_encoder" in refused.value.hint
    assert tmp_path.name not in [model.name for model in inb.loaded()]


@pytest.mark.hub
@pytest.mark.parametrize(
    "name",
    [
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "microsoft/phi-2",
        "ibm-granite/granite-3.3-2b-instruct",
        "state-spaces/mamba-130m-hf",
    ],
)
def test_real_models_answer(name: str) -> None:
    """Greedy output is that of transformers; a batch and a score agree with it."""
    inb.download(name)
    model = inb.load(name)
    ids = model.encode("The capital of France is")
    with torch.no_grad():
        given = torch.tensor([ids], device=model.device)
        theirs = model.network.generate(given, max_new_tokens=8, do_sample=False)[0, len(ids) :].tolist()
    alone = model.generate(ids, architectures.GREEDY)
    assert alone.ids == theirs[: len(alone.ids)]
    assert "Paris" in alone.text
    beside = model.batch([ids, "1, 2, 3,"], architectures.GREEDY)
    assert "Paris" in beside[0].text
    assert model.score("The capital of France is Paris.").perplexity < 100
    model.unload()


def test_what_is_tried_is_not_counted(load: Callable[..., inb.Model]) -> None:
    model = load("llama")
    before = model.forwards
    session = model.session()
    told = session.send("hello", temperature=0, max_new_tokens=4, min_new_tokens=4)
    model.batch(["hello", "hello there"], temperature=0, max_new_tokens=1)
    assert model.forwards == before + len(told.tokens) + 1
