"""Load an encoder's network and tokenizer from a folder, foreign errors translated.

It does not know what is done with the hidden states afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.errors import BrokenModel, UnsupportedModel
from influence_nb.store.models import CHAT_HEADS

if TYPE_CHECKING:
    import torch

UNUSED = ("pooler.",)
"""Weights that may be missing: they are not on the way to the hidden states."""

AGAIN = "A file of it is missing or damaged: fetch the model again."


def load(
    folder: Path, name: str, device: torch.device, dtype: torch.dtype | str, trust_remote_code: bool = False
) -> tuple[Any, Any]:
    """Read weights and tokenizer from a folder onto a device.

    Args:
        folder: holds config.json, the weights and the tokenizer's files; nothing is asked of a hub.
        name: what to call the model in messages.
        device: where the weights go.
        dtype: a torch dtype, or a name that `engine.device.resolve_dtype` knows. "auto" on a CPU is bfloat16 where it
            computes that natively, whatever the checkpoint says: the cosine to float32's vectors is above 0.999.
        trust_remote_code: whether Python code that lies in the folder may run.

    Returns:
        The network, in eval mode, and the tokenizer, which has a padding token.

    Raises:
        BrokenModel: something is missing or damaged.
        UnsupportedModel: an architecture that transformers does not know.
        OutOfMemory: no room for the weights.
    """
    if not (folder / "config.json").is_file():
        raise BrokenModel(f"{folder} has no config.json.", "Give the folder of a whole model.")
    from influence_nb.engine.device import resolve_dtype
    from influence_nb.engine.faults import translated
    from influence_nb.engine.quiet import building

    how: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    with translated(f"loading {name}", BrokenModel, AGAIN), building():
        import torch
        from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

        try:
            config = AutoConfig.from_pretrained(folder, **how)
        except (KeyError, ValueError) as error:
            if "trust_remote_code" in str(error):
                raise
            raise UnsupportedModel(
                f"{name} is of a kind that transformers does not know.",
                "Look at model_type in its config.json; a newer transformers may know it.",
            ) from error
        stored = torch.bfloat16 if device.type == "cpu" else config.dtype
        chosen = dtype if isinstance(dtype, torch.dtype) else resolve_dtype(dtype, device, stored)
        tokenizer = AutoTokenizer.from_pretrained(folder, **how)
        kind = AutoModelForTextEncoding if _has_both(config) else AutoModel
        network, info = kind.from_pretrained(
            folder,
            config=config,
            dtype=chosen,
            output_loading_info=True,
            weights_only=True,  # of a pickled file: tensors, and nothing that runs
            **how,
        )
        lost = [weight for weight in sorted(info["missing_keys"]) if not weight.startswith(UNUSED)]
        if lost:
            raise BrokenModel(
                f"{name} lacks {len(lost)} of its weights, {lost[0]} among them.",
                "The files are not of one model, or not all there: fetch the model again.",
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
        return network.to(device).eval(), tokenizer


def decodes(config: Any) -> bool:
    """Whether a model was made to generate text: its hidden states were not trained to be compared."""
    heads = getattr(config, "architectures", None) or []
    return any(head.endswith(CHAT_HEADS) for head in heads) and not _has_both(config)


def _has_both(config: Any) -> bool:
    """Whether a model is an encoder and a decoder, such as T5: texts are read by the former."""
    return bool(getattr(config, "is_encoder_decoder", False))
