"""A receipt that is run again: bit-exact, or the first token that differs, how near that was, and what has changed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import influence_nb as inb
from influence_nb.engine import noise
from influence_nb.errors import CapabilityMissing, InvalidData
from tests.chat_server import ChatServer

PROMPT = "The quick brown fox jumps over"
HOT = inb.Sampling(seed=3, temperature=1.2, min_new_tokens=40, max_new_tokens=40)


@pytest.fixture(scope="module")
def receipt(load: Callable[..., inb.Model]) -> inb.Receipt:
    return load().generate(PROMPT, HOT).receipt


@pytest.fixture
def other_folder(tiny_folder: Callable[..., Path], tmp_path: Path) -> Iterator[Path]:
    """A copy of the tiny model's folder, to be edited."""
    yield Path(shutil.copytree(tiny_folder(), tmp_path / "copy"))
    for model in inb.loaded():
        if model.local is not None and Path(model.local.path) == tmp_path / "copy":
            model.unload()


def test_the_same_model_is_bit_exact(model: inb.Model, receipt: inb.Receipt) -> None:
    seen: list[tuple[int, int]] = []
    replay = model.replay(receipt, on_progress=lambda done, total: seen.append((done, total)))
    assert (replay.identical, replay.first_difference, replay.margin) == (True, None, None)
    assert replay.changed_facts == {}
    assert (replay.compared, replay.cancelled) == (40, False)
    assert seen == [(done, 40) for done in range(1, 41)]
    assert "all 40 tokens came again" in repr(replay)
    assert "<table>" not in replay._repr_html_()


def test_a_receipt_travels_as_a_dict_and_as_a_file(
    model: inb.Model, receipt: inb.Receipt, tmp_path: Path
) -> None:
    path = receipt.save(tmp_path / "receipt.json")
    assert inb.Receipt.load(path) == receipt == inb.Receipt.from_dict(json.loads(path.read_text()))
    for given in (path, str(path), receipt.to_dict(), json.loads(path.read_text())):
        assert model.replay(given).identical


