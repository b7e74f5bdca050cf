from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_nb.engine.detokenize import Detokenizer
from tests import tiny

_words = cache(tiny.tokenizer)


@pytest.fixture
def words() -> Any:
    return _words()


def pieces(words: Any, ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(words)
    return [detokenizer.push(token) for token in ids]


@pytest.mark.parametrize(
    "text", ["plain words", "Zwölf 🙂 Boxkämpfer", "👩‍👩‍👧 family", "a 世 b\n\n\tc", " lead", "ẹ́ ạ̈"]
)
def test_the_pieces_add_up_to_the_text(words: Any, text: str) -> None:
    ids = words(text, add_special_tokens=False)["input_ids"]
    found = pieces(words, ids)
    assert "".join(found) == text
    assert "\ufffd" not in "".join(found)


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_any_text_comes_back_whole(text: str) -> None:
    words = _words()
    ids = words(text, add_special_tokens=False)["input_ids"]
    assert "".join(pieces(words, ids)) == words.decode(ids)


def test_half_a_character_is_held_back(words: Any) -> None:
    ids = words("\N{PARROT}", add_special_tokens=False)["input_ids"]
    assert len(ids) > 1
    assert pieces(words, ids) == [""] * (len(ids) - 1) + ["\N{PARROT}"]


def test_bytes_that_are_no_character_do_not_block_what_follows(words: Any) -> None:
    parrot = words("\N{PARROT}", add_special_tokens=False)["input_ids"]
    broken = [parrot[0]] * 6 + words("fine", add_special_tokens=False)["input_ids"]
    found = "".join(pieces(words, broken))
    assert found.endswith("fine")
    assert set(found.removesuffix("fine")) == {"\ufffd"}


def test_special_tokens_are_not_shown(words: Any) -> None:
    end = words.convert_tokens_to_ids("<|im_end|>")
    ids = [end, *words(" and on", add_special_tokens=False)["input_ids"]]
    assert "".join(pieces(words, ids)) == " and on"


def test_special_tokens_in_the_middle_do_not_eat_a_space() -> None:
    """In WordPiece, whether a space comes before a token depends on the token before it."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(
        models.WordPiece({"[UNK]": 0, "quick": 1, "brown": 2, "##ish": 3, "[SEP]": 4}, unk_token="[UNK]")
    )
    raw.decoder = decoders.WordPiece()
    words = PreTrainedTokenizerFast(tokenizer_object=raw, sep_token="[SEP]", unk_token="[UNK]")
    assert "".join(pieces(words, [1, 4, 2, 3, 4, 4, 1])) == "quick brownish quick"


def test_each_step_decodes_a_short_window(words: Any) -> None:
    class Counting:
        longest = 0

        def decode(self, ids: list[int], **options: Any) -> str:
            Counting.longest = max(Counting.longest, len(ids))
            return str(words.decode(ids, **options))

    detokenizer = Detokenizer(Counting())
    for token in words("The quick brown fox 🙂 " * 40, add_special_tokens=False)["input_ids"]:
        detokenizer.push(token)
    assert Counting.longest <= 8


@pytest.mark.starter
def test_the_starter_models_text_comes_back_whole() -> None:
    import influence_nb as inb

    words = inb.load().tokenizer
    text = "Def f(x):\n    return '🙂 naïve — 世界'  # ok\n\n- item\n"
    ids = words(text, add_special_tokens=False)["input_ids"]
    assert "".join(pieces(words, ids)) == text
