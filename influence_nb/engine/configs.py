"""A config.json with what transformers fills in: defaults, common names, the kind of each layer.

It builds a configuration and no network, runs no code of a repository's own, and does not know what is done with
the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influence_nb.engine.quiet import quiet


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the language model's config, under the names that architectures share.

    Files on the Hub leave out what equals a default, and each architecture has names of its own; transformers knows
    both. A config that it does not know, or refuses, comes back as it was.
    """
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        return dict(config)
    try:
        with quiet():
            whole = CONFIG_MAPPING[kind].from_dict(dict(config))
            return dict(config) | _fields(whole)
    except Exception:  # whatever a config of somebody's own making does to transformers
        return dict(config)


def _fields(whole: Any) -> dict[str, Any]:
    text = whole.get_text_config(decoder=True)
    fields: dict[str, Any] = text.to_dict()
    for common in ("num_hidden_layers", *type(text).attribute_map):
        value = getattr(text, common, None)
        if value is not None:
            fields.setdefault(common, value)
    fields["keeps_cache"] = (
        hasattr(text, "use_cache")
        or hasattr(text, "layer_types")
        or "past_key_values" in getattr(text, "keys_to_ignore_at_inference", ())
    )
    fields["number_of_conv_states"] = getattr(text, "number_of_conv_states", 1)
    fields["architectures"] = whole.architectures
    fields["model_type"] = whole.model_type
    fields["tie_word_embeddings"] = bool(getattr(whole, "tie_word_embeddings", False))
    fields["dtype"] = str(whole.dtype).removeprefix("torch.") if whole.dtype is not None else None
    kinds = _layer_kinds(text)
    if kinds is not None:
        fields |= {"layer_types": kinds, "num_kv_shared_layers": None, "num_hidden_layers": len(kinds)}
        for name in ("decoder_layers", "num_decoder_layers"):
            fields.pop(name, None)
    return fields


def _layer_kinds(text: Any) -> list[str] | None:
    """The kinds that transformers makes a cache of; None where it cannot say."""
    from transformers.cache_utils import get_layer_types_and_kwargs

    try:
        kinds, _ = get_layer_types_and_kwargs(text)
    except Exception:  # architectures whose caches are of another make
        return None
    return list(kinds)
