"""Vectors are the model's own, in order, whatever is encoded beside them."""

from __future__ import annotations

import json
import shutil
import threading
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import influence_nb as inb
from influence_nb.embeddings.encode import Encoder, open_encoder
from influence_nb.embeddings.pooling import POOLINGS
from influence_nb.engine import device as devices
from influence_nb.errors import (
    BrokenModel,
    DeviceUnavailable,
    InfluenceError,
    InvalidData,
    ModelNotFound,
    OutOfMemory,
    UnsupportedModel,
)
from influence_nb.hub import starters

PACKED = starters.folder("starter/chat")
"""Where it lies in the home of whoever runs the tests."""
opened = partial(Encoder.open, dtype="float32")
TEXTS = ["the cat sat on the mat", "rain", "python code", "the bank on the river", "a dog sat"]


def by_hand(folder: Path, text: str, pooling: str, layer: int | None = None) -> np.ndarray:
    """One text through transformers alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model(input_ids=tokenizer(text, return_tensors="pt")["input_ids"], output_hidden_states=True)
    hidden = (output.last_hidden_state if layer is None else output.hidden_states[layer])[0]
    weights = torch.arange(1, len(hidden) + 1, dtype=torch.float32)[:, None]
    vector = {
        "mean": hidden.mean(0),
        "cls": hidden[0],
        "last": hidden[-1],
        "weighted_mean": (hidden * weights).sum(0) / weights.sum(),
    }[pooling]
    return vector.numpy()


@pytest.mark.parametrize(("native", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_computes_what_the_cpu_is_good_at(
    starter: Encoder, monkeypatch: pytest.MonkeyPatch, native: bool, chosen: str
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: native)
    encoder = open_encoder(device="cpu")
    assert encoder.dtype == chosen
    texts = ["The cat sat on the mat.", "rain", "def f(x): return x", "Zwölf Boxkämpfer " * 60]
    alike = (encoder.encode(texts) * starter.encode(texts)).sum(axis=1)
    assert alike.min() > 0.999
    assert open_encoder(device="cpu", dtype="float32").dtype == "float32"


def test_a_starter_that_is_packed_is_unpacked_for_an_encoder(tmp_home: Path) -> None:
    folder = starters.folder("starter/chat")
    folder.mkdir(parents=True)
    for member in starters.starter("starter/chat").files:
        (folder / member.name).symlink_to(PACKED / member.name)
    encoder = open_encoder("starter/chat", device="cpu", pooling="mean")
    assert encoder.encode("rain").shape == (1, 576)
    tokens, vectors = inb.token_vectors("starter/chat")
    assert vectors.shape == (len(tokens), 576)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_equals_one_written_by_hand(tiny_bert: Path, pooling: str) -> None:
    vectors = opened(tiny_bert, pooling=pooling).encode(TEXTS)
    expected = [by_hand(tiny_bert, text, pooling) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_hidden_states_of_a_decoder(tiny_llama: Path, layer: int) -> None:
    vectors = opened(tiny_llama, layer=layer, pooling="last").encode(TEXTS)
    expected = [by_hand(tiny_llama, text, "last", layer) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_a_decoder_reads_an_empty_text(tiny_llama: Path) -> None:
    vectors = opened(tiny_llama).encode(["", "rain"])
    assert np.isfinite(vectors).all()


@pytest.mark.starter
def test_the_starter_equals_mean_pooling_by_hand(starter: Encoder) -> None:
    from influence_nb.store.library import Library

    folder = Library()["starter/embedding"].path
    text = "How far is it from here to the Moon?"
    expected = by_hand(folder, text, "mean")
    np.testing.assert_allclose(starter.encode(text)[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert (starter.dimension, starter.max_tokens, starter.pooling, starter.normalize) == (
        384,
        256,
        "mean",
        True,
    )
    assert starter.pooling_stated


@pytest.mark.starter
def test_the_starter_finds_meaning(starter: Encoder) -> None:
    # cosines of the published weights, computed once in float32
    cat, feline, money = starter.encode(
        ["The cat sat on the mat.", "A feline rested on a rug.", "Quarterly earnings rose."]
    )
    assert cat @ feline == pytest.approx(0.55295, abs=2e-4)
    assert cat @ money == pytest.approx(0.01820, abs=2e-4)


@pytest.mark.starter
def test_a_vector_does_not_depend_on_its_batch(starter: Encoder) -> None:
    texts = [" ".join(TEXTS[: 1 + i % 5]) + f" {i}" for i in range(40)]
    together = starter.encode(texts)
    for size in (1, 7):
        np.testing.assert_allclose(starter.encode(texts, batch_size=size), together, atol=1e-5)
    np.testing.assert_allclose(starter.encode(texts[::-1])[::-1], together, atol=1e-5)


def test_shapes(tiny_bert: Path) -> None:
    encoder = opened(tiny_bert)
    assert encoder.encode("rain").shape == (1, 16)
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.encode(tuple(TEXTS)).dtype == np.float32
    assert not encoder.pooling_stated


def test_long_texts_are_cut_and_counted(tiny_bert: Path) -> None:
    encoder = opened(tiny_bert)
    assert encoder.max_tokens == 12
    long, whole = "rain " * 13, "rain " * 12
    with pytest.warns(UserWarning, match="2 of 3 texts are longer than the 12 tokens"):
        vectors = encoder.encode([long, whole, long + "sun"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode(whole)


def test_progress_ends_at_the_whole(tiny_bert: Path) -> None:
    seen: list[tuple[int, int]] = []
    opened(tiny_bert).encode(TEXTS, batch_size=2, on_progress=lambda *step: seen.append(step))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_cancel_stops_at_the_next_batch_and_the_encoder_goes_on(tiny_bert: Path) -> None:
    encoder, cancel = opened(tiny_bert), threading.Event()
    with pytest.raises(InfluenceError, match="stopped after 2 of 5 texts"):
        encoder.encode(TEXTS, batch_size=2, on_progress=lambda *_: cancel.set(), cancel=cancel)
    assert encoder.encode(TEXTS).shape == (5, 16)


def test_many_threads_at_once(tiny_bert: Path) -> None:
    encoder = opened(tiny_bert)
    expected = encoder.encode(TEXTS)
    results: list[np.ndarray] = []
    long = ["rain " * 30]

    def work() -> None:
        for _ in range(10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                encoder.encode(long)
            results.append(encoder.encode(TEXTS))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    assert all(np.allclose(result, expected, atol=1e-5) for result in results)


@pytest.mark.parametrize(
    ("texts", "index", "kind"), [(["a", None], 1, "NoneType"), (["a", "b", 3.5], 2, "float")]
)
def test_what_is_not_a_text_is_named(tiny_bert: Path, texts: list[object], index: int, kind: str) -> None:
    encoder = opened(tiny_bert)
    with pytest.raises(InvalidData, match=f"index {index} is not a string but {kind}") as caught:
        encoder.encode(texts)
    assert caught.value.hint
    assert encoder.encode("rain").shape == (1, 16)


def test_running_out_of_memory_is_translated(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = opened(tiny_bert)
    whole = encoder._network.forward

    def no_room(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(encoder._network, "forward", no_room)
    with pytest.raises(OutOfMemory) as caught:
        encoder.encode(TEXTS)
    assert caught.value.hint
    monkeypatch.setattr(encoder._network, "forward", whole)
    assert encoder.encode(TEXTS).shape == (5, 16)


def test_after_unload_it_says_so(tiny_bert: Path) -> None:
    encoder = opened(tiny_bert)
    encoder.unload()
    with pytest.raises(InfluenceError, match="was unloaded"):
        encoder.encode("rain")


def test_bad_requests(tiny_bert: Path, tiny_llama: Path) -> None:
    with pytest.raises(InvalidData, match="no layer 9"):
        opened(tiny_llama, layer=9)
    with pytest.raises(InvalidData, match="no pooling 'max'"):
        opened(tiny_bert, pooling="max")
    with pytest.raises(InvalidData, match="batch_size=0"):
        opened(tiny_bert).encode(TEXTS, batch_size=0)
    with pytest.raises(DeviceUnavailable):
        open_encoder(tiny_bert, device="abacus")
    with pytest.raises(ModelNotFound):
        open_encoder("nobody/nothing-like-this")


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_folders_that_are_not_whole(tiny_bert: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        broken = copy(tiny_bert, tmp_path / f"no-{name}")
        (broken / name).unlink()
        with pytest.raises(BrokenModel) as caught:
            open_encoder(broken, device="cpu")
        assert name.split(".")[0] in caught.value.message or "weights" in caught.value.message
    cut = copy(tiny_bert, tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(BrokenModel):
        opened(cut)


def test_weights_of_another_model_are_refused(tiny_bert: Path, tiny_llama: Path, tmp_path: Path) -> None:
    mixed = copy(tiny_bert, tmp_path / "mixed")
    shutil.copy(tiny_llama / "model.safetensors", mixed / "model.safetensors")
    with pytest.raises(BrokenModel, match="lacks"):
        opened(mixed)


def sentence_folder(
    tiny_bert: Path, folder: Path, pooling: dict[str, object], last: str = "Normalize"
) -> Path:
    copy(tiny_bert, folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Last": last}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 7}')
    return folder


@pytest.mark.parametrize("pooling", [{"pooling_mode_cls_token": True}, {"pooling_mode": "cls"}])
def test_the_folder_says_how(tiny_bert: Path, tmp_path: Path, pooling: dict[str, object]) -> None:
    encoder = opened(sentence_folder(tiny_bert, tmp_path / "model", pooling))
    assert (encoder.pooling, encoder.normalize, encoder.max_tokens) == ("cls", True, 7)
    expected = by_hand(tiny_bert, TEXTS[0], "cls")
    np.testing.assert_allclose(encoder.encode(TEXTS[0])[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_what_cannot_be_run_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="max"):
        opened(sentence_folder(tiny_bert, tmp_path / "max", {"pooling_mode_max_tokens": True}))
    with pytest.raises(UnsupportedModel, match="CNN"):
        opened(sentence_folder(tiny_bert, tmp_path / "cnn", {"pooling_mode": "mean"}, last="CNN"))


@pytest.mark.parametrize(
    "texts",
    [None, 5, {"a": 1}, b"ab", pd.DataFrame({"text": ["a"]}), np.array("a"), "a\ud800", ["a", "\udc00"]],
)
def test_what_cannot_be_encoded(tiny_bert: Path, texts: object) -> None:
    with pytest.raises(InvalidData) as caught:
        opened(tiny_bert).encode(texts)
    assert caught.value.hint


def test_columns_and_arrays_of_texts(tiny_bert: Path) -> None:
    encoder = opened(tiny_bert)
    expected = encoder.encode(["the cat", "rain"])
    for texts in (pd.Series(["the cat", "rain"]), np.array(["the cat", "rain"]), iter(["the cat", "rain"])):
        np.testing.assert_array_equal(encoder.encode(texts), expected)


@pytest.mark.parametrize("size", ["x", 1.5, 0, -1])
def test_odd_batch_sizes(tiny_bert: Path, size: object) -> None:
    with pytest.raises(InvalidData, match="batch_size"):
        opened(tiny_bert).encode(TEXTS, batch_size=size)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_all_layers_at_once_are_those_one_by_one(tiny_llama: Path, pooling: str) -> None:
    seen: list[tuple[int, int]] = []
    encoder = opened(tiny_llama, pooling=pooling)
    every = encoder.encode_layers(TEXTS, batch_size=2, on_progress=lambda *done: seen.append(done))
    assert every.dtype == np.float32
    assert seen == [(2, 5), (4, 5), (5, 5)]
    one_by_one = [opened(tiny_llama, layer=i, pooling=pooling).encode(TEXTS) for i in range(4)]
    np.testing.assert_allclose(every, one_by_one, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_layers(TEXTS, [-1, 0]), every[[3, 0]], atol=1e-5)
    assert encoder.encode_layers([], [1]).shape == (1, 0, 16)


@pytest.mark.starter
def test_the_last_layer_of_an_encoder_is_its_output(starter: Encoder) -> None:
    every = starter.encode_layers(TEXTS)
    assert every.shape == (starter.layers + 1, len(TEXTS), starter.dimension)
    np.testing.assert_allclose(every[-1], starter.encode(TEXTS), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(every, axis=2), 1, atol=1e-5)


def test_layers_that_cannot_be_asked_for(tiny_llama: Path) -> None:
    encoder = opened(tiny_llama)
    for wrong in ([4], [-5], [1.0], "x", [], 2):
        with pytest.raises(InvalidData, match="layer"):
            encoder.encode_layers(TEXTS, wrong)
    stop = threading.Event()
    stop.set()
    with pytest.raises(InfluenceError, match="after 0 of 5"):
        encoder.encode_layers(TEXTS, cancel=stop)
    assert encoder.encode_layers(TEXTS).shape == (4, 5, 16)


@pytest.mark.parametrize("layer", ["x", 1.0])
def test_layers_that_are_no_numbers(tiny_bert: Path, layer: object) -> None:
    with pytest.raises(InvalidData, match="layer="):
        open_encoder(tiny_bert, layer=layer)


@pytest.mark.parametrize(
    ("model", "error"),
    [(5, InvalidData), ("./nope", ModelNotFound), (Path("nope"), BrokenModel), ("n" * 5000, ModelNotFound)],
)
@pytest.mark.usefixtures("tmp_home")
def test_what_names_no_encoder(model: object, error: type[InfluenceError]) -> None:
    with pytest.raises(error) as caught:
        open_encoder(model)
    assert caught.value.hint


@pytest.mark.parametrize("modules", ["[5]", "5", '[{"type": "Pooling", "path": "."}]'])
def test_odd_modules(tiny_bert: Path, tmp_path: Path, modules: str) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "odd")
    (folder / "modules.json").write_text(modules)
    config = json.loads((folder / "config.json").read_text()) | {"pooling_mode": 5}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BrokenModel, match="odd"):
        opened(folder)
