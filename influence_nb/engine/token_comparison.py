"""Where two tokenizers cut the same text differently. It knows tokens as values, and no tokenizers."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from influence_nb.engine.tokens import ROWS, Tokens, chips

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Stretch:
    """A part of a text between two places where both tokenizers cut.

    Attributes:
        start, end: its place in the text, in characters.
        text: it.
        first, second: its tokens by the one and by the other; ranges of their places.
        same: whether both cut it the same way.
    """

    start: int
    end: int
    text: str
    first: range
    second: range
    same: bool


@dataclass(frozen=True, eq=False)
class TokenComparison:
    """A text as two tokenizers cut it. `Tokens.compare` gives it.

    Tokens added to the text, such as a beginning mark, do not count. Whether a token that begins a word holds the
    space before it is no difference.

    Attributes:
        first, second: the tokens.
    """

    first: Tokens
    second: Tokens

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """The whole text, cut wherever both cut it."""
        source = self.first.source or ""
        first, second = _cuts(self.first), _cuts(self.second)
        common = {end for _, end in first} & {end for _, end in second}
        found, at, there = [], 0, 0
        for start, end in pairwise(sorted(common | {0, len(source)})):
            mine, theirs = _upto(first, at, end), _upto(second, there, end)
            same = [cut for _, cut in first[at:mine]] == [cut for _, cut in second[there:theirs]]
            places = _places(first[at:mine]), _places(second[there:theirs])
            found.append(Stretch(start, end, source[start:end], *places, same))
            at, there = mine, theirs
        return tuple(found)

    @property
    def differences(self) -> tuple[Stretch, ...]:
        """The stretches that they cut differently, in their order."""
        return tuple(one for one in self.stretches if not one.same)

    def to_frame(self) -> pd.DataFrame:
        """A row for each difference: text, start, end, and the tokens of each, by `visible`."""
        import pandas as pd

        rows = [[one.text, one.start, one.end, *self._words(one)] for one in self.differences]
        return pd.DataFrame(rows, columns=["text", "start", "end", "first", "second"])

    def _words(self, one: Stretch) -> Iterator[str]:
        for tokens, places in ((self.first, one.first), (self.second, one.second)):
            yield "|".join(token.visible for token in tokens[places.start : places.stop])

    def __repr__(self) -> str:
        first, second = self.first, self.second
        return (
            f"TokenComparison({first.tokenizer}: {len(first)}, {second.tokenizer}: {len(second)}, "
            f"{len(self.differences)} differences)"
        )

    def _repr_html_(self) -> str:
        first, second = (html.escape(one.tokenizer) for one in (self.first, self.second))
        apart = self.differences
        rows = "".join(
            f"<tr><td>{one.start}–{one.end}</td>{_cell(self.first, one.first)}{_cell(self.second, one.second)}</tr>"
            for one in apart[:ROWS]
        )
        said = f"{len(self.first):,} tokens of {first}, {len(self.second):,} of {second}; cut differently in "
        said += f"{len(apart):,} place{'s' * (len(apart) != 1)}"
        said += f", of which {ROWS} are shown" if len(apart) > ROWS else ""
        heads = f"<tr><th>characters</th><th>{first}</th><th>{second}</th></tr>"
        return f"<p>{said}.</p>" + (f"<table>{heads}{rows}</table>" if rows else "")


def _cell(tokens: Tokens, places: range) -> str:
    return f'<td style="text-align:left">{chips(tokens[places.start : places.stop])}</td>'


def _cuts(tokens: Tokens) -> list[tuple[int, int]]:
    """(place, end) of each token that is a piece of the text; no end is before the one before it."""
    found, last = [], 0
    for place, (start, end) in enumerate(tokens.spans):
        if start < end:
            last = max(last, end)
            found.append((place, last))
    return found


def _upto(cuts: Sequence[tuple[int, int]], at: int, limit: int) -> int:
    while at < len(cuts) and cuts[at][1] <= limit:
        at += 1
    return at


def _places(cuts: Sequence[tuple[int, int]]) -> range:
    return range(cuts[0][0], cuts[-1][0] + 1) if cuts else range(0)
