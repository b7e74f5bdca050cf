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
            return t.MixtralConfig(**base, num_local_experts=4, num_experts_per_tok=2)
        case "llama" | "qwen3" | "mistral":
            return t.CONFIG_MAPPING[kind](**base)
    raise ValueError(kind)


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
    import torch
    from transformers import AutoModelForCausalLM

    words = tokenizer()
    torch.manual_seed(seed)
    made = config(kind, len(words))
    for name, value in changes.items():
        setattr(made, name, value)
    network = AutoModelForCausalLM.from_config(made, dtype=torch.float32)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(4)  # sharper than at birth, so that greedy choices are not ties
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
