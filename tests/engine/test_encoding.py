"""Texts to token ids: exactly the tokenizer's own, one by one and many at once."""

from __future__ import annotations

from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData

TEXTS = [
    "The quick brown fox",
    "",
    "她说你好 \U0001f642",
    "<|im_start|>user\nhello<|im_end|>",
    " a  b\n\n\tc",
    "word " * 3000,
]


@pytest.mark.parametrize("special", [True, False])
def test_they_are_the_tokenizers_own(model: inb.Model, special: bool) -> None:
    expected = [model.tokenizer(text, add_special_tokens=special)["input_ids"] for text in TEXTS]
    assert model.encode_batch(TEXTS, special) == expected
    assert [model.encode(text, special) for text in TEXTS] == expected
    assert model.encode_batch([]) == []


def test_what_someone_else_set_on_the_tokenizer_changes_nothing(model: inb.Model) -> None:
    expected = model.encode_batch(TEXTS)
    model.tokenizer(TEXTS, padding=True, truncation=True, max_length=4)
    assert model.encode_batch(TEXTS) == expected


def test_a_tokenizer_that_splits_special_tokens_does_so_here(model: inb.Model) -> None:
    whole = model.encode(TEXTS[3])
    model.tokenizer.split_special_tokens = True
    try:
        assert model.encode(TEXTS[3]) == model.tokenizer(TEXTS[3])["input_ids"] != whole
    finally:
        model.tokenizer.split_special_tokens = False
    assert model.encode(TEXTS[3]) == whole


def test_a_tokenizer_with_ways_of_its_own_is_asked(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shouting(type(model.tokenizer)):
        def _encode_plus(self, text: Any, *args: Any, **options: Any) -> Any:
            return super()._encode_plus([one.upper() for one in text], *args, **options)

    expected = model.encode("HELLO")
    monkeypatch.setattr(model.tokenizer, "__class__", Shouting)
    assert model.encode("hello") == expected


@pytest.mark.parametrize("bad", ["half a \ud800 character", 3, None, b"bytes", ("a", "b"), ["a"]])
def test_what_is_no_text_is_refused(model: inb.Model, bad: Any) -> None:
    with pytest.raises(InvalidData, match="not text"):
        model.encode(bad)
    with pytest.raises(InvalidData, match="not text"):
        model.encode_batch(["whole", bad])
    assert model.encode("whole")
