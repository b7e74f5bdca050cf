"""What keeps a repository's files from being a model that can be loaded, told by their names.

Pure: it knows names, and neither a hub nor what is in the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

LOADED = (".safetensors", ".bin", ".gguf")
"""How the names of weights end that can be loaded."""

_ELSEWHERE = {"ONNX", "OpenVINO", "TensorFlow", "TensorFlow Lite", "Flax", "Core ML"}


def lacking(names: Iterable[str], left_out: Iterable[tuple[str, str]] = ()) -> str | None:
    """Why these files will not load, as the end of a sentence that begins with the model's name; None if they may.

    Args:
        names: of the files that are fetched.
        left_out: (name, why) of the repository's others.
    """
    bases = [name.rpartition("/")[2] for name in names]
    weights = [base for base in bases if base.endswith(LOADED)]
    own = [base for base in weights if not base.startswith("adapter_")]
    if "adapter_config.json" in bases and not own:
        return "is an adapter: changes to another model, which are not loaded here"
    if not own:
        reasons = dict(left_out)
        formats = {why for why in reasons.values() if why in _ELSEWHERE}
        formats |= {"PyTorch's .pt" for base in bases if base.endswith(".pt")}
        formats |= {
            PurePosixPath(name).suffix for name in reasons if name.endswith((".pth", ".npz", ".nemo"))
        }
        only = f", only {' and '.join(sorted(formats))}" if formats else ""
        return f"has no weights that can be loaded here{only}"
    if "config.json" not in bases and not any(base.endswith(".gguf") for base in own):
        return "has weights but no config.json, which says what they are"
    return None
