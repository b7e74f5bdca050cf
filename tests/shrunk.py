"""Tiny models of any architecture that transformers registers: its own default config, made small by field names.

It knows what fields are called, and no architecture.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests import tiny

_SMALL = {
    64: "hidden_size d_model n_embd dim emb_dim embedding_dim embedding_size word_embed_proj_dim lru_width",
    6: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_decoder_layers num_blocks "
    "num_encoder_layers",
    4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads attention_heads "
    "num_decoder_attention_heads num_encoder_attention_heads num_experts n_routed_experts num_local_experts "
    "moe_num_experts mamba_dt_rank time_step_rank linear_num_value_heads linear_num_heads d_rel gated_norm_rank",
    2: "num_key_value_heads num_kv_heads num_query_groups num_experts_per_tok moe_topk moe_k top_k_experts "
    "num_experts_per_token zero_expert_num linear_num_key_heads index_n_heads n_mamba_heads",
    1: "n_group topk_group num_expert_group",
    24: "head_dim q_lora_rank qk_head_dim",
    16: "d_head dim_head kv_channels sliding_window attention_window_size window_size sliding_window_size "
    "attention_chunk_size local_attention qk_nope_head_dim mamba_d_head mamba_head_dim linear_head_dim index_head_dim "
    "chunk_size mamba_chunk_size block_size router_hidden_size o_lora_rank pronunciation_embed_dim shape_embed_dim",
    96: "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim d_inner dff dim_ff ffn_hidden_size "
    "intermediate_size_mlp dense_intermediate_size",
    32: "moe_intermediate_size expert_ffn_hidden_size shared_expert_intermediate_size shared_intermediate_size "
    "shared_experts_intermediate_size moe_shared_expert_intermediate_size rel_extent attention_head_dim",
    20: "kv_lora_rank linear_value_head_dim",
    12: "v_head_dim linear_key_head_dim",
    8: "qk_rope_head_dim state_size ssm_state_size mamba_d_state mamba_n_heads mamba_num_heads index_topk laurel_rank "
    "hidden_size_per_layer_input",
    512: "max_position_embeddings n_positions n_ctx max_seq_len context_length max_target_positions",
}
_VALUES = {name: value for value, names in _SMALL.items() for name in names.split()}
_MOST = 30_000_000


def drawn(seed: int, count: int) -> Iterator[tuple[str, Any]]:
    """(kind, network) of that many architectures out of all, in an order of chance; tiny and random.

    Those that a table of field names cannot make small are passed over.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kinds = sorted(set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(tiny.KINDS))
    random.Random(seed).shuffle(kinds)
    for kind in kinds:
        if count and (made := _made(kind)) is not None:
            count -= 1
            yield kind, made


def _made(kind: str) -> Any:
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    for leave_out in ((), ("head_dim",), ("num_key_value_heads",)):
        try:
            config = CONFIG_MAPPING[kind](**_small(CONFIG_MAPPING[kind], leave_out))
            with torch.device("meta"):
                network = AutoModelForCausalLM.from_config(config)
            if sum(weight.numel() for weight in network.parameters()) > _MOST:
                return None
            torch.manual_seed(0)
            network = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
            with torch.no_grad():
                network(torch.tensor([[5, 6, 7]]))
            return network
        except Exception:  # sizes that do not go together, in one of many ways
            continue
    return None


def _small(cls: Any, leave_out: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in cls().to_dict().items():
        if name == "vocab_size":
            fields[name] = 320
        elif name.endswith("_token_id") and isinstance(value, int):
            fields[name] = 0
        elif (
            name in _VALUES
            and name not in leave_out
            and isinstance(value, int)
            and not isinstance(value, bool)
        ):
            fields[name] = _VALUES[name]
        elif name in cls.sub_configs and isinstance(value, dict):
            fields[name] = _small(cls.sub_configs[name], leave_out)
    return fields
