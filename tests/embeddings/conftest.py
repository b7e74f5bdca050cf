"""Encoders for the tests: the starter, and tiny random ones written to a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from influence_nb.embeddings.encode import Encoder, open_encoder

WORDS = ("the", "a", "cat", "dog", "sat", "on", "mat", "bank", "river", "money", "play", "pitch")
WORDS += ("python", "code", "rain", "sun")


@pytest.fixture(scope="session")
def starter() -> Encoder:
    """all-MiniLM-L6-v2 in float32."""
    return open_encoder(device="cpu", dtype="float32")


def write_tokenizer(folder: Path) -> int:
    """A word tokenizer with a padding token, saved in the folder; the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(
        folder
    )
    return len(vocabulary)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of 2 layers and 16 dimensions; its folder says nothing about pooling."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    size = write_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=12,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random decoder of 3 layers and 16 dimensions."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    size = write_tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
