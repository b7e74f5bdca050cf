"""How many parameters a config amounts to, where no header says: an estimate, within some percent for most models.

It counts matrices: embeddings, attention, MLPs with all their experts, state-space layers. It does not know files.
"""

from __future__ import annotations

from dataclasses import dataclass

from influence_nb.memory.config import Config, for_layer, layer_kinds, number
from influence_nb.memory.kept import head_dim
from influence_nb.memory.states import mamba_sizes

_GATED = ("silu", "swish", "swiglu", "geglu")


@dataclass(frozen=True)
class Counted:
    """Parameters in all, and those in linear layers that int8 and nf4 pack (experts are not among them)."""

    total: int
    linear: int


def parameters(config: Config) -> Counted:
    """Add up the matrices of all layers and the embeddings.

    Attention of `h` heads of size `d` over a stream of width `w` has w·h·d for queries and again for the output and
    w·g·d for keys and values of `g` groups; an MLP has two matrices of w × inner, three when gated; each expert is
    an MLP (Mixtral, arXiv:2401.04088).
    """
    hidden = number(config, "hidden") or 0
    embeddings = (number(config, "vocabulary") or 0) * hidden
    total = embeddings if config.get("tie_word_embeddings") else 2 * embeddings
    linear = 0
    blocks = config.get("layers_block_type") or config.get("hybrid_override_pattern") or ()
    apart = bool({"moe", "mlp", "-", "E"} & set(blocks))  # each layer either mixes tokens or is an MLP
    for index, kind in enumerate(layer_kinds(config)):
        own = for_layer(config, index)
        mixing = _mixing(own, kind)
        dense, experts = _mlp(own, index) if kind == "dummy" or not apart else (0, 0)
        linear += mixing + dense
        total += mixing + dense + experts + 2 * hidden
    return Counted(total + hidden, linear)


def _mixing(config: Config, kind: str) -> int:
    hidden = number(config, "hidden") or 0
    count = 0
    if kind in ("linear_attention", "conv", "hybrid", "hybrid_sliding"):
        count += _state(config, kind)
    if kind not in ("linear_attention", "conv", "dummy"):
        heads, size = number(config, "heads") or 0, head_dim(config)
        rank = number(config, "kv_lora_rank")
        if rank:
            nope, rotary = number(config, "qk_nope_head_dim") or 0, number(config, "qk_rope_head_dim") or 0
            value, narrow = number(config, "v_head_dim") or 0, number(config, "q_lora_rank")
            queries = heads * (nope + rotary)
            count += narrow * (hidden + queries) if narrow else hidden * queries
            count += hidden * (rank + rotary) + rank * heads * (nope + value) + heads * value * hidden
        else:
            groups = 1 if config.get("multi_query") else number(config, "kv_heads") or heads
            count += 2 * hidden * heads * size + 2 * hidden * groups * size
    return count


def _state(config: Config, kind: str) -> int:
    hidden = number(config, "hidden") or 0
    if values := number(config, "linear_num_value_heads"):
        keys = (number(config, "linear_num_key_heads") or values) * (
            number(config, "linear_key_head_dim") or 0
        )
        width = values * (number(config, "linear_value_head_dim") or 0)
        return hidden * (2 * keys + 2 * width + 2 * values) + width * hidden
    if number(config, "state"):
        inner, convolved, state = mamba_sizes(config)
        if convolved:
            return hidden * (2 * inner + convolved) + inner * hidden
        step = number(config, "mamba_dt_rank") or number(config, "time_step_rank") or hidden // 16
        return hidden * 2 * inner + inner * (2 * step + 2 * state) + inner * state + inner * hidden
    return 4 * hidden * hidden


def _mlp(config: Config, index: int) -> tuple[int, int]:
    """(parameters of the dense part, parameters of all experts)."""
    hidden = number(config, "hidden") or 0
    if "state_size" in config and not number(config, "kv_heads"):  # Mamba: no MLP
        return 0, 0
    inner = number(config, "intermediate") or 4 * hidden
    act = str(
        config.get("hidden_act") or config.get("activation_function") or config.get("mlp_hidden_act") or ""
    )
    gated = act in _GATED or "hidden_activation" in config or ("rms_norm_eps" in config and "gelu" in act)
    matrices = 3 if gated else 2
    experts = number(config, "experts")
    if not experts or _is_dense(config, index):
        return matrices * hidden * inner, 0
    width = number(config, "expert") or inner
    shared = (number(config, "n_shared_experts") or number(config, "num_shared_experts") or 0) * width
    shared += (
        number(config, "shared_expert_intermediate_size") or number(config, "shared_intermediate_size") or 0
    )
    return matrices * hidden * shared + hidden * experts, matrices * hidden * width * experts


def _is_dense(config: Config, index: int) -> bool:
    kinds = config.get("mlp_layer_types")
    if isinstance(kinds, list) and index < len(kinds):
        return bool(kinds[index] == "dense")
    if index < (number(config, "first_k_dense_replace") or number(config, "num_dense_layers") or 0):
        return True
    only = config.get("mlp_only_layers")
    if isinstance(only, list) and index in only:
        return True
    blocks = config.get("layers_block_type") or config.get("hybrid_override_pattern")
    if isinstance(blocks, list | str) and index < len(blocks) and blocks[index] in ("mlp", "-"):
        return True
    period = number(config, "expert_layer_period")
    return bool(period and index % period != (config.get("expert_layer_offset") or 0))
