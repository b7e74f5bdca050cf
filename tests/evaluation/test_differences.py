"""Where a text differs from another: pieces that are together the text, and those of both in the same order."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import example, given
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


def test_what_both_begin_with_is_matched_before_longer_runs() -> None:
    pieces = differences("The dog saw that The cat sat on it.", "The cat sat on it.")
    assert pieces[0] == ("The ", True)
    assert not pieces[1][1]


@given(TEXTS, TEXTS)
@example("the!", "!the")
def test_one_of_two_has_words_of_its_own_from_where_they_part(text: str, other: str) -> None:
    both = differences(text, other), differences(other, text)
    lead = min((pieces[0][0] if pieces and pieces[0][1] else "" for pieces in both), key=len)
    assert text.startswith(lead)
    assert other.startswith(lead)
    after = [re.findall(r"\s+|\w+|[^\w\s]", one[len(lead) :])[:1] for one in (text, other)]
    assert after[0] != after[1] or text == other


def test_long_texts_are_compared_place_by_place() -> None:
    long = "word " * 5000
    pieces = differences(long, long.replace("word", "other", 1))
    assert pieces == [("word", False), (long[4:], True)]