def test_another_dtype_shows_the_first_token_that_differs_and_how_near_it_was(
    tiny_folder: Callable[..., Path],
) -> None:
    exact, coarse = (inb.load(tiny_folder(), device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    # Rounding tips a choice sooner or later; which one is a matter of the seed and of the processor.
    replays: list[inb.Replay] = []
    while all(one.identical for one in replays[1:]):
        receipt = exact.generate(PROMPT, HOT, top_p=None, seed=len(replays)).receipt
        replays.append(coarse.replay(receipt))
        assert len(replays) < 400
    coarse.unload()
    parted = [one for one in replays if not one.identical]
    for replay in replays:
        assert replay.changed_facts == {"dtype": ("float32", "bfloat16")}
    for replay in parted:
        one = replay.first_difference
        assert one is not None
        assert one.index == replay.compared
        assert one.recorded == replay.recorded.output_ids[one.index]
        assert one.now == replay.now.output_ids[one.index] != one.recorded
        assert replay.now.output_ids[: one.index] == replay.recorded.output_ids[: one.index]
        assert replay.margin is not None
        assert replay.margin >= 0
        assert f"token {one.index} of 40" in repr(replay)
        assert "dtype" in repr(replay)
        assert "bfloat16" in replay._repr_html_()


@pytest.mark.parametrize("temperature", [0.0, 1.2])
def test_the_margin_is_the_difference_of_what_the_draw_takes_the_largest_of(
    model: inb.Model, temperature: float
) -> None:
    """A receipt with one token changed: its margin, by hand."""
    settings = inb.Sampling(
        seed=3, temperature=temperature, top_p=None, repetition_penalty=1.0, max_new_tokens=8
    )
    receipt = model.generate(PROMPT, settings).receipt
    changed = list(receipt.output_ids)
    changed[5] = 77 if changed[5] != 77 else 78
    with pytest.raises(InvalidData, match="1000000000, which is outside the vocabulary"):
        model.replay({**receipt.to_dict(), "output_ids": [10**9]})
    replay = model.replay({**receipt.to_dict(), "output_ids": changed})
    one = replay.first_difference
    assert one is not None
    assert (one.index, one.recorded, one.now) == (5, changed[5], receipt.output_ids[5])
    assert one.recorded_text == model.decode([changed[5]])
    with torch.no_grad():
        ids = torch.tensor([[*receipt.prompt_ids, *receipt.output_ids[:5]]])
        scores = model.network(ids).logits[0, -1].float() / (temperature or 1.0)
    if temperature:
        scores = scores + noise.gumbel([3], [5], scores.shape[-1], scores.device)[0]
    assert replay.margin == pytest.approx(float(scores[one.now] - scores[one.recorded]), abs=1e-3)


def test_a_token_that_the_sampler_cuts_is_infinitely_far(model: inb.Model) -> None:
    receipt = model.generate(PROMPT, HOT, top_k=1).receipt
    changed = [(receipt.output_ids[0] + 1) % 300, *receipt.output_ids[1:]]
    assert model.replay({**receipt.to_dict(), "output_ids": changed}).margin == float("inf")


def test_an_edited_template_and_file_are_named(receipt: inb.Receipt, other_folder: Path) -> None:
    """The weights are the same, so it is the same model under another name."""
    template = other_folder / "chat_template.jinja"
    template.write_text(template.read_text() + "\n")
    replay = inb.load(other_folder, device="cpu", dtype="float32").replay(receipt)
    assert replay.identical
    assert set(replay.changed_facts) == {"model", "files", "template_sha256"}
    before, after = replay.changed_facts["files"]
    assert set(before) == set(after) == {"chat_template.jinja"}
    assert before != after


def test_facts_of_the_receipt_are_compared_by_their_names(model: inb.Model, receipt: inb.Receipt) -> None:
    old = {**receipt.versions, "torch": "1.0", "gone": "2"}
    changes = {
        "versions": old,
        "device": "cuda:0",
        "attention": "eager",
        "quantization": "nf4",
        "runtime": "x",
    }
    replay = model.replay({**receipt.to_dict(), **changes})
    assert set(replay.changed_facts) == set(changes)
    assert replay.changed_facts["device"] == ("cuda:0", "cpu")
    before, after = replay.changed_facts["versions"]
    assert before == {"torch": "1.0", "gone": "2"}
    assert set(after) == {"torch"}


def test_a_row_of_a_batch_replays_alone(model: inb.Model) -> None:
    rows = model.batch([PROMPT, "hello world, how are you today?", "user"], HOT)
    for row in rows:
        replay = model.replay(row.receipt)
        assert replay.identical
        recorded, now = replay.changed_facts["batch_shape"]
        assert recorded[0] == 3
        assert now == (1, len(row.receipt.prompt_ids))


def test_of_a_cancelled_completion_what_came_is_compared(model: inb.Model) -> None:
    enough = threading.Event()
    stream = model.stream(PROMPT, HOT.replace(max_new_tokens=200), enough)
    next(stream)
    enough.set()
    receipt = stream.completion.receipt
    assert 0 < len(receipt.output_ids) < 200
    replay = model.replay(receipt)
    assert replay.identical
    assert replay.compared == len(receipt.output_ids)


def test_a_turn_of_a_session_replays(model: inb.Model) -> None:
    session = model.session(sampling=HOT)
    session.send("hello world")
    second = session.send("how are you?")
    assert second.usage.cached_tokens > 0
    assert model.replay(second.receipt).identical


def test_a_text_that_ends_before_the_recorded_one(model: inb.Model, receipt: inb.Receipt) -> None:
    whole = {**receipt.to_dict()["sampling"], "stop": [model.decode(receipt.output_ids[:6])[-3:]]}
    replay = model.replay({**receipt.to_dict(), "sampling": whole})
    one = replay.first_difference
    assert one is not None
    assert (one.now, one.now_text, replay.margin) == (None, "", None)
    assert 0 < one.index <= 6
    assert "the text ended" in repr(replay)


def test_a_replay_can_be_cancelled(model: inb.Model, receipt: inb.Receipt) -> None:
    cancel = threading.Event()
    before = model.forwards
    replay = model.replay(receipt, cancel, lambda done, total: done == 3 and cancel.set())
    assert (replay.identical, replay.cancelled, replay.first_difference) == (False, True, None)
    assert replay.compared == 3
    assert model.forwards - before < 40
    assert "cancelled after 3 of 40" in repr(replay)
    assert model.replay(receipt).identical


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "another", "files": {}}, "is of another"),
        ({"colour": "blue"}, "no field 'colour'"),
        ({"output_ids": []}, "no output_ids"),
        ({"prompt_ids": []}, "no prompt_ids"),
        ({"prompt_ids": [1, "a"]}, "prompt_ids cannot be"),
        ({"prompt_ids": [1, True]}, "prompt_ids cannot be"),
        ({"prompt_ids": [10**6]}, "1000000 is outside"),
        ({"sampling": {"temperature": -1}}, "temperature=-1"),
        ({"sampling": {"top_q": 1}}, "top_q"),
        ({"sampling": {"temperature": 1}, "seed": None}, "no seed"),
        ({"sampling": {"seed": 4}}, "two seeds"),
        ({"dtype": 16}, "dtype cannot be 16"),
        ({"files": ["config.json"]}, "files cannot be"),
        ({"batch_shape": [1, 2, 3]}, "batch_shape cannot be"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    model: inb.Model, receipt: inb.Receipt, change: dict[str, Any], words: str
) -> None:
    before = model.forwards
    with pytest.raises(InvalidData, match=words) as refused:
        model.replay({**receipt.to_dict(), **change})
    assert refused.value.hint
    assert model.forwards == before


