from __future__ import annotations

import pytest

from influence_nb import Sampling
from influence_nb.engine.row import Row
from influence_nb.engine.sampler import Pick
from tests import tiny

WORDS = tiny.tokenizer()
END = WORDS.convert_tokens_to_ids("<|im_end|>")


def row(room: int | None = None, **parameters: object) -> Row:
    return Row([1], Sampling(seed=0, **parameters), WORDS, [END], room)


def say(row: Row, text: str) -> list[str]:
    shown = []
    for token in WORDS(text, add_special_tokens=False)["input_ids"]:
        if row.finish_reason is None:
            shown.append(row.accept(Pick(token, -1.0, -0.5)).text)
    return shown


def test_the_end_of_a_turn_is_a_token_without_text() -> None:
    one = row()
    say(one, "hello")
    last = one.accept(Pick(END, -1.0, -0.5))
    assert (last.text, last.finish_reason, last.id) == ("", "stop", END)
    assert one.text == "hello"


@pytest.mark.parametrize("stop", ["END", "\n\n", "brown fox", "x"])
def test_a_stop_string_may_span_tokens_and_is_never_shown(stop: str) -> None:
    text = "The quick brown fox END jumps\n\nover"
    one = row(stop=stop)
    shown = say(one, text)
    assert one.finish_reason == "stop"
    assert one.text == "".join(shown) == text[: text.index(stop)]


def test_what_might_become_a_stop_string_is_held_until_it_is_not() -> None:
    one = row(stop="EEND")
    shown = say(one, "EEEN")
    assert "".join(shown) == "E"
    shown = say(one, "!")
    assert one.text == "EEEN!"
    assert one.finish_reason is None


def test_held_text_is_shown_when_the_turn_ends() -> None:
    for finish in ("end", "limit", "cancel"):
        one = row(stop="STOPS", max_new_tokens=len(WORDS("STO")["input_ids"]) if finish == "limit" else 99)
        say(one, "STO")
        if finish == "end":
            one.accept(Pick(END, -1.0, -0.5))
        if finish == "cancel":
            event = one.cancel()
            assert (event.id, event.text, event.finish_reason) == (None, "STO", "cancelled")
        assert one.text == "STO"


def test_whole_characters_beside_half_a_one_are_not_lost() -> None:
    ids = WORDS(" \N{PARROT}", add_special_tokens=False)["input_ids"]
    one = row(max_new_tokens=len(ids) - 1)
    for token in ids[:-1]:
        one.accept(Pick(token, -1.0, -0.5))
    assert one.finish_reason == "length"
    assert one.text == WORDS.decode(ids[:-1]).rstrip("\ufffd")


def test_the_first_of_several_stop_strings_counts() -> None:
    one = row(stop=("jumps", "quick"))
    say(one, "The quick brown fox jumps")
    assert one.text == "The "


def test_the_context_limits_the_answer() -> None:
    one = row(room=2, max_new_tokens=50)
    say(one, "a b c d e")
    assert (len(one.events), one.finish_reason) == (2, "length")
