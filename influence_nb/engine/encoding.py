"""Texts to token ids, many at once: as a tokenizer of transformers gives them, without what else it would compute.

It does not know models or prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: bool) -> list[list[int]]:
    """The ids of each text, with the tokenizer's own special tokens if `special`; several cores share several texts.

    Raises:
        InvalidData: one is no text, or has half a character in it.
    """
    try:
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("no text")
        return _ids(tokenizer, list(texts), special)
    except (TypeError, ValueError) as error:  # how tokenizers say it of lone surrogates
        raise InvalidData(
            "This is not text that can be encoded.", "Give a str of whole characters."
        ) from error


def _ids(tokenizer: Any, texts: list[str], special: bool) -> list[list[int]]:
    from transformers import PreTrainedTokenizerFast
    from transformers.tokenization_utils_base import TruncationStrategy
    from transformers.utils.generic import PaddingStrategy

    kind = type(tokenizer)
    plain = issubclass(kind, PreTrainedTokenizerFast) and all(
        getattr(kind, name) is getattr(PreTrainedTokenizerFast, name) for name in ("__call__", "_encode_plus")
    )
    if not texts or not plain:  # another tokenizer, or one that does something of its own beside
        found: list[list[int]] = tokenizer(texts, add_special_tokens=special)["input_ids"] if texts else []
        return found
    # What transformers does before it asks the library; it then asks for masks and places in the text too.
    tokenizer.set_truncation_and_padding(
        PaddingStrategy.DO_NOT_PAD, TruncationStrategy.DO_NOT_TRUNCATE, None, 0, None, None
    )
    library = tokenizer.backend_tokenizer
    if library.encode_special_tokens != tokenizer.split_special_tokens:
        library.encode_special_tokens = tokenizer.split_special_tokens
    return [one.ids for one in library.encode_batch_fast(texts, add_special_tokens=special)]
