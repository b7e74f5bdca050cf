"""Grammars: which tokens may come next, so that a text is JSON, or JSON of a schema. llguidance works it out.

It knows tokenizers and single tokens; it does not know logits, rows or models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from influence_nb.errors import CapabilityMissing, InvalidSampling

if TYPE_CHECKING:
    import numpy as np

Grammar = str | Mapping[str, Any]
"""\"json\" for any JSON object, or a JSON schema."""

_COMPACT: Any = {"whitespace_flexible": False}
"""One way to set spaces, so that no text goes on with spaces for ever."""


class Grammars:
    """Makes the guides of one tokenizer; what llguidance needs of it is worked out once.

    Args:
        tokenizer: a fast tokenizer of transformers.
        vocabulary: how many ids the logits have.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        import llguidance.hf

        self.vocabulary = vocabulary
        try:
            self._tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=max(vocabulary, len(tokenizer)))
        except Exception as error:  # a slow tokenizer, or one whose tokens are no bytes
            raise CapabilityMissing(
                f"This model's tokenizer cannot be held to a grammar: {error}", "Leave grammar out."
            ) from error

    def guide(self, grammar: Grammar) -> Guide:
        """What holds one text to a grammar, from its beginning.

        Raises:
            InvalidSampling: the schema is none, or asks for what cannot be enforced.
        """
        from llguidance import LLMatcher

        schema = {"type": "object"} if grammar == "json" else grammar
        try:
            written = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_COMPACT)
            matcher = LLMatcher(self._tokens, written)
            wrong = matcher.get_error()
        except Exception as error:
            wrong = str(error)
        if wrong:
            refused = InvalidSampling(
                f"grammar is a schema that cannot be followed: {wrong.splitlines()[0]}",
                'Give a JSON schema, such as {"type": "object", "properties": {…}}, or "json".',
            )
            refused.field = "grammar"
            raise refused
        return Guide(matcher, self.vocabulary)


class Follows(Protocol):
    """What follows a text and says which tokens may not come next."""

    def forbidden(self, ends: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """For each id whether it may not come next, bool (vocabulary,); `ends` may where the text is whole."""

    def take(self, token: int) -> None:
        """A token has come."""


class Guide:
    """How far one text is in its grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def forbidden(self, ends: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """For each id whether it may not come next, bool (vocabulary,); `ends` may where the text is whole."""
        import numpy as np

        stopped = self._matcher.is_stopped()
        if stopped:
            forbidden = np.ones(self._vocabulary, bool)
        else:
            bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
            forbidden = np.unpackbits(bits, bitorder="little")[: self._vocabulary] == 0
        forbidden[list(ends)] = not (stopped or self._matcher.is_accepting())
        return forbidden

    def take(self, token: int) -> None:
        """A token has come; one that ends the text changes nothing."""
        if not self._matcher.is_stopped():
            self._matcher.try_consume_tokens([token])

    def fresh(self) -> Guide:
        """The same grammar from its beginning."""
        matcher = self._matcher.deep_copy()
        matcher.reset()
        return Guide(matcher, self._vocabulary)
