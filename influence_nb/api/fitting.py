"""Whether a model fits a device, wherever the model is: in memory, on this machine, or still on a hub.

It does not know the arithmetic, which is `memory`'s.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.api.shelf import here
from influence_nb.arguments import expect_event, expect_text
from influence_nb.engine.device import resolve
from influence_nb.errors import HubUnreachable, InvalidData, ModelNotFound
from influence_nb.hub import starters
from influence_nb.hub.plan import DownloadPlan, plan
from influence_nb.memory.fit import check_wishes
from influence_nb.memory.weights import MIXES
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.hub.hits import ModelHit
    from influence_nb.memory.report import FitReport


def fit(
    model: str | Path | LocalModel | DownloadPlan | ModelHit | Model,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    context: int | None = None,
    batch: int = 1,
    mirror: str | None = None,
    token: str | None = None,
    cancel: threading.Event | None = None,
) -> FitReport:
    """Whether a model fits a device, and what it takes there: weights, KV cache, activations.

    Of a model on the Hub, config.json and the headers of its weights are asked for, and no weights. What the model
    took when it was last loaded on this machine corrects the estimate.

    Args:
        model: a name in the library, a folder, "owner/name" on the Hub, or what `library`, `plan`, `search` or `load`
            gave.
        device: as in `load`: the device whose free memory counts.
        dtype: as in `load`; a checkpoint that is packed already stays so.
        quantization: None, "int8" or "nf4" (packed while loading), or a GGUF type such as "Q4_K_M".
        context: tokens in each row, prompt and answer together; None is 4096, or what the model was made for if that
            is less.
        batch: rows that run together.
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: as in `plan`.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound: no such model, here or on the Hub.
        GatedModel, HubUnreachable: the Hub does not show it, or does not answer.
        BrokenModel: a file is missing or damaged.
        UnsupportedModel: its repository holds nothing that can be loaded here.
        DeviceUnavailable: no such device.
        InvalidData: no such dtype or quantization, or a context or batch below 1.
        DownloadInterrupted: cancelled.
    """
    from influence_nb.engine.fitting import fit_model

    expect_text(token=token, mirror=mirror)
    expect_event(cancel)
    check_wishes(dtype, quantization, 1 if context is None else context, batch)
    resolve(device)
    found = _to_fit(model, quantization, mirror, token, cancel)
    return fit_model(found, device, dtype, quantization, context, batch, token, cancel)


def _to_fit(
    model: object,
    quantization: str | None,
    mirror: str | None,
    token: str | None,
    cancel: threading.Event | None,
) -> Model | LocalModel | DownloadPlan:
    """The model that is meant: loaded, on this machine, or else on the Hub."""
    from influence_nb.engine.model import Model

    if isinstance(model, Model | DownloadPlan):
        return model
    model = getattr(model, "id", model)  # of a hit in a search
    try:
        return here(model)
    except ModelNotFound as unknown:
        if not isinstance(model, str) or model in starters.STARTERS:
            raise
        packed = quantization if quantization in MIXES else None
        try:
            return plan(model, mirror=mirror, token=token, quantization=packed, cancel=cancel)
        except InvalidData:
            if packed is None:
                raise
            return plan(model, mirror=mirror, token=token, cancel=cancel)  # it has no GGUF files
        except HubUnreachable:
            if "/" in model:
                raise
            raise unknown from None
