"""Where one text differs from another, in words: pieces of it that are in both, and pieces that are its own.

It knows texts only.
"""

from __future__ import annotations

import difflib
import re
from itertools import groupby, takewhile

Piece = tuple[str, bool]
"""Some of a text, and whether it is in the other text too."""

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST = 4_000
"""Words that are matched, which takes time with their square; longer texts are compared word by word at each place."""


def differences(text: str, other: str) -> list[Piece]:
    """`text` in pieces, which together are it; those that `other` has too, in the same order, are marked so.

    Words, runs of spaces and punctuation marks are matched: those that both begin with, and of the rest the longest
    runs first (`difflib.SequenceMatcher`). The same are matched when the texts change places.
    """
    mine, others = _WORD.findall(text), _WORD.findall(other)
    lead = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, others, strict=False)))
    shared = [at < lead for at in range(len(mine))]
    rest = mine[lead:], others[lead:]
    if max(map(len, rest)) > _MOST:
        for at, (word, beside) in enumerate(zip(mine, others, strict=False)):
            shared[at] = word == beside
    else:
        turned = rest[1] < rest[0]
        first, second = sorted(rest)
        matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
        for match in matcher.get_matching_blocks():
            at = lead + (match.b if turned else match.a)
            shared[at : at + match.size] = [True] * match.size
    pieces = groupby(zip(mine, shared, strict=True), key=lambda one: one[1])
    return [("".join(word for word, _ in words), same) for same, words in pieces]
