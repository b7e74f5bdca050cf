"""Quantized weights: packed while loading, packed already in the checkpoint, or unpacked from a GGUF file.

It knows which packages and hardware each way needs, and says which of the two is missing before a byte is read; it
does not load.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted
from influence_nb.engine.quiet import quiet
from influence_nb.errors import DeviceUnavailable, InvalidData, MissingExtra, UnsupportedModel
from influence_nb.memory.gguf import TYPES
from influence_nb.memory.weights import PACKED
from influence_nb.store.folder import gguf_of
from influence_nb.store.weights import read_gguf

if TYPE_CHECKING:
    import torch

    from influence_nb.store.models import LocalModel

LLAMA_CPP = (
    "llama.cpp may read it: pip install 'influence_nb[llamacpp]', then inb.load(..., runtime='llama.cpp')."
)
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
_EXTRA = "pip install 'influence_nb[quantization]'"
_PACKAGES = {
    "gptq": ("optimum", "gptqmodel"),
    "awq": ("gptqmodel",),
    "compressed-tensors": ("compressed_tensors",),
    "bitsandbytes": ("bitsandbytes",),
}
"""What transformers reads each kind of checkpoint with, by the name of the module. Of other kinds transformers says it
itself; these it asks about in an order that depends on the hardware."""
_PIP = re.compile(r"pip install (?:--?\w+ )*[`'\"]?([\w.\-]+)")
_REQUIRED = re.compile(r"requires? (?:the )?`?([a-z][\w.\-]+)")
_HARDWARE = re.compile(r"(?i)\b(?:GPUs?|XPU|CUDA|compute capability|devices?)\b")


def check(quantization: str | None, local: LocalModel, device: torch.device) -> None:
    """Go on only if weights can be packed so, there.

    Raises:
        InvalidData: `quantization` is no way to pack weights while loading.
        MissingExtra: bitsandbytes is not installed.
        DeviceUnavailable: it does not run on the device.
        UnsupportedModel: the checkpoint is packed already.
    """
    if quantization is None:
        return
    if quantization not in PACKED:
        raise InvalidData(
            f"quantization={quoted(quantization)} is no way to pack weights.",
            f"Use None or one of: {', '.join(PACKED)}. Files that are packed already are loaded without it.",
        )
    if local.quantization is not None:
        raise UnsupportedModel(
            f"{local.name} is packed already ({local.quantization}) and cannot be packed as {quantization}.",
            "Leave quantization out, or take the repository with the plain weights.",
        )
    _bitsandbytes(f"Packing weights as {quantization}", device)


def possible(device: str) -> tuple[str, ...]:
    """How weights can be packed while loading there: `PACKED`, or nothing."""
    return PACKED if find_spec("bitsandbytes") and not device.startswith("mps") else ()


def config(quantization: str, dtype: torch.dtype) -> Any:
    """Transformers' configuration for packing while loading.

    "int8" is LLM.int8() (arXiv:2208.07339), "nf4" QLoRA's 4-bit NormalFloat without double quantization
    (arXiv:2305.14314), computing in `dtype`.
    """
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig
    if quantization == "int8":
        return make(load_in_8bit=True)
    return make(load_in_4bit=True, bnb_4bit_quant_type=quantization, bnb_4bit_compute_dtype=dtype)


def keep_exact(network: torch.nn.Module) -> None:
    """Keep bitsandbytes' 4-bit layers as they are where its bfloat16 kernel cannot stand in for them.

    On CPUs with AVX-512 BF16, `Linear4bit` rearranges its weights at the first pass for a kernel that takes rows in
    groups of 32 and whole blocks of columns, and computes in bfloat16 whatever it was given. Layers of other shapes
    would fail there, and float32 would be float32 in name only.
    """
    import torch

    layers: Iterable[Any] = network.modules()
    for layer in layers:
        if getattr(layer, "support_avx512bf16_for_cpu", False):
            state = layer.weight.quant_state
            fits = state.shape[0] % 32 == 0 and state.shape[1] % state.blocksize == 0
            layer.support_avx512bf16_for_cpu = fits and layer.compute_dtype is torch.bfloat16


def check_checkpoint(local: LocalModel, said: Any, device: torch.device) -> None:
    """Go on only if a checkpoint that is packed already can be read and run there.

    Args:
        local: the model.
        said: `quantization_config` of its configuration.
        device: where it is to run.

    Raises:
        MissingExtra: a package is missing; the hint says how to install it.
        DeviceUnavailable: the package is there, or none is needed, and the hardware is not.
        UnsupportedModel: transformers does not know the way in which it is packed.
    """
    if said is None:
        return
    fields: dict[str, Any] = dict(said) if isinstance(said, Mapping) else said.to_dict()
    method = fields.get("quant_method") or (
        "bitsandbytes" if {"load_in_4bit", "load_in_8bit"} & fields.keys() else None
    )
    method = str(getattr(method, "value", method))
    for package in _PACKAGES.get(method, ()):
        if find_spec(package) is None:
            raise _missing(f"{local.name} is packed with {method}", package.replace("_", "-"))
    if method == "bitsandbytes":
        _bitsandbytes(f"{local.name} is packed with bitsandbytes, which", device)
    _ask_transformers(local, fields, method, device)


def _ask_transformers(local: LocalModel, fields: dict[str, Any], method: str, device: torch.device) -> None:
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING, AutoHfQuantizer

    known = {name.removesuffix("_4bit").removesuffix("_8bit") for name in AUTO_QUANTIZER_MAPPING}
    if method not in known:
        raise UnsupportedModel(
            f"{local.name} is packed with {method}, which transformers does not know.",
            f"It reads: {', '.join(sorted(known))}. A newer transformers may read this one.",
        )
    try:
        with quiet():
            quantizer = AutoHfQuantizer.from_config(fields, pre_quantized=True)
            quantizer.validate_environment(device_map={"": device})
    except (ImportError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())
        if isinstance(error, ImportError) and (package := _PIP.search(text) or _REQUIRED.search(text)):
            raise _missing(f"{local.name} is packed with {method}", package[1]) from error
        if _HARDWARE.search(text):
            raise DeviceUnavailable(
                f"{local.name} is packed with {method}, which does not run on {device}: {text}",
                "Take another copy of the model, such as the plain weights with quantization='nf4', or a GGUF file.",
            ) from error
        raise UnsupportedModel(
            f"{local.name} is packed with {method}, and cannot be read: {text}",
            "Take another copy of the model, such as the plain weights.",
        ) from error


def gguf_file(local: LocalModel) -> Path | None:
    """The GGUF file to load; None for a model in another format.

    Raises:
        UnsupportedModel: it is one of several parts, or holds tensors of a type that transformers cannot unpack; the
            message names it.
    """
    if local.format != "gguf":
        return None
    file = gguf_of(Path(local.path))
    if parts := _PART.search(file.name):
        raise UnsupportedModel(
            f"{file.name} is one of {int(parts[1])} parts, and transformers reads GGUF files that are whole.",
            LLAMA_CPP,
        )
    header = read_gguf(file).gguf
    types = {tensor.type for tensor in header.tensors} if header else set()
    if odd := sorted(kind for kind in types if not _unpacks(kind)):
        raise UnsupportedModel(
            f"{file.name} holds tensors of the type {odd[0]}, which transformers cannot unpack.",
            f"{LLAMA_CPP} Or take a file of another type, such as Q4_K_M or Q8_0.",
        )
    return file


def _unpacks(kind: str) -> bool:
    """Whether a block of that type can be unpacked, found by unpacking one."""
    import numpy as np
    from gguf import GGMLQuantizationType, dequantize

    if kind not in GGMLQuantizationType.__members__:
        return False
    size = next(size for name, _, size in TYPES.values() if name == kind)
    if kind in ("F32", "F16", "F64", "BF16") or re.fullmatch(r"I\d+", kind):
        return True
    try:
        dequantize(np.zeros((1, size), np.uint8), GGMLQuantizationType[kind])
    except NotImplementedError:
        return False
    return True


def _bitsandbytes(what: str, device: torch.device) -> None:
    if find_spec("bitsandbytes") is None:
        raise MissingExtra(
            f"{what} needs bitsandbytes, which is not installed.", f"{_EXTRA}, then load again."
        )
    if device.type == "mps":
        raise DeviceUnavailable(
            f"{what} needs bitsandbytes, which does not run on MPS.",
            "Use device='cpu', a smaller dtype, or a GGUF file with runtime='llama.cpp'.",
        )


def _missing(what: str, package: str) -> MissingExtra:
    return MissingExtra(f"{what}, which needs {package}; it is not installed.", f"pip install {package}")
