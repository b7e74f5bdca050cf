"""What a model on disk says of itself without its weights being loaded: its config and the headers of its files.

It does not know what they amount to; `hub.headers` does the same for a model that is not here.
"""

from __future__ import annotations

from pathlib import Path

from influence_nb.memory.headers import Headers
from influence_nb.store.folder import inspect
from influence_nb.store.weights import read_gguf, read_safetensors


def read_heads(folder: Path) -> Headers:
    """The config and headers of the model in a folder.

    Raises:
        BrokenModel: a file is missing, cut off or damaged; the message names it.
    """
    found = inspect(folder)
    if found.format == "safetensors":
        parts = [read_safetensors(file).tensors for file in found.weights]
        return Headers(found.config, tuple(tensor for part in parts for tensor in part))
    if found.format == "gguf":
        headers = (read_gguf(file).gguf for file in found.weights[: _parts(found.weights)])
        return Headers(found.config, ggufs=tuple(header for header in headers if header is not None))
    return Headers(found.config, pickled=sum(file.stat().st_size for file in found.weights))


def _parts(files: tuple[Path, ...]) -> int:
    """How many of the files make one model: all parts of the first, or one of several quantizations."""
    stem, marked, _ = files[0].name.partition("-00001-of-")
    return sum(file.name.startswith(f"{stem}-") and "-of-" in file.name for file in files) if marked else 1
