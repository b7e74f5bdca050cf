"""`ModelShape`: what decides how much memory a model takes, from its config and the headers of its weights.

It does not know where they were read, nor what device the model will be on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influence_nb.memory.cache import kept_by_layers
from influence_nb.memory.config import Config, layer_count, number, text_of
from influence_nb.memory.count import parameters
from influence_nb.memory.gguf import GGUFHeader
from influence_nb.memory.kept import Kept, head_dim
from influence_nb.memory.weights import ITEMSIZES, Tensor, Weights

_HEADS = ("ForCausalLM", "LMHeadModel", "LMHead", "Decoder", "ForConditionalGeneration")
"""How the names of architectures that generate text end."""


@dataclass(frozen=True)
class ModelShape:
    """What decides how much memory a model takes.

    Attributes:
        architecture: such as "LlamaForCausalLM"; a GGUF's own word, such as "llama"; None where nothing says it.
        weights: what its tensors amount to.
        kept: what its layers keep of the tokens seen.
        hidden: width of the stream between the layers.
        widest: width of the widest layer's inside, for one token: an MLP, or all experts that a token goes through.
        heads: attention heads of a layer, 0 without attention.
        head_dim: numbers in one head's key.
        vocabulary: tokens that the output layer tells apart.
        context: tokens that the model was made for; None where nothing says it.
        dtype: what the checkpoint says its numbers are, such as "bfloat16"; None where it says nothing.
        quantization: how the checkpoint is packed already ("nf4", "gptq", "gguf"); None for plain weights.
    """

    architecture: str | None
    weights: Weights
    kept: tuple[Kept, ...]
    hidden: int
    widest: int
    heads: int
    head_dim: int
    vocabulary: int
    context: int | None = None
    dtype: str | None = None
    quantization: str | None = None

    @classmethod
    def from_config(cls, config: Config, weights: Weights | Mapping[str, int] | None = None) -> ModelShape:
        """The shape of a model of transformers.

        Args:
            config: config.json, best with what transformers fills in (`engine.configs.completed`).
            weights: what the headers amount to; or numbers by dtype name, as search results have them, where the
                share in linear layers is worked out from the config; None works out everything from the config, and
                `weights.estimated` says so.
        """
        text = text_of(config)
        if not isinstance(weights, Weights):
            weights = _worked_out(text, weights)
        said = config.get("architectures")
        return cls(
            architecture=said[0] if isinstance(said, list) and said else config.get("model_type"),
            weights=weights,
            kept=kept_by_layers(text, weights.key_values) if _generates(said) else (),
            hidden=number(text, "hidden") or 0,
            widest=_widest(text),
            heads=number(text, "heads") or 0,
            head_dim=head_dim(text),
            vocabulary=number(text, "vocabulary") or 0,
            context=number(text, "context"),
            dtype=_dtype(config) or _dtype(text),
            quantization=_packed(config),
        )

    @classmethod
    def from_gguf(cls, *headers: GGUFHeader) -> ModelShape:
        """The shape of a GGUF model, from its header, or those of all its parts, the first part first.

        Its keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#standardized-key-value-pairs
        """
        first = headers[0]
        weights = Weights.of(
            Tensor(tensor.name, tensor.type, tuple(reversed(tensor.shape)))
            for header in headers
            for tensor in header.tensors
        )
        config = _gguf_config(first)
        shape = cls.from_config(config, weights)
        vocabulary = next(
            (
                tensor.shape[-1]
                for header in headers
                for tensor in header.tensors
                if tensor.name == "token_embd.weight"
            ),
            shape.vocabulary,
        )
        return cls(
            **{
                **{name: getattr(shape, name) for name in cls.__dataclass_fields__},
                "architecture": first.architecture,
                "vocabulary": vocabulary,
                "quantization": "gguf",
            }
        )

    @property
    def constant(self) -> bool:
        """Whether what is kept does not grow with the context: state-space models."""
        return all(part.per_token == 0 for part in self.kept)

    def cache(self, context: int, batch: int = 1, dtype: str = "bfloat16") -> int:
        """Bytes of the KV cache, states included, once `batch` rows have `context` tokens each."""
        return batch * sum(part.size(context, ITEMSIZES[dtype]) for part in self.kept)


def _generates(architectures: object) -> bool:
    """Whether a model was saved as one that generates text; an encoder keeps nothing between calls."""
    if not isinstance(architectures, list) or not architectures:
        return True
    return any(str(name).endswith(_HEADS) for name in architectures)


def layers_run(config: Config) -> int | None:
    """How many layers of a checkpoint are run, where it may have more of them; None where all are."""
    text = text_of(config)
    return layer_count(text) if number(text, "num_nextn_predict_layers") else None


def is_tied(config: Config) -> bool:
    """Whether the output layer is the embedding."""
    return bool(text_of(config).get("tie_word_embeddings", config.get("tie_word_embeddings")))


def _worked_out(text: Config, dtypes: Mapping[str, int] | None) -> Weights:
    counted = parameters(text)
    total = sum(dtypes.values()) if dtypes else counted.total
    share = counted.linear / counted.total if counted.total else 0.0
    linear = int(total * share)
    rows = linear // (number(text, "hidden") or 1)
    dtypes = dtypes or {"BF16": total}
    stored = sum(Weights.of([Tensor("", name, (count,))]).stored for name, count in dtypes.items())
    return Weights(total, dict(dtypes), stored, linear, rows, linear // 64, 7 * layer_count(text), {}, True)


def _widest(text: Config) -> int:
    hidden = number(text, "hidden") or 0
    widths = [number(text, "intermediate") or 4 * hidden]
    if number(text, "experts"):
        used = number(text, "experts_used") or 1
        widths.append(used * (number(text, "expert") or number(text, "intermediate") or 4 * hidden))
    if number(text, "state"):
        widths.append(2 * (number(text, "state_expand") or 2) * hidden)
    return max(widths)


def _dtype(config: Config) -> str | None:
    said = config.get("dtype") or config.get("torch_dtype")
    name = str(said).removeprefix("torch.") if said else None
    return name if name in ITEMSIZES else None


def _packed(config: Config) -> str | None:
    how = config.get("quantization_config")
    if not isinstance(how, Mapping):
        return None
    if how.get("load_in_4bit"):
        return str(how.get("bnb_4bit_quant_type") or "fp4")
    if how.get("load_in_8bit"):
        return "int8"
    return str(how.get("quant_method") or "packed")


def _gguf_config(header: GGUFHeader) -> dict[str, Any]:
    """The fields of a config that a GGUF's keys say, in the names of configs."""
    prefix = f"{header.architecture}."
    own = {
        key.removeprefix(prefix): value for key, value in header.metadata.items() if key.startswith(prefix)
    }
    heads, groups = own.get("attention.head_count"), own.get("attention.head_count_kv")
    layers = own.get("block_count")
    config: dict[str, Any] = {
        "num_hidden_layers": layers,
        "hidden_size": own.get("embedding_length"),
        "num_attention_heads": _largest(heads),
        "num_key_value_heads": _largest(groups),
        "head_dim": own.get("attention.key_length"),
        "v_head_dim": own.get("attention.value_length"),
        "intermediate_size": _largest(own.get("feed_forward_length")),
        "moe_intermediate_size": own.get("expert_feed_forward_length"),
        "num_local_experts": own.get("expert_count"),
        "num_experts_per_tok": own.get("expert_used_count"),
        "max_position_embeddings": own.get("context_length"),
        "vocab_size": own.get("vocab_size"),
        "sliding_window": own.get("attention.sliding_window"),
        "kv_lora_rank": own.get("attention.kv_lora_rank"),
        "qk_rope_head_dim": own.get("rope.dimension_count") if own.get("attention.kv_lora_rank") else None,
    }
    pattern = own.get("attention.sliding_window_pattern")
    if isinstance(pattern, list):
        config["layer_types"] = ["sliding_attention" if slides else "full_attention" for slides in pattern]
    elif isinstance(pattern, int):
        config["sliding_window_pattern"] = pattern
    if own.get("ssm.state_size"):
        inner, state = own.get("ssm.inner_size") or 0, own["ssm.state_size"]
        config |= {"mamba_d_state": state, "mamba_d_conv": own.get("ssm.conv_kernel"), "mamba_d_ssm": inner}
        config["mamba_n_groups"] = own.get("ssm.group_count")
        config["mamba_expand"] = inner // (own.get("embedding_length") or 1) or None
    if isinstance(groups, list) and isinstance(layers, int) and len(groups) == layers:
        lacking = "linear_attention" if own.get("ssm.state_size") else "dummy"
        config["layer_types"] = ["full_attention" if count else lacking for count in groups]
        config["per_layer_config"] = {
            i: {"num_key_value_heads": count} for i, count in enumerate(groups) if count
        }
    if "bert" in str(header.architecture):
        config["architectures"] = [header.architecture]
    return {name: value for name, value in config.items() if value is not None}


def _largest(value: Any) -> Any:
    return max(value) if isinstance(value, list) and value else value
