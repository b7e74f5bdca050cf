"""`PrefixCache`: the KV cache of a text already seen, reused for the longest beginning that a new text shares.

It does not know messages or sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from influence_nb.engine import weigh


class PrefixCache:
    """At most one cache, that of the last text. Taking it empties the holder: a failure leaves nothing stale."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._cache: tuple[str, Any] | None = None

    def take(self, prompt: Sequence[int], at_once: bool = True) -> tuple[tuple[str, Any] | None, int]:
        """The cache of the longest common beginning, and how many tokens of `prompt` it holds.

        At least the prompt's last token is left to run, since its logits are wanted. Architectures whose state
        cannot be rolled back (state-space layers, sliding windows past their size) give their cache only to a prompt
        that extends what was seen. One that takes its tokens one by one (not `at_once`) is worth it only while no
        more tokens are new than it holds.
        """
        ids, cache = self._ids, self._cache
        self.clear()
        if cache is None:
            return None, 0
        shared = 0
        for ours, theirs in zip(ids, prompt[:-1], strict=False):
            if ours != theirs:
                break
            shared += 1
        if shared == 0 or (not at_once and len(prompt) > 2 * shared):
            return None, 0
        if shared < len(ids):
            try:
                cache[1].crop(shared - len(ids))
            except (
                AttributeError,
                RuntimeError,
                ValueError,
            ):  # how transformers says that it cannot be rolled back
                return None, 0
        return cache, shared

    def keep(self, ids: Sequence[int], cache: tuple[str, Any] | None) -> None:
        """Hold the cache of exactly these tokens."""
        self._ids, self._cache = list(ids), cache

    def copy(self, other: PrefixCache) -> None:
        """Hold what another holder has, in memory of its own: from here on both go their own ways."""
        self._ids, self._cache = list(other._ids), deepcopy(other._cache)

    def clear(self) -> None:
        """Let go of the cache and its memory."""
        self._ids, self._cache = [], None

    @property
    def size(self) -> int:
        """Bytes of the cache."""
        cache = self._cache
        return weigh.tensors(cache[1]) if cache is not None else 0

    def __len__(self) -> int:
        return len(self._ids)
