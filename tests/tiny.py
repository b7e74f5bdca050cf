"""Random tiny models, built from their configs and saved as whole folders with a byte-level tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{% endif %}"
)
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_TEXT = [
    "The quick brown fox jumps over the lazy dog.",
    "user assistant system hello world, how are you today?",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "她说你好世界 🙂 こんにちは 👩‍👩‍👧",
] * 4


KINDS = (
    "llama", "mistral", "phi", "phi3", "granite", "granitemoe", "granitemoehybrid", "granitemoehybrid+mamba", "mamba",
    "mamba2", "mixtral", "qwen3", "qwen3_moe", "gemma3_text", "gpt2", "deepseek_v3", "minicpm3",
)  # fmt: skip
"""The architectures that `build` knows: what they are called here."""


def _base(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }


def config(kind: str, vocabulary: int) -> Any:
    """The tiny config of an architecture, by its model type."""
    import transformers as t

    base = _base(vocabulary)
    ends = {name: base[name] for name in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")}
    experts = {"num_experts_per_tok": 2, "num_local_experts": 4}
    latent = {
        "q_lora_rank": 12,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
    }
    states = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_chunk_size": 16}
    match kind:
        case "gpt2":
            return t.GPT2Config(**ends, n_embd=32, n_layer=2, n_head=4, n_positions=256)
        case "mamba":
            return t.MambaConfig(**ends, hidden_size=32, num_hidden_layers=2, state_size=8)
        case "gemma3_text":
            return t.Gemma3TextConfig(
                **base, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
            )
        case "mixtral":
            return t.MixtralConfig(**base, **experts)
        case "mamba2":
            sizes = {
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "state_size": 8,
                "num_heads": 4,
                "head_dim": 16,
            }
            return t.Mamba2Config(**ends, **sizes, n_groups=2, chunk_size=16)
        case "granitemoe":
            return t.GraniteMoeConfig(**_without_head_dim(base), **experts)
        case "granitemoehybrid" | "granitemoehybrid+mamba":
            kinds = ["attention", "mamba" if kind.endswith("+mamba") else "attention"]
            return t.GraniteMoeHybridConfig(
                **_without_head_dim(base), **experts, **states, shared_intermediate_size=32, layer_types=kinds
            )
        case "qwen3_moe":
            return t.Qwen3MoeConfig(**base, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)
        case "deepseek_v3":
            base |= {"num_key_value_heads": 4, "head_dim": 4}
            routed = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
            return t.DeepseekV3Config(
                **base, **latent, **routed, moe_intermediate_size=32, first_k_dense_replace=1
            )
        case "minicpm3":
            return t.CONFIG_MAPPING[kind](**{**base, "num_key_value_heads": 4, "head_dim": 12}, **latent)
        case "phi" | "phi3" | "granite":
            return t.CONFIG_MAPPING[kind](**_without_head_dim(base))
        case "llama" | "qwen3" | "mistral":
            return t.CONFIG_MAPPING[kind](**base)
    raise ValueError(kind)


def _without_head_dim(base: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in base.items() if name != "head_dim"}


def tokenizer() -> Any:
    """A byte-level BPE tokenizer whose tokens split characters, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(_TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=_SPECIAL[0], eos_token=_SPECIAL[0], pad_token=_SPECIAL[0]
    )
    fast.add_special_tokens({"additional_special_tokens": _SPECIAL[1:]})
    fast.chat_template = TEMPLATE
    return fast


def build(folder: Path, kind: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Save a random model of that architecture, float32, with its tokenizer, in `folder`."""
    words = tokenizer()
    made = config(kind, len(words))
    for name, value in changes.items():
        setattr(made, name, value)
    return save(folder, made, seed)


def sharpen(network: Any) -> None:
    """Weights larger than at birth, so that greedy choices are not ties and no part counts for nothing."""
    import torch

    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(4)


def save(folder: Path, made: Any, seed: int = 0) -> Path:
    """Save a random model of that config, float32, with the tokenizer, in `folder`."""
    import torch
    from transformers import AutoModelForCausalLM

    words = tokenizer()
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(made, dtype=torch.float32)
    sharpen(network)
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
