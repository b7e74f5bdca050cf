"""The fields of a model's config under whatever names they go by, and which kind each layer is.

It reads what configs of different architectures share; it has no list of models, and does not know what a layer
costs. A config that transformers has completed (`engine.configs`) says most of it outright; one that is taken as
it stands in a file leaves more to the rules here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

_NESTED = ("text_config", "llm_config", "language_config", "text_model", "decoder_config", "decoder")
"""Where models of several modalities keep the config of their language model."""

_NAMES = {
    "layers": (
        "decoder_layers",
        "num_decoder_layers",
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "num_blocks",
    ),
    "hidden": ("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_dim"),
    "heads": (
        "decoder_attention_heads",
        "num_decoder_attention_heads",
        "num_attention_heads",
        "n_head",
        "n_heads",
        "attention_heads",
        "num_heads",
    ),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "num_query_groups", "n_head_kv", "kv_n_heads"),
    "head_dim": (
        "attention_head_dim",
        "head_dim",
        "kv_channels",
        "d_head",
        "dim_head",
        "attention_head_size",
    ),
    "intermediate": (
        "decoder_ffn_dim",
        "intermediate_size",
        "ffn_dim",
        "n_inner",
        "ffn_hidden_size",
        "d_inner",
        "dff",
        "dim_ff",
        "feed_forward_size",
    ),
    "expert": ("moe_intermediate_size", "expert_ffn_hidden_size"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "experts_used": ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts"),
    "vocabulary": ("vocab_size",),
    "context": (
        "max_position_embeddings",
        "n_positions",
        "max_sequence_length",
        "max_seq_len",
        "model_max_length",
        "context_length",
        "max_target_positions",
        "n_ctx",
    ),
    "window": ("sliding_window", "sliding_window_size", "attention_window_size", "window_size"),
    "state": ("mamba_d_state", "ssm_state_size", "state_size"),
    "state_kernel": ("mamba_d_conv", "conv_kernel"),
    "state_expand": ("mamba_expand", "expand"),
    "state_heads": ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads"),
    "state_groups": ("mamba_n_groups", "n_groups", "mamba_ngroups"),
    "state_head_dim": ("mamba_d_head", "mamba_head_dim", "mamba_headdim"),
}
"""What it is called here: what configs call it, the most telling name first."""

_KINDS = {
    "attention": "full_attention",
    "full": "full_attention",
    "global": "full_attention",
    "sliding": "sliding_attention",
    "reference_sliding_attention": "sliding_attention",
    "chunked_attention": "sliding_attention",
    "mamba": "linear_attention",
    "mamba2": "linear_attention",
    "recurrent": "linear_attention",
    "M": "linear_attention",
    "*": "full_attention",
    "moe": "dummy",
    "mlp": "dummy",
    "-": "dummy",
    "E": "dummy",
    "deepseek_sparse_attention": "indexed_attention",
}
"""Names of layer kinds that older configs use."""


def text_of(config: Config) -> Config:
    """The part of a config that describes the language model, where a model of several modalities nests it."""
    for name in _NESTED:
        nested = config.get(name)
        if isinstance(nested, Mapping) and (number(nested, "layers") or number(nested, "hidden")):
            shared = {
                key: config[key] for key in ("tie_word_embeddings", "dtype", "torch_dtype") if key in config
            }
            return {**shared, **nested}
    return config


def number(config: Config, what: str) -> int | None:
    """A whole number above zero that the config calls by any of its names; None where it is not said."""
    for name in _NAMES.get(what, (what,)):
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1:
            return int(value)
    return None


def layer_count(config: Config) -> int:
    """How many layers the decoder has."""
    kinds = (
        config.get("layers_block_type") or config.get("layer_types") or config.get("hybrid_override_pattern")
    )
    return number(config, "layers") or (len(kinds) if isinstance(kinds, list | str) else 0)


def for_layer(config: Config, index: int) -> Config:
    """The config with what holds for this layer alone."""
    overrides = config.get("per_layer_config")
    if not isinstance(overrides, Mapping):
        return config
    own = next((value for key, value in overrides.items() if str(key).isdigit() and int(key) == index), None)
    return {**config, **own} if isinstance(own, Mapping) else config


def layer_kinds(config: Config) -> list[str]:
    """The kind of each layer, as transformers names them.

    "full_attention", "sliding_attention", "indexed_attention", "linear_attention", "conv", "hybrid",
    "hybrid_sliding", "dummy" (keeps nothing), and whatever else a config says.
    """
    count = layer_count(config)
    said = (
        config.get("layer_types") or config.get("layers_block_type") or config.get("hybrid_override_pattern")
    )
    if isinstance(said, list | str) and len(said) == count:
        kinds = [_KINDS.get(str(kind), str(kind)) for kind in said]
    else:
        kinds = [_derived(config, index, count) for index in range(count)]
    shared = number(config, "num_kv_shared_layers") or 0
    crossed = config.get("cross_attention_layers") or ()
    return [
        "dummy" if index >= count - shared > 0 or index in crossed else kind
        for index, kind in enumerate(kinds)
    ]


def _derived(config: Config, index: int, count: int) -> str:
    """The kind of a layer that the config names no kind for."""
    if (pattern := config.get("block_types")) and isinstance(pattern, list):
        kind = _KINDS.get(pattern[index % len(pattern)], "full_attention")
        return "sliding_attention" if kind == "full_attention" and number(config, "window") else kind
    for name, otherwise in (
        ("attn_layer_indices", "linear_attention"),
        ("full_attn_idxs", "conv"),
    ):
        if isinstance(places := config.get(name), list):
            return "full_attention" if index in places else otherwise
    if isinstance(places := config.get("hybrid_layer_ids"), list):
        return "hybrid" if index in places else "linear_attention"
    if period := number(config, "attn_layer_period"):
        return (
            "full_attention"
            if index % period == (config.get("attn_layer_offset") or 0)
            else "linear_attention"
        )
    if period := number(config, "full_attention_interval"):
        return "full_attention" if (index + 1) % period == 0 else "linear_attention"
    if number(config, "state") or config.get("rescale_every") is not None or "qk_dim_factor" in config:
        return "hybrid" if number(config, "heads") and number(config, "kv_heads") else "linear_attention"
    windowed = number(config, "window") if config.get("use_sliding_window", True) else None
    pattern = config.get("sliding_window_pattern", config.get("_sliding_window_pattern"))
    if windowed and isinstance(pattern, int) and pattern > 0:
        return "full_attention" if (index + 1) % pattern == 0 else "sliding_attention"
    return "sliding_attention" if windowed or number(config, "attention_chunk_size") else "full_attention"
