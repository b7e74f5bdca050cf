from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from influence_nb.engine.token_text import speller, token_bytes, visible
from influence_nb.errors import InvalidData, UnsupportedModel
from tests import tiny


def sentencepiece() -> Any:
    """Llama's way: ▁ for spaces, one before the text, and bytes for what the vocabulary lacks."""
    pieces = [("<unk>", 0.0), *((f"<0x{byte:02X}>", 0.0) for byte in range(256))]
    pieces += [(piece, -1.0) for piece in ("▁", "▁a", "▁the", "b", "t", "h", "e", "a", "c", "▁cat")]
    raw = Tokenizer(models.Unigram(pieces, 0, byte_fallback=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>")


def wordpiece() -> Any:
    words = {"[UNK]": 0, "token": 1, "##ization": 2, "a": 3, "##b": 4}
    raw = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer()
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]")


def joined(words: Any, text: str) -> bytes:
    spell = speller(words)
    return b"".join(spell(id) for id in words(text, add_special_tokens=False)["input_ids"])


def test_nothing_is_invisible():
    assert visible(" a\n\u200bb\t") == "·a↵⟨200b⟩b⇥"
    assert visible("") == "∅" == visible(b"")
    assert visible("世界".encode()[:4]) == "世⟨xe7⟩"
    assert visible("\u3000\u2028") == "⟨3000⟩⟨2028⟩"


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_byte_level_tokens_are_the_texts_bytes(text: str):
    assert joined(tiny.tokenizer(), text) == text.encode()


@settings(max_examples=60)
@given(st.text(alphabet="athe cb\N{SLIGHTLY SMILING FACE}世é", max_size=20).filter(bool))
def test_sentencepiece_tokens_are_the_texts_bytes_after_a_space(text: str):
    assert joined(sentencepiece(), text) == b" " + text.encode()


def test_half_characters_and_added_tokens():
    words = tiny.tokenizer()
    parts = [token_bytes(words, id) for id in words("\N{PARROT}", add_special_tokens=False)["input_ids"]]
    assert len(parts) > 1
    assert b"".join(parts) == "\N{PARROT}".encode()
    assert token_bytes(words, words.convert_tokens_to_ids("<|im_end|>")) == b"<|im_end|>"
    words.add_tokens(["Ġé"])  # text as it stands, whatever its letters mean elsewhere in the vocabulary
    assert token_bytes(words, words.convert_tokens_to_ids("Ġé")) == "Ġé".encode()


def test_wordpiece_has_its_text_without_marks():
    words = wordpiece()
    ids = words("Tokenization ab", add_special_tokens=False)["input_ids"]
    assert [token_bytes(words, id) for id in ids] == [b"token", b"ization", b"a", b"b"]


def test_what_is_refused():
    words = tiny.tokenizer()
    with pytest.raises(InvalidData, match="There is no token 99999"):
        token_bytes(words, 99999)
    with pytest.raises(InvalidData):
        token_bytes(words, -1)
    with pytest.raises(UnsupportedModel, match="ByT5Tokenizer") as caught:
        token_bytes(ByT5Tokenizer(), 5)
    assert "tokenizer.json" in caught.value.hint
