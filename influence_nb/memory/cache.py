"""What each layer keeps of the tokens it has seen: keys and values, windows of them, latents, states.

The formulas follow the caches of transformers 5 (`transformers/cache_utils.py`), which the engine uses. It does not
know devices, nor what becomes of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from influence_nb.memory.config import Config, for_layer, layer_kinds, number
from influence_nb.memory.kept import Kept, head_dim, key_values
from influence_nb.memory.states import state


def kept_by_layers(config: Config, widths: Mapping[int, int] | None = None) -> tuple[Kept, ...]:
    """What all layers keep, in their order.

    Args:
        config: of the language model.
        widths: numbers a token in the keys and values of a layer, by its index, where the shapes of the weights tell:
            they know better than a config.
    """
    kept: list[Kept] = []
    for index, kind in enumerate(layer_kinds(config)):
        kept += _kept(for_layer(config, index), kind, index, (widths or {}).get(index))
    return tuple(kept)


def _kept(config: Config, kind: str, index: int, width: int | None) -> list[Kept]:
    if kind == "full_attention" and not number(config, "heads"):
        kind = "linear_attention"
    match kind:
        case "dummy":
            return []
        case "linear_attention":
            return [state(config)]
        case "conv":
            return [
                Kept("state", fixed=(number(config, "hidden") or 0) * (number(config, "conv_L_cache") or 3))
            ]
        case "hybrid" | "hybrid_sliding":
            sliding = kind == "hybrid_sliding"
            return [_attention(config, sliding, width), state(config, sliding)]
        case "sliding_attention":
            return [_attention(config, True, width)]
        case "indexed_attention":
            return [_attention(config, False, width), Kept("index", per_token=_index_keys(config, index))]
        case "compressed_sparse_attention" | "heavily_compressed_attention":
            return _compressed(config, kind)
    return [_attention(config, False, width)]


def _attention(config: Config, sliding: bool, width: int | None) -> Kept:
    """Keys and values of every token, or of those in the window, or what both are computed from.

    Latent attention keeps one compressed vector and one rotary key for all heads (DeepSeek-V2, arXiv:2405.04434,
    section 2.1). A window of n keeps the last n - 1 tokens, since the next one brings itself.
    """
    rank, rotary = number(config, "kv_lora_rank"), number(config, "qk_rope_head_dim")
    if rank and rotary and not sliding:
        return Kept("latent", per_token=rank + rotary)
    per_token = width or key_values(config, sliding)
    window = number(config, "window") or number(config, "attention_chunk_size")
    if sliding and window:
        return Kept("sliding", per_token=per_token, window=max(window - 1, 1))
    prompts = (number(config, "prompt_length") or 0) if number(config, "prompt_types") else 0
    return Kept("full", per_token=per_token, fixed=prompts * per_token)


def _index_keys(config: Config, index: int) -> int:
    """Numbers a token in the keys of an indexer, which picks what is attended to (DeepSeek-V3.2)."""
    kinds = config.get("indexer_types")
    shared = isinstance(kinds, list) and index < len(kinds) and kinds[index] == "shared"
    return 0 if shared else number(config, "index_head_dim") or 0


def _compressed(config: Config, kind: str) -> list[Kept]:
    """A window of keys that are values too, one compressed entry for every few tokens, and those that wait for it."""
    rates = config.get("compress_rates")
    rate = int(rates.get(kind, 1)) if isinstance(rates, Mapping) else 1
    size, window = head_dim(config), number(config, "window") or 1
    entry = size + ((number(config, "index_head_dim") or 0) if kind == "compressed_sparse_attention" else 0)
    return [
        Kept("sliding", per_token=size, window=max(window - 1, 1)),
        Kept("compressed", per_token=entry, every=rate),
        Kept("compressed", per_token=2 * entry, window=max(rate - 1, 1)),
    ]
