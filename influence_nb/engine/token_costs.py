"""What texts cost in tokens: per character, per word, and beside each other. It does not know tokenizers."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from influence_nb.engine.token_sample import SAMPLE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SAMPLE", "Cost", "TokenCosts"]

_WIDE = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How Unicode names the letters of scripts that put no spaces between words."""

ABOUT = (
    "The sample is our own, and small: the same three sentences in each language, and a few lines of code that say "
    "something else."
)
_BAR = "height:9px;background:rgba(66,133,244,.6)"


@dataclass(frozen=True)
class Cost:
    """One text.

    Attributes:
        name: such as its language.
        text: it.
        tokens: how many it takes, without marks around it.
    """

    name: str
    text: str
    tokens: int

    @property
    def characters(self) -> int:
        """Unicode characters."""
        return len(self.text)

    @property
    def words(self) -> int | None:
        """Pieces between spaces; None for scripts that put none between words."""
        letters = [unicodedata.name(one, "") for one in self.text if one.isalpha()]
        wide = sum(name.startswith(_WIDE) for name in letters)
        return None if letters and wide > len(letters) / 2 else len(self.text.split())

    @property
    def per_character(self) -> float:
        """Tokens a character."""
        return self.tokens / self.characters

    @property
    def per_word(self) -> float:
        """Tokens a word; NaN where words cannot be counted."""
        return self.tokens / self.words if self.words else math.nan


@dataclass(frozen=True, eq=False)
class TokenCosts(Sequence[Cost]):
    """What texts cost, in the order they were given. `Tokenizer.costs` gives it.

    Attributes:
        tokenizer: its name.
        costs: one a text.
        ours: whether the texts are the built-in sample.
    """

    tokenizer: str
    costs: tuple[Cost, ...]
    ours: bool = False

    @overload
    def __getitem__(self, index: int) -> Cost: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Cost, ...]: ...
    def __getitem__(self, index: int | slice) -> Cost | tuple[Cost, ...]:
        return self.costs[index]

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.costs)

    def __len__(self) -> int:
        return len(self.costs)

    def to_frame(self) -> pd.DataFrame:
        """A row a text, by its name: tokens, characters, words, per_character, per_word, and `times`, its tokens over
        those of the first text.
        """
        import pandas as pd

        rows: list[list[Any]] = [
            [
                one.tokens,
                one.characters,
                one.words,
                one.per_character,
                one.per_word,
                one.tokens / self[0].tokens,
            ]
            for one in self
        ]
        names = ["tokens", "characters", "words", "per_character", "per_word", "times"]
        frame = pd.DataFrame(rows, [one.name for one in self], names)
        return frame.astype({"words": "Int64"}).rename_axis("text")

    def __repr__(self) -> str:
        return f"TokenCosts({self.tokenizer}: {', '.join(f'{one.name} {one.tokens}' for one in self)})"

    def _repr_html_(self) -> str:
        most = max(one.tokens for one in self)
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(one.name)}</td><td>{one.tokens}</td>"
            f"<td><div style='width:{120 * one.tokens / most:.0f}px;{_BAR}'></div></td>"
            f"<td>{one.tokens / self[0].tokens:.2f}</td><td>{one.per_character:.2f}</td>"
            f"<td>{'' if math.isnan(one.per_word) else f'{one.per_word:.2f}'}</td></tr>"
            for one in self
        )
        first = html.escape(self[0].name)
        heads = "".join(
            f"<th>{one}</th>"
            for one in ("text", "tokens", "", f"times {first}", "tokens a character", "tokens a word")
        )
        about = f"<p style='opacity:.75'>{ABOUT}</p>" if self.ours else ""
        said = f"<p>What it costs in tokens of {html.escape(self.tokenizer)}</p>"
        return f"{said}<table><tr>{heads}</tr>{rows}</table>{about}"
