"""What to put into the hub: made-up models of real formats, random models that really run, a shelf to search.

Each is a dict of file names and bytes. It does not know the hub's protocol.
"""

from __future__ import annotations

import functools
import json
import random
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.loopback.hub import LoopbackHub

Files = dict[str, bytes]


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that no two seeds and no two places have in common."""
    return random.Random(seed).randbytes(size)


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A safetensors file of (dtype, shape, bytes) by name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    return struct.pack("<Q", len(words)) + words + b"".join(data for _, _, data in tensors.values())


def config(**more: Any) -> bytes:
    """A config.json of a small Llama."""
    return json.dumps(
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "dtype": "bfloat16",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 256,
            "max_position_embeddings": 512,
            **more,
        }
    ).encode()


def made_up(size: int = 100_000, shards: int = 1, seed: int = 0, **settings: Any) -> Files:
    """A whole model of about `size` bytes of bfloat16 noise: config, tokenizer, card, weights with their index."""
    files = {
        "README.md": b"---\nlicense: apache-2.0\n---\n# Made up\n",
        "config.json": config(**settings),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b"{}",
    }
    names = ["model.safetensors"]
    if shards > 1:
        names = [f"model-{n:05}-of-{shards:05}.safetensors" for n in range(1, shards + 1)]
    count = size // shards // 2
    for n, name in enumerate(names):
        data = noise(2 * count, seed * 1000 + n)
        files[name] = safetensors({f"weight.{n}": ("BF16", [count], data)})
    if shards > 1:
        table = {f"weight.{n}": name for n, name in enumerate(names)}
        index = {"metadata": {"total_size": 2 * count * shards}, "weight_map": table}
        files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files


@functools.cache
def _built(kind: str) -> tuple[tuple[str, bytes], ...]:
    from tests.tiny import build

    with tempfile.TemporaryDirectory() as place:
        folder = build(Path(place) / kind, kind)
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in found)


def running(kind: str = "llama") -> Files:
    """A random model of that architecture that transformers loads and runs (see `tests.tiny`)."""
    return dict(_built(kind))


def gguf(name: str = "model", quantizations: tuple[str, ...] = ("Q4_K_M", "Q8_0"), seed: int = 0) -> Files:
    """A repository of GGUF files, one a quantization: true headers around a tensor of zeros, no weights to run."""
    import numpy as np
    from gguf import GGUFWriter

    files = {"README.md": b"# Quantized\n"}
    for n, quantization in enumerate(quantizations):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.gguf"
            writer = GGUFWriter(path, "llama")
            writer.add_block_count(2)
            writer.add_context_length(512)
            writer.add_embedding_length(64)
            writer.add_head_count(4)
            writer.add_head_count_kv(2)
            writer.add_tensor("token_embd.weight", np.full((64, 32 * (n + 1)), seed, np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            files[f"{name}.{quantization}.gguf"] = path.read_bytes()
    return files


def stock(hub: LoopbackHub) -> None:
    """Fill a hub with a shelf of models to search: one that runs, small ones of each kind, big ones by name only."""
    hub.add("tiny/llama-chat", running("llama"), downloads=5000, likes=50, tags=["conversational"])
    hub.add("tiny/sharded", made_up(60_000, shards=3), downloads=400, likes=4, license="mit")
    hub.add("tiny/quantized-GGUF", gguf(), library="gguf", downloads=3000, likes=20)
    hub.add(
        "tiny/encoder",
        made_up(20_000, architectures=["BertModel"], model_type="bert"),
        task="sentence-similarity",
        library="sentence-transformers",
        downloads=9000,
        likes=90,
    )
    hub.add("locked/gated", made_up(20_000), gated="manual", license="other", downloads=7000, likes=70)
    hub.add(
        "coded/own-code", {**made_up(20_000, auto_map={"AutoModel": "modeling.Own"}), "modeling.py": b"raise"}
    )
    hub.add("old/pickled", {"config.json": config(), "pytorch_model.bin": noise(5000)}, downloads=100)
    for billions, author in ((1, "small"), (7, "medium"), (70, "large"), (400, "vast")):
        hub.add(
            f"{author}/talker-{billions}B",
            {"config.json": config()},
            parameters={"BF16": billions * 10**9},
            used_storage=2 * billions * 10**9,
            languages=["en", "de"],
            downloads=1000 * billions,
            likes=billions,
            tags=["safetensors"],
        )
