"""A `TokenModel` whose text becomes tokens, and tokens text, by a transformers tokenizer.

It does not know what runs the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from influence_nb.engine import encoding
from influence_nb.engine.token_model import TokenModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from influence_nb.engine import template


class WithTokenizer(TokenModel):
    """The half of a model that knows text.

    Attributes:
        tokenizer: the transformers tokenizer.
    """

    tokenizer: PreTrainedTokenizerBase

    def encode(self, text: str, special: bool = True) -> list[int]:
        """See `TokenModel`."""
        return self.encode_batch([text], special)[0]

    def encode_batch(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        """See `TokenModel`."""
        return encoding.encode(self.tokenizer, texts, special)

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """See `TokenModel`."""
        text = self.tokenizer.decode(
            list(ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text

    @property
    def templated(self) -> template.Templated:
        """See `TokenModel`."""
        return self.tokenizer

    @property
    def chat_template(self) -> str | None:
        """See `TokenModel`."""
        template = self.tokenizer.chat_template
        return None if template is None else str(template)
