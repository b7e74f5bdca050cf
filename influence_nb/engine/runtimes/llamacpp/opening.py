"""Loading a GGUF file with llama.cpp: when that is what runs it, and the steps.

It does not know names or libraries; `api.load` finds the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from influence_nb.arguments import quoted
from influence_nb.engine import device as devices
from influence_nb.engine import keeping
from influence_nb.engine.receipts import passed_over
from influence_nb.engine.runtimes.llamacpp.library import Library, expect_installed, has_gpu, installed
from influence_nb.engine.runtimes.llamacpp.model import LlamaCppModel
from influence_nb.engine.runtimes.llamacpp.words import TYPES, Words
from influence_nb.engine.watch import Watch
from influence_nb.errors import BrokenModel, DeviceUnavailable, InvalidData, UnsupportedModel
from influence_nb.memory.gguf import GGUFHeader
from influence_nb.store.folder import gguf_of
from influence_nb.store.weights import read_gguf

if TYPE_CHECKING:
    from influence_nb.store.models import LocalModel

_LONGEST = 32_768
"""Tokens of context at most: the room for them is taken while loading."""
_WHERE_UNKNOWN = 4_096


def takes(local: LocalModel, runtime: str, dtype: str) -> bool:
    """Whether llama.cpp is to run a model: asked for, or "auto" for a GGUF on a machine without a GPU.

    Raises:
        MissingExtra: it was asked for and is not installed.
        UnsupportedModel: it was asked for, and the model is no GGUF file.
    """
    if runtime == "llama.cpp":
        expect_installed()
        if local.format != "gguf":
            raise UnsupportedModel(
                f"{local.name} is no GGUF file ({local.format}), and llama.cpp runs nothing else.",
                "Leave out runtime=, or take the model as GGUF; the starters always run on transformers.",
            )
        return True
    bare = local.format == "gguf" and local.source != "starter"
    return (
        runtime == "auto"
        and bare
        and dtype == "auto"
        and bool(installed())
        and devices.available() == ["cpu"]
    )


def load_gguf(
    local: LocalModel,
    device: str = "auto",
    dtype: str = "auto",
    on_progress: Callable[[str, float | None], None] | None = None,
    keep_alive: float | None = None,
    quantization: str | None = None,
) -> LlamaCppModel:
    """Open a GGUF file with llama.cpp, run it once, and put it on the list of loaded models.

    Args:
        local: a GGUF file, or a folder with one.
        device: as `engine.device.resolve` takes it; "auto" is the CPU where this llama.cpp cannot use the GPU.
        dtype: "auto", since the weights stay as they are in the file.
        on_progress: as `engine.load.load_model`'s.
        keep_alive: seconds, as `keeping.seconds` gives them.
        quantization: None, since that too is as it is in the file.

    Raises:
        InvalidData: a dtype or a quantization was asked for.
        DeviceUnavailable: no such device, or one that this build of llama.cpp cannot use.
        BrokenModel: the file is damaged, or llama.cpp cannot load it.
    """
    import torch

    tell = on_progress or (lambda stage, done: None)
    started = time.perf_counter()
    tell("files", 0.0)
    if dtype != "auto" or quantization is not None:
        what = f"dtype={quoted(dtype)}" if dtype != "auto" else f"quantization={quoted(quantization)}"
        raise InvalidData(
            f"{what} cannot be chosen for llama.cpp: the weights stay as they are in the file.",
            "Leave it out, or load the model with runtime='transformers'.",
        )
    target = devices.resolve(device)
    if target.type != "cpu" and not has_gpu():
        if device != "auto":
            raise DeviceUnavailable(
                f"The installed xllamacpp cannot use {device}: it was built for the CPU.",
                "Use device='cpu', or install one of its builds for your GPU.",
            )
        target = torch.device("cpu")
    file = gguf_of(local.path)
    header = read_gguf(file, keep=(TYPES,)).gguf
    if header is None or not header.metadata.get("tokenizer.ggml.tokens"):
        raise BrokenModel(f"{file.name} has no tokenizer in it.", "Take a GGUF file of a whole model.")
    context, threads = _context(header), torch.get_num_threads()
    keeping.make_room(str(target), file.stat().st_size)
    tell("weights", None)
    watch = Watch(str(target))
    gpu = None if target.type == "cpu" else target.index or 0
    library = Library(file, context, threads, gpu)
    try:
        tell("warm-up", None)
        watch.forget_peak()
        model = LlamaCppModel(local, library, Words(header, library), context, str(target), threads)
        with passed_over():
            model.generate([0], temperature=0.0, top_p=None, repetition_penalty=1.0, max_new_tokens=1)
    except BaseException:
        library.close()
        raise
    model.forwards = 0
    model.memory_peak = max(watch.taken(), file.stat().st_size)
    model.load_seconds = time.perf_counter() - started
    keeping.admit(model, keep_alive)
    tell("ready", 1.0)
    return model


def _context(header: GGUFHeader) -> int:
    said = header.metadata.get(f"{header.architecture}.context_length")
    return min(said, _LONGEST) if isinstance(said, int) and said > 0 else _WHERE_UNKNOWN
