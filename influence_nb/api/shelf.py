"""What is on this machine: the library, a model by its name or folder, and the starters, fetched when asked for.

It does not know hubs, nor how a model is loaded.
"""

from __future__ import annotations

import threading
from pathlib import Path

from influence_nb.arguments import quoted
from influence_nb.engine import registry
from influence_nb.engine.starters import ready
from influence_nb.errors import ModelNotFound
from influence_nb.hub.progress import OnProgress
from influence_nb.store.library import Library
from influence_nb.store.models import IncompleteModel, LocalModel


def library() -> Library:
    """The models on this machine: iterate `LocalModel`s, or take one by name; `.to_frame()` makes a table.

    `.broken` has those that are not whole, `.verify(name)` checks bytes, `.remove(name)` and `.prune()` free space.
    """
    return Library(in_use=_is_loaded)


def here(model: object) -> LocalModel:
    """The model on this machine that a name, a folder or a `LocalModel` means."""
    if isinstance(model, LocalModel):
        return model
    if not isinstance(model, str | Path):
        raise ModelNotFound(f"{quoted(model)} is not a model.", "Give a name, a folder, or a LocalModel.")
    try:
        as_path = Path(model).expanduser()
    except RuntimeError:  # "~name", and nobody is called so
        as_path = Path(model)
    is_path = str(model).startswith((".", "/", "~")) or as_path.suffix.lower() == ".gguf"
    if isinstance(model, Path) or is_path or _is_folder(as_path):
        return LocalModel.from_folder(as_path)
    return library()[str(model)]


def starter(
    name: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
) -> LocalModel:
    """A starter, fetched and unpacked where it is not here yet; errors as `engine.starters.ready`'s."""
    ready(name, on_progress, cancel)
    return library()[name]


def _is_loaded(model: LocalModel | IncompleteModel) -> bool:
    paths = {getattr(getattr(one, "local", None), "path", None) for one in registry.loaded()}
    return model.path in paths or model.path / "safetensors" in paths


def _is_folder(path: Path) -> bool:
    try:
        return path != Path() and path.is_dir()
    except OSError:  # a name longer than the file system allows
        return False
