"""Will it fit? Arithmetic on what a config and the headers of weights say, before a byte of weights is here.

    shape = ModelShape.from_config(config, Weights.of(tensors))
    report = estimate(shape, DeviceBudget("cuda:0", total, free), dtype="bfloat16", context=8192)
    report.fits, report.suggestion, report.longest_context

Nothing here asks a disk, a network or a device for anything.
"""

from __future__ import annotations

from influence_nb.memory.budget import Calibration, DeviceBudget, verdict
from influence_nb.memory.fit import estimate
from influence_nb.memory.report import FitReport
from influence_nb.memory.shape import ModelShape
from influence_nb.memory.weights import Tensor, Weights

__all__ = [
    "Calibration",
    "DeviceBudget",
    "FitReport",
    "ModelShape",
    "Tensor",
    "Weights",
    "estimate",
    "verdict",
]
