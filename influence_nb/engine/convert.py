"""GGUF to safetensors, once: a plain bfloat16 model beside the file, which loads in about a second.

It does not know where the file came from.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from influence_nb.engine.faults import translated
from influence_nb.engine.quiet import building
from influence_nb.errors import BrokenModel
from influence_nb.store.folder import inspect

Share = Callable[[float], None]


def gguf_to_safetensors(gguf: Path, folder: Path, on_share: Share | None = None) -> Path:
    """Unpack a GGUF file into `folder` (weights in bfloat16, configuration, tokenizer), whole or not at all.

    Args:
        gguf: the file.
        folder: where the model will be; nothing happens if a whole one is there already, a damaged one is replaced.
            When two processes ask at once, one unpacks and the other waits.
        on_share: told now and then what share of the weights is unpacked, 0 to 1.

    Returns:
        `folder`.

    Raises:
        BrokenModel: the file is not a GGUF model that transformers can read.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            _remove_leftovers(folder)
            _convert(gguf, folder, on_share or (lambda share: None))
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        inspect(folder)
    except BrokenModel:
        return False
    return True


def _convert(gguf: Path, folder: Path, on_share: Share) -> None:
    on_share(0.0)  # the imports alone take seconds
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    hint = "Fetch the file again, or use a GGUF of an architecture that transformers reads."
    unfinished = Path(tempfile.mkdtemp(prefix=_unfinished(folder), dir=folder.parent))
    try:
        with building(), _watched(on_share), translated(f"unpacking {gguf.name}", BrokenModel, hint):
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
            network = AutoModelForCausalLM.from_pretrained(
                gguf.parent,
                gguf_file=gguf.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.bfloat16,
            )
            network.save_pretrained(unfinished)
            tokenizer.save_pretrained(unfinished)
        for file in unfinished.iterdir():
            file.chmod(0o644)
        unfinished.chmod(0o755)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _watched(on_share: Share) -> Iterator[None]:
    """Follow transformers' reader through its tensors, in place of the bar that it would draw."""
    import importlib

    reader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")

    def follow(tensors: Sequence[Any], **_: Any) -> Iterator[Any]:
        for place, tensor in enumerate(tensors):
            on_share(place / len(tensors))
            yield tensor

    bar, reader.tqdm = reader.tqdm, follow
    try:
        yield
    finally:
        reader.tqdm = bar


def _unfinished(folder: Path) -> str:
    return f".{folder.name}-unfinished-"


def _remove_leftovers(folder: Path) -> None:
    """What a process that was killed left behind; we hold the lock, so nobody is writing there."""
    for leftover in folder.parent.glob(f"{_unfinished(folder)}*"):
        shutil.rmtree(leftover, ignore_errors=True)
