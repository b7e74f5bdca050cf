"""Tokens as bytes, and bytes as text with nothing invisible in it: spaces, line ends, halves of characters.

It knows tokenizers; it does not know texts, models or who shows what.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import whole
from influence_nb.errors import InvalidData, UnsupportedModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Spell = Callable[[str], bytes]
"""From a token as the vocabulary writes it to the bytes that it stands for."""

MARKS = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
"""What stands for the commonest invisible characters; `widgets/shared/tokens.js` has the same."""

_UNSEEN = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
"""Unicode's categories of characters that show nothing by themselves."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def visible(text: str | bytes) -> str:
    """The text with spaces, line ends and control characters as signs, and "∅" where there is none.

    Args:
        text: a str, or the bytes of a token: those that are no whole character show as ⟨xe4⟩ each, and characters
            that show nothing, such as U+200B, as ⟨200b⟩.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return "".join(map(_sign, text)) or "∅"


def _sign(one: str) -> str:
    if one in MARKS:
        return MARKS[one]
    if unicodedata.category(one) not in _UNSEEN:
        return one
    code = ord(one)
    return f"⟨x{code - 0xDC00:02x}⟩" if 0xDC80 <= code <= 0xDCFF else f"⟨{code:x}⟩"


def token_bytes(tokenizer: PreTrainedTokenizerBase, id: int) -> bytes:
    """The bytes that a token stands for, which may be half a character.

    A word that WordPiece puts after a space has no byte for it.

    Raises:
        InvalidData: the vocabulary has no such id.
        UnsupportedModel: see `speller`.
    """
    return speller(tokenizer)(whole("id", id, 0))


def speller(tokenizer: Any) -> Callable[[int], bytes]:
    """`token_bytes` of one tokenizer, made once for many tokens.

    What its decoder does to each token is done here in bytes, so that halves of characters stay what they are.

    Raises:
        UnsupportedModel: not a tokenizer of the tokenizers library.
    """
    library = getattr(tokenizer, "backend_tokenizer", None)
    if library is None:
        raise UnsupportedModel(
            f"{type(tokenizer).__name__} is a tokenizer written in Python, whose tokens cannot be taken apart here.",
            "Look for a copy of the model with a tokenizer.json.",
        )
    steps = list(_flat(library.decoder)) or [
        step for step in _flat(library.pre_tokenizer) if step["type"] in ("ByteLevel", "Metaspace")
    ]
    spell = _spelling(steps)
    added = {id: str(token).encode() for id, token in tokenizer.added_tokens_decoder.items()}

    def bytes_of(id: int) -> bytes:
        if id in added:  # these are text as it stands, in every kind of vocabulary
            return added[id]
        piece = library.id_to_token(id)
        if piece is None:
            raise InvalidData(
                f"There is no token {id}.", f"The vocabulary has {library.get_vocab_size()} tokens, from 0."
            )
        return spell(piece)

    return bytes_of


def _flat(step: Any) -> Iterator[dict[str, Any]]:
    """The parts of a decoder or pre-tokenizer, as its file describes them."""
    if step is None:
        return
    described = json.loads(step.__getstate__())
    inner = described.get("decoders") or described.get("pretokenizers")
    yield from inner or [described]


def _spelling(steps: list[dict[str, Any]]) -> Spell:
    """One function of what the steps do to a token; of steps that only act on whole texts nothing is left."""
    replaced: list[Callable[[str], str]] = []
    for step in steps:
        match step:
            case {"type": "ByteLevel"}:
                return _byte_level
            case {"type": "Replace", "pattern": {"String": str(old)}, "content": str(new)}:
                replaced.append(partial(_replace, old, new))
            case {"type": "Metaspace", "replacement": str(old)}:
                replaced.append(partial(_replace, old, " "))
            case {"type": "BPEDecoder", "suffix": str(old)} if old:
                replaced.append(partial(_replace, old, " "))
            case {"type": "WordPiece", "prefix": str(old)} if old:
                replaced.append(partial(_without, old))
    falls_back = any(step["type"] == "ByteFallback" for step in steps)

    def spell(piece: str) -> bytes:
        if falls_back and (byte := _BYTE.fullmatch(piece)):
            return bytes([int(byte[1], 16)])
        return reduce(lambda text, change: change(text), replaced, piece).encode()

    return spell


def _replace(old: str, new: str, piece: str) -> str:
    return piece.replace(old, new)


def _without(prefix: str, piece: str) -> str:
    return piece.removeprefix(prefix)


def _alphabet() -> dict[str, int]:
    """GPT-2's letters for the 256 bytes: printable ones stand for themselves, the rest are letters from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + at): byte for at, byte in enumerate(rest)}


_ALPHABET = _alphabet()


def _byte_level(piece: str) -> bytes:
    try:
        return bytes([_ALPHABET[letter] for letter in piece])
    except KeyError:  # a token that somebody put into the vocabulary as plain text
        return piece.encode()
