"""What a device has room for, what was measured there before, and a quick verdict that asks for neither.

It does not know how free memory is found (`engine.device.budget`), nor models' layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from influence_nb.memory.weights import FLOATS, STORED

Fits = Literal["yes", "int8", "nf4", "no"]

MIB = 1 << 20
FRAMEWORK = {"cuda": 128 * MIB, "mps": 64 * MIB, "cpu": 64 * MIB}
"""What torch takes besides the tensors: cuBLAS's workspace (8 MiB, 32 MiB on Hopper; "CUBLAS_WORKSPACE_CONFIG" in
torch's notes on CUDA), what its allocator rounds up, scratch of its kernels. The CUDA context itself, 300-600 MB, is
in place once a device has been asked for its free memory, so it is missing from `DeviceBudget.free` already."""

_LINEAR = 0.85
"""The share of a language model's parameters in linear layers: embeddings and norms are not quantized."""
_BESIDE = 1.1
"""What a model needs for a KV cache of some thousand tokens and its activations, as a factor on its weights."""


@dataclass(frozen=True)
class DeviceBudget:
    """The memory of a device.

    Attributes:
        device: "cuda:0", "mps", "cpu".
        total: bytes in all.
        free: bytes that a model may take now.
        halves: whether a 16-bit checkpoint is loaded as such there; some CPUs compute in float32 only.
    """

    device: str
    total: int
    free: int
    halves: bool = True

    @property
    def framework(self) -> int:
        """Bytes that torch takes there besides the tensors."""
        return FRAMEWORK.get(self.device.partition(":")[0], FRAMEWORK["cpu"])


@dataclass(frozen=True)
class Calibration:
    """What a model took when it was last loaded on this machine.

    Attributes:
        device: where.
        dtype: in which dtype.
        quantization: how packed; None for plain weights.
        peak: the most bytes at once, from before loading until a first token was generated.
        measured: when, ISO 8601 in UTC.
    """

    device: str
    dtype: str
    quantization: str | None
    peak: int
    measured: str = ""


def verdict(parameters: int | None, dtypes: Mapping[str, int] | None, budget: DeviceBudget) -> Fits | None:
    """Whether a model of that many parameters fits, for a list of search results: no header is asked for.

    Args:
        parameters: how many; None where nobody says.
        dtypes: parameters by dtype name of safetensors ("BF16"), as the Hub says them; may be empty.
        budget: of the device.

    Returns:
        "yes" in the dtype it is loaded in (16 bits where nobody says), "int8" or "nf4" when it fits packed so, "no",
        or None where the number of parameters is unknown. Weights are exact, with a tenth on top for cache and
        activations; `fit` computes those.
    """
    counts = {name: count for name, count in (dtypes or {}).items() if count > 0}
    if not parameters and not counts:
        return None
    total = parameters or sum(counts.values())
    plain = 2 if budget.halves else 4
    sizes = {**STORED, "BF16": plain, "F16": plain}
    whole = sum(count * sizes.get(name, 2) for name, count in counts.items()) if counts else plain * total
    room = budget.free - budget.framework

    def fits(weights: float) -> bool:
        return weights * _BESIDE <= room

    if fits(whole):
        return "yes"
    if any(name not in FLOATS and count > total / 100 for name, count in counts.items()):
        return "no"  # packed already
    rest = (1 - _LINEAR) * plain * total
    if fits(rest + _LINEAR * total * 1.01):
        return "int8"
    return "nf4" if fits(rest + _LINEAR * total * 0.5625) else "no"
