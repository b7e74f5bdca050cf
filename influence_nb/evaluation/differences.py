"""Where one text differs from another, in words: pieces of it that are in both, and pieces that are its own.

It knows texts only.
"""

from __future__ import annotations

import difflib
import re
from itertools import groupby

Piece = tuple[str, bool]
"""Some of a text, and whether it is in the other text too."""

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST = 4_000
"""Words that are matched, which takes time with their square; longer texts are compared word by word at each place."""


def differences(text: str, other: str) -> list[Piece]:
    """`text` in pieces, which together are it; those that `other` has too, in the same order, are marked so.

    Words, runs of spaces and punctuation marks are matched, the longest runs first (`difflib.SequenceMatcher`).
    """
    mine, others = _WORD.findall(text), _WORD.findall(other)
    shared = [False] * len(mine)
    if max(len(mine), len(others)) > _MOST:
        shared = [word == beside for word, beside in zip(mine, others, strict=False)]
        shared += [False] * (len(mine) - len(shared))
    else:
        for match in difflib.SequenceMatcher(None, mine, others, autojunk=False).get_matching_blocks():
            shared[match.a : match.a + match.size] = [True] * match.size
    pieces = groupby(zip(mine, shared, strict=True), key=lambda one: one[1])
    return [("".join(word for word, _ in words), same) for same, words in pieces]
