"""A model's own vectors of its tokens, from its files and from the loaded model: the same, and mapped."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.errors import BrokenModel, CapabilityMissing, InvalidData, UnsupportedModel
from tests import tiny


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text", "phi", "mamba"])
@pytest.mark.parametrize("tied", [False, True])
def test_files_and_loaded_model_agree(tmp_path: Path, kind: str, tied: bool) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = tiny.build(tmp_path / "model", kind, tie_word_embeddings=tied)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = inb.load(folder, device="cpu", dtype="float32")
    try:
        for which in ("input", "output"):
            layer = network.get_input_embeddings() if which == "input" else network.get_output_embeddings()
            for source in (folder, str(folder), model):
                tokens, vectors = inb.token_vectors(source, which)
                np.testing.assert_array_equal(vectors, layer.weight.detach().numpy()[: len(vectors)])
                assert tokens.columns.tolist() == ["text", "id"]
                assert len(tokens) == len(vectors) == len(model.tokenizer)
        same = np.array_equal(inb.token_vectors(folder).vectors, inb.token_vectors(folder, "output").vectors)
        assert same == tied
    finally:
        model.unload()


def test_they_are_mapped(tmp_path: Path) -> None:
    tokens, vectors = inb.token_vectors(tiny.build(tmp_path / "model"))
    made = inb.EmbeddingMap(tokens, vectors=vectors, projection="pca")
    row = tokens.index[tokens["text"] == "fox"]
    assert len(made) == len(tokens)
    assert made.neighbours(int(row[0]) if len(row) else 5, k=3)["rank"].tolist() == [1, 2, 3]


def test_sharded_files(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    whole = tiny.build(tmp_path / "whole")
    parts = shutil.copytree(whole, tmp_path / "parts")
    (parts / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(whole).save_pretrained(parts, max_shard_size="20KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    for which in ("input", "output"):
        found = inb.token_vectors(parts, which).vectors
        np.testing.assert_array_equal(found, inb.token_vectors(whole, which).vectors)


def test_of_an_encoder(tiny_bert: Path) -> None:
    tokens, vectors = inb.token_vectors(tiny_bert)
    assert tokens["text"].tolist()[2:5] == ["the", "a", "cat"]
    assert vectors.shape == (18, 16)
    with pytest.raises(CapabilityMissing, match="no output matrix"):
        inb.token_vectors(tiny_bert, "output")


@pytest.mark.starter
def test_of_the_starter() -> None:
    tokens, vectors = inb.token_vectors()
    assert vectors.shape == (30522, 384)
    made = inb.EmbeddingMap(tokens, vectors=vectors, projection="pca")
    near = made.neighbours(int(tokens.index[tokens["text"] == "king"][0]), k=5)["text"].tolist()
    assert {"kings", "queen"} & set(near)


def test_what_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="which='both'"):
        inb.token_vectors(tiny_bert, "both")
    broken = shutil.copytree(tiny_bert, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no")
    with pytest.raises(BrokenModel):
        inb.token_vectors(broken)
    packed = shutil.copytree(tiny_bert, tmp_path / "packed")
    config = (packed / "config.json").read_text()
    (packed / "config.json").write_text(
        config.replace("{", '{"quantization_config": {"quant_method": "gptq", "bits": 4},', 1)
    )
    with pytest.raises(UnsupportedModel, match="no matrix"):
        inb.token_vectors(packed)
