"""The dense layer that some sentence-transformers models have after pooling, from its folder.

It does not know what comes before or after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.errors import BrokenModel, UnsupportedModel

if TYPE_CHECKING:
    from torch import Tensor

_ACTIVATIONS = ("Tanh", "Identity", "ReLU", "GELU", "Sigmoid", "SiLU")
"""Of torch.nn.modules; nothing else that a file names is run."""


def load_dense(folder: Path, device: Any, dtype: Any) -> tuple[Callable[[Tensor], Tensor], int]:
    """The layer as a function from (rows, d) to (rows, e), and e.

    Args:
        folder: holds config.json and model.safetensors or pytorch_model.bin.
        device: where the weights go.
        dtype: what they are computed in.

    Raises:
        BrokenModel: a file is missing or damaged.
        UnsupportedModel: an activation that is not known here, or a residual connection.
    """
    import torch

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = _weights(folder)
        layer = torch.nn.Linear(config["in_features"], config["out_features"], bool(config.get("bias", True)))
        layer.load_state_dict({name.removeprefix("linear."): weight for name, weight in weights.items()})
        named = str(config.get("activation_function") or "torch.nn.modules.activation.Tanh").rsplit(".", 1)[
            -1
        ]
        residual = bool(config.get("use_residual"))
    except Exception as error:  # no JSON, no such key, weights of another shape, a damaged file
        raise BrokenModel(
            f"The dense layer in {folder} cannot be read: {error}.", "Fetch the model again."
        ) from error
    if named not in _ACTIVATIONS or residual:
        what = "a residual connection" if residual else f"the activation {named!r}"
        raise UnsupportedModel(
            f"The dense layer in {folder} has {what}.",
            f"Activations that can be run are {', '.join(_ACTIVATIONS)}, without a residual; choose another encoder.",
        )
    activation = getattr(torch.nn, named)()
    layer = layer.to(device, dtype).eval()
    return lambda rows: activation(layer(rows.to(dtype))).float(), int(config["out_features"])


def _weights(folder: Path) -> dict[str, Tensor]:
    import torch

    if (folder / "model.safetensors").is_file():
        from safetensors.torch import load_file

        loaded: dict[str, Tensor] = load_file(folder / "model.safetensors")
        return loaded
    loaded = torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    return loaded
