"""What is in memory: models loaded, found again, and encoders.

It does not know what loading does; of a starter it knows that it may have to be fetched first.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.api.shelf import here, starter
from influence_nb.arguments import expect_call
from influence_nb.engine import registry
from influence_nb.engine.load import Stage, load_model
from influence_nb.hub import starters
from influence_nb.store import peaks, records
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.engine.model import Model

_loading = threading.Lock()


def load(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    on_progress: Stage | None = None,
) -> Model:
    """Load a model, or hand out the copy that is loaded already.

    Args:
        model: the name of a model in the library, a folder, or a `LocalModel`; None is "starter/chat", which is
            fetched first where it is not here yet.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (what the checkpoint says; on a CPU bfloat16 only where it computes that natively),
            "bfloat16", "float16", "float32".
        on_progress: told each stage ("files", "weights", "warm-up", "ready") and the share of it that is done,
            0 to 1, or None where that is unknown; fetching and unpacking a starter is part of "files".

    Raises:
        ModelNotFound: no model of that name is on this machine.
        BrokenModel: a file is missing or damaged; the message names it.
        UnsupportedModel: not a model that generates text.
        DeviceUnavailable: no such device.
        OutOfMemory: the device has no room.
    """
    expect_call(on_progress=on_progress)
    local = _find(model, on_progress)
    with _loading:
        for present in registry.loaded():
            if present.answers_to(local, device, dtype):
                if on_progress is not None:
                    on_progress("ready", 1.0)
                return present
        loaded = load_model(local, device, dtype, on_progress)
    records.touch(local.name)
    peaks.remember_peak(loaded.name, loaded.device, loaded.dtype, local.quantization, loaded.memory_peak)
    return loaded


def loaded() -> list[Model]:
    """The models in memory, the one loaded last at the end."""
    return registry.loaded()


def load_encoder(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layer: int | None = None,
    pooling: str | None = None,
) -> Encoder:
    """Load a model that turns texts into vectors.

    Args:
        model: the name of a model in the library, a folder, or a `LocalModel`; None is "starter/embedding".
        device: as in `load`.
        dtype: as in `load`.
        layer: the hidden layer to take, 0 for the embeddings before the first; None for the last.
        pooling: "mean", "cls", "last" or "weighted_mean"; None for what the model says.

    Raises:
        ModelNotFound, BrokenModel, DeviceUnavailable, OutOfMemory: as in `load`.
        InvalidData: no such layer or pooling.
    """
    from influence_nb.embeddings.encode import open_encoder

    return open_encoder(model, device=device, dtype=dtype, layer=layer, pooling=pooling)


def _find(model: str | Path | LocalModel | None, on_progress: Stage | None) -> LocalModel:
    if isinstance(model, LocalModel):
        return model
    if model is None:
        model = "starter/chat"
    if isinstance(model, str) and model in starters.STARTERS:
        tell = on_progress or (lambda stage, share: None)
        return starter(model, lambda progress: tell("files", progress.all_done / progress.all_total))
    return here(model)
