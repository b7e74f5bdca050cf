"""`Tokenizer`: what a model reads in place of text, without the model.

    tokenizer = inb.tokenizer()
    tokenizer.tokenize("naïve café")             # ids, bytes and places
    tokenizer.find("ing")                        # in the vocabulary
    tokenizer.chat([{"role": "user", "content": "Hello"}])

It does not know where tokenizers are found (`api/tokenizing.py`), nor networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_bool, quoted, whole
from influence_nb.engine import template
from influence_nb.engine.chat_roles import roles
from influence_nb.engine.token_costs import SAMPLE, Cost, TokenCosts
from influence_nb.engine.token_text import speller
from influence_nb.engine.tokens import Token, Tokens
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int]


class Tokenizer:
    """Text to tokens and back, the vocabulary, and the chat template. `influence_nb.tokenizer` gives it.

    Attributes:
        name: the model's.
        raw: transformers' tokenizer.
    """

    def __init__(self, name: str, raw: PreTrainedTokenizerBase) -> None:
        """Look into a tokenizer of transformers.

        Raises:
            UnsupportedModel: it is one written in Python, whose tokens cannot be taken apart.
        """
        self.name = name
        self.raw: Any = raw
        self._bytes = speller(raw)
        self._special = set(raw.all_special_ids) | {
            id for id, token in raw.added_tokens_decoder.items() if token.special
        }

    def __len__(self) -> int:
        """How many tokens the vocabulary has."""
        return len(self.raw)

    def __repr__(self) -> str:
        return f"Tokenizer({self.name}: {len(self):,} tokens)"

    # -- of a text ---------------------------------------------------------------------------------------------------

    def tokenize(self, text: str, special: bool = True) -> Tokens:
        """The tokens of a text.

        Args:
            text: any text; a special token written out in it, such as "<|im_end|>", is that token.
            special: whether the marks stand around it that this tokenizer adds to a text.

        Raises:
            InvalidData: no text, or one with half a character in it.
        """
        expect_bool(special=special)
        ids, spans = self._encoded(text, special)
        return Tokens(self.name, ids, self._maker(ids, spans), text, spans)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special ones shown; what is no whole character is "�".

        Raises:
            InvalidData: one is no id of the vocabulary.
        """
        known = [self.token(id).id for id in ids]
        return str(self.raw.decode(known, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        answering: bool = True,
        switches: Mapping[str, Any] | None = None,
    ) -> Tokens:
        """The tokens of a conversation as the chat template writes it, each with its role: whose words it is of, or
        "template" for what the template adds.

        Args:
            messages: {"role", "content"} each.
            answering: whether the beginning of the assistant's answer stands at the end.
            switches: variables for the template, such as {"enable_thinking": False}.

        Raises:
            CapabilityMissing: the model has no chat template.
            InvalidData: no messages, or such as the template refuses.
        """
        text = template.render(self.raw, messages, switches, answering)
        ids, spans = self._encoded(text, False)
        whose = roles(self.raw, messages, text, switches, answering)
        return Tokens(self.name, ids, self._maker(ids, spans, whose), text, spans)

    def costs(self, texts: Mapping[str, str] | None = None) -> TokenCosts:
        """How many tokens languages take: per character, per word, and beside the first of them.

        Args:
            texts: {name: text}; None is a small sample of our own, the same few sentences in 16 languages, and two
                pieces of code: enough to see differences, too little to measure them finely.

        Raises:
            InvalidData: a text is empty, or no text.
        """
        given = SAMPLE if texts is None else texts
        if not isinstance(given, Mapping) or not given:
            raise InvalidData(
                f"texts={quoted(texts)} is no mapping of names to texts.",
                "Give {'English': '...', 'Polish': '...'}.",
            )
        costs = []
        for name, text in given.items():
            tokens = len(self.tokenize(text, special=False))
            if not tokens:
                raise InvalidData(f"The text of {name!r} has no tokens.", "Give at least one word.")
            costs.append(Cost(str(name), text, tokens))
        return TokenCosts(self.name, tuple(costs), texts is None)

    # -- of the vocabulary -------------------------------------------------------------------------------------------

    def token(self, id: int) -> Token:
        """The token of an id.

        Raises:
            InvalidData: there is none.
        """
        return self._token(whole("id", id, 0))

    def find(self, query: str | bytes | int | re.Pattern[str], limit: int = 50) -> Tokens:
        """Search the vocabulary.

        Args:
            query: text that a token has in it, upper and lower case apart, " " where a space counts; bytes that it
                has in it; a compiled regular expression, searched for in its text; or an id. What is equal comes
                first, then what begins so, the shorter before the longer.
            limit: how many at most, >= 1; `total` says how many there are.

        Raises:
            InvalidData: an empty query, one of another kind, or an id that there is not.
        """
        limit = whole("limit", limit, 1)
        if isinstance(query, int) and not isinstance(query, bool):
            return self._of([self.token(query)])
        rank = _matcher(query)
        ranked = [
            (*found, id) for id, spelled in self._vocabulary.items() if (found := rank(spelled)) is not None
        ]
        best = sorted(ranked)[:limit]
        return self._of([self._token(id) for *_, id in best], len(ranked))

    @cached_property
    def special_tokens(self) -> Tokens:
        """The special tokens by their ids, each with what it is for as its role where the tokenizer says so."""
        names = ("mask", "cls", "pad", "sep", "unk", "eos", "bos")
        named = {getattr(self.raw, f"{name}_token_id", None): name for name in names}
        made = [self._token(id) for id in sorted(self._special)]
        return self._of([Token(one.id, one.piece, one.bytes, True, role=named.get(one.id)) for one in made])

    @cached_property
    def _vocabulary(self) -> dict[int, bytes]:
        return {id: self._bytes(id) for id in sorted(self.raw.get_vocab().values())}

    # -- parts -------------------------------------------------------------------------------------------------------

    def _token(self, id: int) -> Token:
        spelled = self._bytes(id)
        return Token(id, str(self.raw.convert_ids_to_tokens(id)), spelled, id in self._special)

    def _of(self, tokens: Sequence[Token], total: int | None = None) -> Tokens:
        return Tokens(self.name, [one.id for one in tokens], tokens.__getitem__, total=total)

    def _maker(
        self, ids: Sequence[int], spans: Sequence[Span], whose: Callable[[int], str] | None = None
    ) -> Callable[[int], Token]:
        def make(place: int) -> Token:
            one, (start, end) = self._token(ids[place]), spans[place]
            role = None if whose is None else whose(start)
            return Token(one.id, one.piece, one.bytes, one.special, start, end, role)

        return make

    def _encoded(self, text: str, special: bool) -> tuple[list[int], list[Span]]:
        """The ids of a text, and each one's place in it in characters."""
        try:
            if not isinstance(text, str):
                raise TypeError("no text")
            found = self.raw(
                text, add_special_tokens=special, return_offsets_mapping=True, return_special_tokens_mask=True,
                return_attention_mask=False, return_token_type_ids=False, verbose=False,
            )  # fmt: skip
        except (TypeError, ValueError) as error:  # how tokenizers say it of lone surrogates
            raise InvalidData(
                f"text={quoted(text)} is not text that can be encoded.", "Give a str of whole characters."
            ) from error
        ids, offsets = found["input_ids"], [(start, end) for start, end in found["offset_mapping"]]
        added = [start == end and id in self._special for id, (start, end) in zip(ids, offsets, strict=True)]
        spelled = [0 if one else len(self._bytes(id)) for id, one in zip(ids, added, strict=True)]
        joined = b"".join(self._bytes(id) for id, one in zip(ids, added, strict=True) if not one)
        lead = 1 if joined == b" " + text.encode() else 0  # SentencePiece puts a space before a text
        if lead or joined == text.encode():
            return ids, _spans(text, spelled, lead)
        return ids, _placed(offsets, added, len(text))


def _spans(text: str, lengths: Iterable[int], lead: int) -> list[Span]:
    """Places in characters of tokens whose bytes are those of the text, exactly; `lead` bytes stand before it."""
    import numpy as np

    sizes = np.array(list(lengths), np.int64)
    raw = np.frombuffer(text.encode(), np.uint8)
    # of each byte, the character that it is of, and one past the end
    character = np.append(np.cumsum((raw & 0xC0) != 0x80) - 1, len(text))
    ends = np.cumsum(sizes) - lead
    starts = np.maximum(ends - sizes, 0)
    first = character[starts]
    last = np.where(ends > starts, character[np.maximum(ends - 1, 0)] + 1, first)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _placed(offsets: Sequence[Span], added: Sequence[bool], length: int) -> list[Span]:
    """The library's own places; marks that were added at the end stand at the end."""
    found, last = [], 0
    for (start, end), mark in zip(offsets, added, strict=True):
        found.append((last, last) if mark else (min(start, length), min(end, length)))
        last = found[-1][1]
    return found


def _matcher(query: Any) -> Callable[[bytes], tuple[int, int] | None]:
    """Of a token's bytes how well it matches, less is better; None where it does not."""
    if isinstance(query, re.Pattern) and isinstance(query.pattern, str):
        return lambda spelled: (0, len(spelled)) if query.search(spelled.decode("utf-8", "replace")) else None
    if not isinstance(query, str | bytes) or not query:
        raise InvalidData(
            f"query={quoted(query)} cannot be searched for.",
            "Give some text, bytes, a compiled regular expression or a token's id.",
        )
    try:
        wanted = query.encode() if isinstance(query, str) else query
    except UnicodeEncodeError as error:
        raise InvalidData("The query has half a character in it.", "Give bytes for those.") from error

    def rank(spelled: bytes) -> tuple[int, int] | None:
        if wanted not in spelled:
            return None
        return (0 if spelled == wanted else 1 if spelled.startswith(wanted) else 2), len(spelled)

    return rank
