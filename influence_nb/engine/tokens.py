"""Tokens as values: those of a text, in their order and places, or of a vocabulary.

It does not know tokenizers (`tokenizer.py`).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from influence_nb.engine.token_text import visible
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.engine.token_comparison import TokenComparison

_SHOWN = 400
"""Tokens in the picture that a notebook keeps."""
ROWS = 40
"""Rows in a table of it."""

TINTS = ("rgba(66,133,244,.24)", "rgba(234,134,0,.24)", "rgba(52,168,83,.24)", "rgba(171,71,188,.22)")
"""Backgrounds that take turns, so that neighbours differ."""

ROLES = {
    "system": "rgba(171,71,188,.26)",
    "user": "rgba(66,133,244,.26)",
    "assistant": "rgba(52,168,83,.28)",
    "template": "rgba(128,128,128,.20)",
}
"""Backgrounds of a chat's tokens."""


@dataclass(frozen=True)
class Token:
    """One token, of a text or of the vocabulary.

    Attributes:
        id: its number.
        piece: how the vocabulary writes it, such as "Ġthe", "▁the" or "##the".
        bytes: what it stands for, which may be half a character. Where WordPiece puts a space before a word there is
            no byte for it.
        special: whether it is a mark, such as an end of text, and no piece of a text.
        start, end: its place in the text, in characters; equal where it was added to the text, such as a beginning
            mark. Parts of one character share that character's place. None for a token of the vocabulary.
        role: in a chat, whose it is: the role of a message, or "template"; of a special token what it is for, such as
            "eos". None otherwise.
    """

    id: int
    piece: str
    bytes: bytes
    special: bool = False
    start: int | None = None
    end: int | None = None
    role: str | None = None

    @property
    def text(self) -> str:
        """Its text; what is no whole character shows as "�"."""
        return self.bytes.decode("utf-8", "replace")

    @property
    def visible(self) -> str:
        """Its text with nothing invisible in it: spaces as "·", a half character's bytes as ⟨xe4⟩."""
        return visible(self.bytes)


class Tokens(Sequence[Token]):
    """Tokens in a row: of a text (`Tokenizer.tokenize`), of a chat, or found in a vocabulary.

    Attributes:
        tokenizer: the name of the tokenizer.
        source: the text that they are of; None for tokens of a vocabulary.
        spans: (start, end) of each in that text, see `Token`.
        total: how many there are in all, where a limit left some out.
    """

    def __init__(
        self,
        tokenizer: str,
        ids: Sequence[int],
        make: Callable[[int], Token],
        source: str | None = None,
        spans: Sequence[tuple[int, int]] = (),
        total: int | None = None,
    ) -> None:
        """Tokens that are made when they are looked at, since a long text has very many.

        Args:
            tokenizer: as above.
            ids: of the tokens, in order.
            make: the token of a place.
            source: as above.
            spans: of a text, the place of each token in it.
            total: as above; None is all that are here.
        """
        self.tokenizer = tokenizer
        self.source = source
        self.spans = spans
        self.total = len(ids) if total is None else total
        self._ids = ids
        self._make = make

    @property
    def ids(self) -> list[int]:
        """Their ids, as a model takes them."""
        return list(self._ids)

    @overload
    def __getitem__(self, index: int) -> Token: ...
    @overload
    def __getitem__(self, index: slice) -> list[Token]: ...
    def __getitem__(self, index: int | slice) -> Token | list[Token]:
        places = range(len(self))[index]
        return self._make(places) if isinstance(places, int) else [self._make(place) for place in places]

    def __len__(self) -> int:
        return len(self._ids)

    def compare(self, other: Tokens) -> TokenComparison:
        """Where another tokenizer cuts the same text differently.

        Raises:
            InvalidData: they are no tokens of the same text.
        """
        from influence_nb.engine.token_comparison import TokenComparison

        if not isinstance(other, Tokens) or self.source is None or other.source != self.source:
            raise InvalidData(
                "Only tokens of the same text can be compared.",
                "Give both tokenizers the same text: a.tokenize(text).compare(b.tokenize(text)).",
            )
        return TokenComparison(self, other)

    def to_frame(self) -> pd.DataFrame:
        """A row for each token: token, id, piece, bytes, start, end, special, role."""
        import pandas as pd

        names = ["id", "piece", "bytes", "start", "end", "special", "role"]
        rows = [[token.visible, *(getattr(token, name) for name in names)] for token in self]
        frame = pd.DataFrame(rows, columns=["token", *names])
        return frame.astype({"start": "Int64", "end": "Int64"}).rename_axis("index")

    def __repr__(self) -> str:
        shown = "|".join(token.visible for token in self[:20])
        return f"Tokens({len(self)} of {self.tokenizer}: {shown}{'|…' * (len(self) > 20)})"

    def _repr_html_(self) -> str:
        of = "" if self.source is None else f" for {len(self.source):,} characters"
        said = f"{len(self):,} tokens of {self.tokenizer}{of}"
        if self.total > len(self):
            said += f"; {self.total:,} in all"
        if len(self) > _SHOWN:
            said += f"; the first {_SHOWN} are shown"
        roles = {} if self.source is None else {token.role: None for token in self[:_SHOWN] if token.role}
        legend = " ".join(_chip(role, ROLES.get(role, ROLES["template"])) for role in roles)
        return (
            f"<p>{html.escape(said)}. {legend}</p>"
            f'<p style="line-height:1.9">{chips(self[:_SHOWN])}</p>'
            f"{_table(self[:ROWS])}"
        )


def chips(tokens: Sequence[Token]) -> str:
    """HTML of tokens in a row, as they are read, coloured by role or in turns; all text escaped."""
    made = []
    for at, token in enumerate(tokens):
        tint = ROLES.get(token.role, ROLES["template"]) if token.role else TINTS[at % len(TINTS)]
        made.append(_chip(token.visible, tint, f"id {token.id}, bytes {token.bytes.hex(' ')}"))
        if token.bytes.endswith(b"\n"):
            made.append("<br>")
    return "<wbr>".join(made)


def _chip(text: str, tint: str, title: str = "") -> str:
    return (
        f'<code title="{html.escape(title)}" style="background:{tint};color:inherit;padding:1px 2px;'
        f'border-radius:3px">{html.escape(text)}</code>'
    )


def _table(tokens: Sequence[Token]) -> str:
    rows = "".join(
        f"<tr><td>{at}</td><td><code>{html.escape(token.visible)}</code></td><td>{token.id}</td>"
        f"<td><code>{token.bytes.hex(' ')}</code></td>"
        f"<td>{'' if token.start is None else f'{token.start}–{token.end}'}</td>"
        f"<td>{html.escape(token.role or ('special' if token.special else ''))}</td></tr>"
        for at, token in enumerate(tokens)
    )
    heads = "".join(f"<th>{name}</th>" for name in ("", "token", "id", "bytes", "characters", ""))
    said = f"<summary>the first {len(tokens)} as a table</summary>"
    return f"<details>{said}<table><tr>{heads}</tr>{rows}</table></details>"