@pytest.mark.parametrize("given", [None, 3, [], b"x"])
def test_what_is_no_receipt_is_refused(model: inb.Model, given: Any) -> None:
    with pytest.raises(InvalidData, match="no receipt"):
        model.replay(given)


def test_a_file_that_holds_no_receipt_is_refused(
    model: inb.Model, receipt: inb.Receipt, tmp_path: Path
) -> None:
    path = tmp_path / "receipt.json"
    for text in (b"", b"\xff\xfe", b"[]", b"{" * 100_000):
        path.write_bytes(text)
        with pytest.raises(InvalidData, match="does not hold a receipt"):
            model.replay(path)
    path.write_text('{"model": "x"}')
    with pytest.raises(InvalidData, match="lacks 'revision'"):
        model.replay(path)
    with pytest.raises(InvalidData, match="cannot be written"):
        receipt.save(tmp_path / "missing" / "receipt.json")
    with pytest.raises(InvalidData, match="cannot be called"):
        model.replay(receipt, on_progress="x")


def test_a_receipt_of_other_weights_says_which(receipt: inb.Receipt, load: Callable[..., inb.Model]) -> None:
    with pytest.raises(InvalidData, match="has other weights") as refused:
        load("gpt2").replay(receipt)
    assert receipt.model in str(refused.value)


def test_a_model_on_a_server_cannot(receipt: inb.Receipt) -> None:
    with ChatServer() as server:
        there = inb.load(endpoint=server.url)
        with pytest.raises(CapabilityMissing, match="endpoint runtime cannot replay"):
            there.replay(receipt)
        there.unload()


def test_an_unloaded_model_says_so(receipt: inb.Receipt, other_folder: Path) -> None:
    model = inb.load(other_folder, device="cpu", dtype="float32")
    model.unload()
    with pytest.raises(CapabilityMissing, match="unloaded"):
        model.replay(receipt)
