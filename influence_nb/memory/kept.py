"""`Kept`: something that a layer keeps of the tokens it has seen; and the sizes of heads that decide how much.

It does not know which layers keep what.
"""

from __future__ import annotations

from dataclasses import dataclass

from influence_nb.memory.config import Config, number

FLOAT32 = 4


@dataclass(frozen=True)
class Kept:
    """Something that a layer keeps for each row of a batch; a hybrid layer keeps several.

    Attributes:
        kind: "full", "sliding", "latent", "index", "compressed" or "state".
        per_token: numbers kept for each token, in the dtype of the model.
        window: how many of the last tokens are kept; None for all.
        every: one entry for so many tokens.
        fixed: numbers kept whatever the context, in the dtype of the model.
        fixed_float32: numbers kept whatever the context, always in float32.
    """

    kind: str
    per_token: int = 0
    window: int | None = None
    every: int = 1
    fixed: int = 0
    fixed_float32: int = 0

    def size(self, context: int, itemsize: int) -> int:
        """Bytes for one row of `context` tokens, `itemsize` bytes a number."""
        tokens = context if self.window is None else min(context, self.window)
        return (tokens // self.every * self.per_token + self.fixed) * itemsize + self.fixed_float32 * FLOAT32


def head_dim(config: Config) -> int:
    """Numbers in one head's key."""
    heads = number(config, "heads")
    return number(config, "head_dim") or ((number(config, "hidden") or 0) // heads if heads else 0)


def key_values(config: Config, sliding: bool = False) -> int:
    """Numbers a token in the keys and values of one layer: groups × (a key and a value).

    Grouped heads count once a group (arXiv:2305.13245), a single group for all is multi-query attention
    (arXiv:1911.02150). Reformer (arXiv:2001.04451) and XLNet keep what keys and values are made of.
    """
    hidden = number(config, "hidden") or 0
    if number(config, "num_hashes"):
        return hidden
    if not config.get("keeps_cache", True):  # the oldest architectures run the whole text for every token
        return hidden if number(config, "mem_len") else 0
    groups = number(config, "kv_heads") or number(config, "heads") or 0
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        groups = 1
    size = head_dim(config)
    if sliding:
        groups = number(config, "swa_num_key_value_heads") or groups
        size = number(config, "swa_head_dim") or size
    return groups * (size + (number(config, "v_head_dim") or size))
