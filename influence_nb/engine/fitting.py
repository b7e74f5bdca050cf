"""Whether a model fits a device here: headers, the device's memory and what was measured before, put together.

It does not know how a name becomes a model, nor the arithmetic (`memory`).
"""

from __future__ import annotations

import threading
from dataclasses import replace

from influence_nb.engine import device as devices
from influence_nb.engine.configs import completed
from influence_nb.engine.model import Model
from influence_nb.errors import CapabilityMissing, InfluenceError, OutOfMemory, UnsupportedModel
from influence_nb.hub.headers import read_headers
from influence_nb.hub.plan import DownloadPlan
from influence_nb.memory import FitReport, ModelShape, estimate
from influence_nb.memory.fit import sixteen_bits
from influence_nb.memory.headers import Headers
from influence_nb.memory.weights import PACKED
from influence_nb.store.heads import read_heads
from influence_nb.store.models import LocalModel
from influence_nb.store.peaks import peak_of

USUAL_CONTEXT = 4096
"""Tokens in a row where nobody says how many."""
_SHORT = 1024
"""Tokens of context that a model is to have room for when it is loaded."""


def fit_model(
    model: Model | LocalModel | DownloadPlan,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    context: int | None = None,
    batch: int = 1,
    token: str | None = None,
    cancel: threading.Event | None = None,
) -> FitReport:
    """Whether a model fits. Arguments and errors as those of `api.fit`, for a model that has been found."""
    held = 0
    name, headers = _read(model, token, cancel)
    if isinstance(model, Model):
        device = model.device if device == "auto" else device
        dtype = model.dtype if dtype == "auto" else dtype
    room = devices.budget(device)
    if isinstance(model, Model) and room.device == model.device:
        held = model.memory_peak
    if headers.ggufs and not headers.tensors:
        quantization = None  # it is what the file is
    shape = headers.shape(completed)
    if context is None:
        context = min(USUAL_CONTEXT, shape.context or USUAL_CONTEXT)
    chosen = _dtype(shape, dtype, room.device)
    computes = chosen if chosen != "auto" else sixteen_bits(shape)
    return estimate(
        shape,
        replace(room, free=room.free + held),
        chosen,
        quantization,
        context,
        batch,
        calibration=peak_of(name, room.device, computes, quantization or shape.quantization),
        name=name,
    )


def needed(local: LocalModel, device: str, dtype: str, quantization: str | None = None) -> int:
    """Bytes that a model will take there with a short text; 0 where its files do not say."""
    try:
        return fit_model(local, device, dtype, _packed(quantization), context=_SHORT).total
    except InfluenceError:  # loading will say it better
        return 0


def with_what_fits(
    error: OutOfMemory,
    model: Model | LocalModel,
    device: str,
    dtype: str,
    quantization: str | None = None,
    context: int = _SHORT,
) -> OutOfMemory:
    """The error, its hint what would fit, once the memory is back; as it was where it should have fitted."""
    try:
        report = fit_model(model, device, dtype, _packed(quantization), context)
    except InfluenceError:
        return error
    if report.fits != "yes":
        error.hint = report.suggestion
        error.args = (error.message, error.hint)
    return error


def _packed(quantization: str | None) -> str | None:
    """How weights are packed while loading; None where that is what the checkpoint is."""
    return quantization if quantization in PACKED else None


def _read(
    model: Model | LocalModel | DownloadPlan, token: str | None, cancel: threading.Event | None
) -> tuple[str, Headers]:
    if isinstance(model, DownloadPlan):
        if model.lacks:
            raise UnsupportedModel(
                f"{model.repo_id} {model.lacks}, so there is nothing to fit.",
                "Choose another repository of the model.",
            )
        if model.remaining == 0:
            return model.repo_id, read_heads(model.folder)
        return model.repo_id, read_headers(model, token=token, cancel=cancel)
    local = model.local if isinstance(model, Model) else model
    if local is None:
        raise CapabilityMissing(
            "This model runs on another machine, whose memory is not known here.",
            "Ask for a model of the library or of the Hub.",
        )
    return local.name, read_heads(local.path)


def _dtype(shape: ModelShape, dtype: str, device: str) -> str:
    """The dtype that loading would choose; "auto" for a checkpoint that stays packed as it is."""
    import torch

    if shape.quantization is not None and dtype == "auto":
        return "auto"
    said = getattr(torch, shape.dtype) if shape.dtype else None
    return str(devices.resolve_dtype(dtype, torch.device(device), said)).removeprefix("torch.")
