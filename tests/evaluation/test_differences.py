"""Where a text differs from another: pieces that are together the text, and those of both in the same order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from influence_nb.evaluation.differences import differences
from influence_nb.evaluation.diversity import words

TEXTS = some.lists(some.sampled_from(["the", "cat", "sat", " ", ", ", "\n", "é", "!"]), max_size=30).map(
    "".join
)


def test_words_that_both_have_are_marked() -> None:
    assert differences("the cat sat", "the dog sat") == [("the ", True), ("cat", False), (" sat", True)]
    assert differences("same", "same") == [("same", True)]
    assert differences("all new", "") == [("all new", False)]
    assert differences("", "gone") == []


@given(TEXTS, TEXTS)
def test_the_pieces_are_the_text_and_what_is_shared_is_in_the_other(text: str, other: str) -> None:
    pieces = differences(text, other)
    assert "".join(piece for piece, _ in pieces) == text
    at = 0
    for piece, same in pieces:
        if same:
            for word in words(piece):
                at = other.index(word, at) + len(word)
    assert all(a != b for (_, a), (_, b) in pairwise(pieces))


def test_long_texts_are_compared_place_by_place() -> None:
    long = "word " * 5000
    pieces = differences(long, long.replace("word", "other", 1))
    assert pieces == [("word", False), (long[4:], True)]
