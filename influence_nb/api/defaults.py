"""What the settings say where nobody else has said anything: the model, the device, how tokens are chosen.

For the command line and the server; the rest of the Python API takes what it is given and does not look here.
"""

from __future__ import annotations

from typing import Any

from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.settings import settings

_SETTING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "repetition_penalty": "repeat_penalty",
    "max_new_tokens": "max_tokens",
}
"""Which setting gives a parameter of `Sampling` its default."""


def sampling(**given: Any) -> Sampling:
    """`given` over the settings over `Sampling()`; errors as those of `said`.

    Raises:
        InvalidSampling: a parameter that is unknown or out of range.
    """
    return Sampling().replace(**said(**given))


def said(**given: Any) -> dict[str, Any]:
    """`given` over those settings that are set: {parameter of `Sampling`: value}.

    Raises:
        SettingsError: a setting cannot be read.
    """
    here = settings()
    found = {name: getattr(here, setting) for name, setting in _SETTING.items()}
    return {name: value for name, value in found.items() if value is not None} | given


def model(name: str | None = None) -> str:
    """The model that is meant where `name` is None."""
    return name or settings().model_path or "starter/chat"


def device(name: str | None = None, index: int | None = None) -> str:
    """The device as `load` takes it.

    Args:
        name: as in `load`; None is INFLUENCE_DEVICE, else "auto".
        index: which GPU, from 0; None is INFLUENCE_DEVICE_INDEX, where `name` is None too, or names no number.

    Raises:
        InvalidData: an index was given beside a device that has none, or another one.
    """
    here = settings()
    asked = index is not None
    said = (here.device if name is None else name).strip().lower()
    index = here.device_index if index is None else index
    if index is None:
        return said
    if said in ("auto", "cuda"):
        return f"cuda:{index}"
    if asked and said != f"cuda:{index}":
        raise InvalidData(
            f"The device {said!r} has no index {index}.",
            "Give an index with the device cuda, or leave it out.",
        )
    return said
