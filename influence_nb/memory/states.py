"""Layers that do not attend: a convolution's last inputs and a recurrent state, whatever the context.

Recurrent states are float32 in transformers, whatever the model's dtype, unless said otherwise here. It does not know
which layers of a model are of this kind.
"""

from __future__ import annotations

from influence_nb.memory.config import Config, number
from influence_nb.memory.kept import Kept, head_dim, key_values


def state(config: Config, sliding: bool = False) -> Kept:
    """What one such layer keeps, by the family that its fields show it to be of.

    Args:
        config: of the language model.
        sliding: whether the layer attends to a window as well.
    """
    if number(config, "linear_num_value_heads"):
        return _delta_rule(config)
    if number(config, "linear_num_heads"):
        return _linear_heads(config)
    if number(config, "state"):
        return _mamba(config)
    if width := number(config, "lru_width"):
        kernel = number(config, "conv1d_width") or 4
        return Kept("state", fixed=width * (kernel - 1), fixed_float32=width)
    if (number(config, "number_of_conv_states") or 1) > 1:
        return _several_convolutions(config, sliding)
    if number(config, "cca_time0"):
        return _convolved_attention(config)
    if config.get("qk_dim_factor") is not None:
        return _matrix_memory(config)
    if not number(config, "heads"):
        return _weighted_sums(config)
    # Lightning attention (arXiv:2501.08313): size × size a head, in the model's dtype
    return Kept("state", fixed=(number(config, "heads") or 0) * head_dim(config) ** 2)


def mamba_sizes(config: Config) -> tuple[int, int, int]:
    """(inner width, numbers of B and C that are convolved with it, state size)."""
    hidden, size = number(config, "hidden") or 0, number(config, "state") or 0
    groups = number(config, "state_groups") or 0
    expanded = (number(config, "state_expand") or 2) * hidden
    if not groups:
        plain = "state_size" in config  # then there is no other MLP whose width `intermediate_size` could be
        return (number(config, "intermediate_size") if plain else None) or expanded, 0, size
    heads = number(config, "state_heads") or number(config, "num_heads") or 0
    width = (
        number(config, "state_head_dim") or (number(config, "head_dim") if "num_heads" in config else 0) or 0
    )
    return number(config, "mamba_d_ssm") or heads * width or expanded, 2 * groups * size, size


def _mamba(config: Config) -> Kept:
    """Mamba (arXiv:2312.00752): inner × kernel and inner × state; Mamba-2 (arXiv:2405.21060) convolves B and C too."""
    inner, convolved, size = mamba_sizes(config)
    kernel = number(config, "state_kernel") or 4
    return Kept("state", fixed=(inner + convolved) * kernel, fixed_float32=inner * size)


def _delta_rule(config: Config) -> Kept:
    """Gated delta rule (arXiv:2412.06464): key × value a head, and the convolved queries, keys and values."""
    values = number(config, "linear_num_value_heads") or 0
    keys = number(config, "linear_num_key_heads") or values
    key, value = number(config, "linear_key_head_dim") or 0, number(config, "linear_value_head_dim") or 0
    kernel = number(config, "linear_conv_kernel_dim") or 4
    return Kept("state", fixed=(2 * keys * key + values * value) * kernel, fixed_float32=values * key * value)


def _linear_heads(config: Config) -> Kept:
    """Delta attention with heads of one size (Kimi Linear, arXiv:2510.26692): as the gated delta rule."""
    heads, size = number(config, "linear_num_heads") or 0, number(config, "linear_head_dim") or 0
    kernel = number(config, "linear_conv_kernel_dim") or number(config, "short_conv_kernel_size") or 4
    return Kept("state", fixed=3 * heads * size * kernel, fixed_float32=heads * size * size)


def _several_convolutions(config: Config, sliding: bool) -> Kept:
    """One over the keys, one over the values, the others over what leaves attention and MLP; all in float32."""
    kernel, count = number(config, "conv_kernel_size") or 4, number(config, "number_of_conv_states") or 2
    width = key_values(config, sliding) + (count - 2) * (number(config, "hidden") or 0)
    return Kept("state", fixed_float32=width * kernel)


def _convolved_attention(config: Config) -> Kept:
    """Queries and keys of the last tokens, and half of the last values; all in the model's dtype."""
    heads, groups = number(config, "heads") or 0, number(config, "kv_heads") or 0
    size, kernel = head_dim(config), number(config, "cca_time0") or 1
    return Kept("state", fixed=(heads + groups) * size * kernel + groups * size // 2)


def _matrix_memory(config: Config) -> Kept:
    """XLSTM (arXiv:2405.04517): a matrix key × value, a vector and a number a head."""
    hidden, heads = number(config, "hidden") or 0, number(config, "heads") or 1
    key, value = int(hidden * config["qk_dim_factor"]), int(hidden * config.get("v_dim_factor", 1))
    return Kept("state", fixed_float32=key * value // heads + key + heads)


def _weighted_sums(config: Config) -> Kept:
    """RWKV (arXiv:2305.13048): the last inputs of both halves in the model's dtype, and three sums."""
    hidden = number(config, "hidden") or 0
    width = number(config, "attention_hidden_size") or hidden
    return Kept("state", fixed=2 * hidden, fixed_float32=3 * width)
