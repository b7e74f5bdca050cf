"""Tiny random encoders and decoders of every family that is promised, saved as whole folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.embeddings.conftest import write_tokenizer

_SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def configs(vocabulary: int) -> dict[str, Any]:
    """The config of each encoder family, by its model type."""
    import transformers as t

    base = {**_SIZES, "vocab_size": vocabulary, "max_position_embeddings": 40, "pad_token_id": 0}
    return {
        "bert": t.BertConfig(**base),
        "roberta": t.RobertaConfig(**base),
        "albert": t.AlbertConfig(**base, embedding_size=8),
        "distilbert": t.DistilBertConfig(
            vocab_size=vocabulary, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=40,
            pad_token_id=0,
        ),
        "mpnet": t.MPNetConfig(**base),
        "t5": t.T5Config(
            vocab_size=vocabulary, d_model=16, d_kv=8, d_ff=32, num_layers=3, num_heads=2, pad_token_id=0,
            decoder_start_token_id=0,
        ),
    }  # fmt: skip


def build(folder: Path, kind: str) -> Path:
    """Save a random encoder of that family in `folder`, with a word tokenizer; nothing of it speaks of pooling."""
    import torch
    import transformers as t

    folder.mkdir(parents=True)
    config = configs(write_tokenizer(folder))[kind]
    torch.manual_seed(0)
    network = t.AutoModel.from_config(config)
    with torch.no_grad():  # larger than at birth, so that nothing counts for nothing
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    network.save_pretrained(folder)
    return folder


def say(folder: Path, *modules: tuple[str, dict[str, Any] | None], **more: Any) -> Path:
    """Write what sentence-transformers reads: its modules, each with its config, and its own settings (`more`)."""
    written = []
    for place, (kind, config) in enumerate(modules):
        inside = "" if kind == "Transformer" else f"{place}_{kind}"
        written.append(
            {"idx": place, "name": str(place), "path": inside, "type": f"sentence_transformers.models.{kind}"}
        )
        (folder / inside).mkdir(exist_ok=True)
        if config is not None:
            name = "sentence_bert_config.json" if kind == "Transformer" else "config.json"
            (folder / inside / name).write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(written))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(more))
    return folder
