"""Token ids to text as they come: constant time a token, and never half a character.

It does not know models or stop strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST_CHARACTER = 4
"""UTF-8 needs at most four bytes a character, and a token holds at least one."""
_HALF = "\ufffd"


class Detokenizer:
    """Turns one token at a time into the text it completes.

    A token's text can depend on the one before it (leading spaces, bytes of one character), so each step decodes
    a short window: the tokens last emitted, and those still waiting for the rest of a character.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._waiting: list[int] = []

    def push(self, token: int) -> str:
        """The text that `token` completes; "" while a character is incomplete."""
        self._waiting.append(token)
        text = self._text(self._waiting)
        if not text.endswith(_HALF):
            return self._emit(len(self._waiting), text)
        if len(self._waiting) < _LONGEST_CHARACTER:
            return ""
        # No character is this long: the oldest token is no part of one that can still be completed.
        return self._emit(1, self._text(self._waiting[:1]))

    def rest(self) -> str:
        """The whole characters that still wait beside one that stayed incomplete."""
        return self._text(self._waiting).rstrip(_HALF) if self._waiting else ""

    def _text(self, tokens: list[int]) -> str:
        before = self._decode(self._before)
        return self._decode(self._before + tokens)[len(before) :]

    def _emit(self, count: int, text: str) -> str:
        if text:  # tokens without text, such as special ones, say nothing of what comes after
            self._before = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return text

    def _decode(self, tokens: list[int]) -> str:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text
