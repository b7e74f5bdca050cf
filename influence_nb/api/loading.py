"""What is in memory: models loaded, found again, and encoders.

It does not know what loading does; of a starter it knows that it may have to be fetched first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from influence_nb.api.shelf import here, starter
from influence_nb.arguments import expect_bool, expect_call
from influence_nb.engine import keeping, registry
from influence_nb.engine.load import Stage, load_model
from influence_nb.engine.runtimes.llamacpp.opening import load_gguf, takes
from influence_nb.errors import InvalidData
from influence_nb.hub import starters
from influence_nb.memory.weights import PACKED
from influence_nb.settings import settings
from influence_nb.store import peaks, records
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.embeddings.endpoint import EndpointEncoder
    from influence_nb.engine.model import Model

_loading = threading.Lock()

Kind = TypeVar("Kind", bound="Model")
"""A kind of model: what is loaded again as it was is of the same."""

RUNTIMES = ("auto", "transformers", "llama.cpp", "endpoint")


def load(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    on_progress: Stage | None = None,
    runtime: str = "auto",
    endpoint: str | None = None,
    key: str | None = None,
    keep_alive: float | str | None = None,
    quantization: str | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a model, or hand out the copy that is loaded already.

    Args:
        model: the name of a model in the library, a folder, a GGUF file, or a `LocalModel`; None is "starter/chat",
            which is fetched first where it is not here yet. With `endpoint`, the name that the server has for it; None
            is the only one there.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (what the checkpoint says; on a CPU bfloat16 only where it computes that natively),
            "bfloat16", "float16", "float32".
        quantization: how the weights are packed while they are read, by bitsandbytes on CPUs and CUDA: None,
            "int8" (a byte a number) or "nf4" (half a byte). A checkpoint that is packed already needs no word of it.
        on_progress: told each stage ("files", "weights", "warm-up", "ready") and the share of it that is done,
            0 to 1, or None where that is unknown; fetching and unpacking a starter is part of "files".
        runtime: "transformers" and "llama.cpp" (GGUF files, an extra) run it in this process, "endpoint" asks the
            server at `endpoint`. "auto" is "endpoint" where one is given, "llama.cpp" for a GGUF file on a machine
            without a GPU where that is installed and no dtype is asked for, and else "transformers".
        endpoint: the address of a server that speaks OpenAI's protocol, such as "http://127.0.0.1:8000/v1";
            "localhost:11434" is "http://localhost:11434/v1".
        key: what that server wants for a key; None takes INFLUENCE_ENDPOINT_KEY where it is set. It is never shown
            or kept.
        keep_alive: how long the model may be idle before it is unloaded: seconds, or text such as "30s", "5m", "1h".
            0 unloads it after a call, below 0 or `math.inf` never; None when room is needed. A model that is loaded
            already keeps what it was given, unless this says something.
        trust_remote_code: whether Python code that lies with the model may run, with all that you may do on this
            machine: only where you have read that code or trust its authors. `DownloadPlan.needs_code` says which
            models want it.

    Raises:
        ModelNotFound: no model of that name is on this machine, or on the server.
        BrokenModel: a file is missing or damaged; the message names it.
        UnsupportedModel: not a model that generates text, not one for that runtime, or one that wants its own code.
        DeviceUnavailable: no such device, or it does not run weights that are packed so.
        MissingExtra: a package that reads packed weights, or that of llama.cpp, is not installed.
        OutOfMemory: the device has no room; the hint says what would fit.
        EndpointError: the server cannot be reached, refuses, or answers with something else.
        InvalidData: the runtime, the address, the key, the time or the quantization is none, or the arguments
            contradict each other.
    """
    expect_call(on_progress=on_progress)
    expect_bool(trust_remote_code=trust_remote_code)
    stay = keeping.seconds(keep_alive)
    _check_runtime(runtime, endpoint, key, (device, dtype, keep_alive, quantization, trust_remote_code))
    if endpoint is not None:
        from influence_nb.engine.connect import connect

        return connect(endpoint, model, key, on_progress)
    local = _find(model, on_progress)
    with _loading:
        if present := _present(local, runtime, device, dtype, quantization, stay):
            if on_progress is not None:
                on_progress("ready", 1.0)
            return present
        if takes(local, runtime, dtype):
            loaded: Model = load_gguf(local, device, dtype, on_progress, stay, quantization)
        else:
            loaded = load_model(local, device, dtype, on_progress, stay, quantization, trust_remote_code)
    asked = {
        "device": device,
        "dtype": dtype,
        "runtime": runtime,
        "quantization": quantization,
        "trust_remote_code": trust_remote_code,
    }
    loaded.arguments = {
        "model": local.name if model is None else model if isinstance(model, str) else str(local.path),
        **{name: value for name, value in asked.items() if value not in ("auto", None, False)},
    }
    records.touch(local.name)
    if settings().warmup_tokens != 0:  # else nothing has run yet
        peaks.remember_peak(loaded.name, loaded.device, loaded.dtype, loaded.quantization, loaded.memory_peak)
    return loaded


def _present(
    local: LocalModel, runtime: str, device: str, dtype: str, quantization: str | None, stay: float | None
) -> Model | None:
    """The copy that is loaded already, which stays for as long as is said now; None where there is none."""
    for present in registry.loaded():
        same = runtime in ("auto", present.runtime) and present.answers_to(local, device, dtype, quantization)
        if same and present.use.touch():
            if stay is not None:
                keeping.keep(present, stay)
            return present
    return None


@contextmanager
def awake(model: Kind) -> Iterator[Kind]:
    """Keep a model in memory for the block; one that went by itself (`keeping.Use.left`) is loaded again first.

    Yields:
        The model, or the copy that was loaded as it was.

    Raises:
        CapabilityMissing: somebody unloaded it.
        InfluenceError: loading it again failed, see `load`.
    """
    while not model.use.begin():
        if not model.use.left:
            raise model.unloaded()
        with keeping.coming_back():
            again = load(**model.arguments, keep_alive=model.keep_alive)
        model = cast("Kind", again)  # as before, so of its kind
    try:
        yield model
    finally:
        model.use.end()


def as_recorded(facts: Mapping[str, Any]) -> dict[str, Any]:
    """How to load a model, or an encoder, as it was: the arguments of `load` or `load_encoder` beside its name.

    Args:
        facts: what a receipt or a run (`Run.determined_by`) says of it.
    """
    if facts.get("endpoint") is not None:
        return {"endpoint": facts["endpoint"]}
    names = ["device"] if facts.get("runtime") == "llama.cpp" else ["device", "dtype", "layer", "pooling"]
    found = {name: facts[name] for name in ("runtime", *names) if facts.get(name) is not None}
    packed = facts.get("quantization")
    return found | ({"quantization": packed} if packed in PACKED else {})  # else the files are packed so


def loaded() -> list[Model]:
    """The models in memory, the one loaded last at the end.

    Each shows its memory and when it was last used (`model.memory`, `model.last_used`).
    """
    return registry.loaded()


@overload
def load_encoder(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layer: int | None = None,
    pooling: str | None = None,
    trust_remote_code: bool = False,
    endpoint: None = None,
    key: str | None = None,
) -> Encoder: ...


@overload
def load_encoder(model: str | None = None, *, endpoint: str, key: str | None = None) -> EndpointEncoder: ...


def load_encoder(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layer: int | None = None,
    pooling: str | None = None,
    trust_remote_code: bool = False,
    endpoint: str | None = None,
    key: str | None = None,
) -> Encoder | EndpointEncoder:
    """Load a model that turns texts into vectors, or connect to one on a server.

    Args:
        model: the name of a model in the library, a folder, or a `LocalModel`; None is "starter/embedding". With
            `endpoint`, the name that the server has for it; None is the only one there.
        device: as in `load`.
        dtype: "auto" (on a GPU what the model's files say; on a CPU bfloat16 where it computes that natively, which is
            faster and whose vectors have a cosine above 0.999 to float32's, and else float32), "bfloat16", "float16"
            or "float32", in which a vector does not depend on the texts beside it (to 1e-5).
        layer: the hidden layer to take, 0 for the embeddings before the first; None for the last.
        pooling: "mean", "cls", "last" or "weighted_mean"; None for what the model says, and the mean where it says
            nothing. For a model that was made to generate text that is a guess, so a warning says it.
        trust_remote_code: as in `load`.
        endpoint: the address of a server with `/v1/embeddings`, such as "http://127.0.0.1:11434/v1".
        key: as in `load`.

    Returns:
        An `Encoder`; with `endpoint` an `EndpointEncoder`, which has the same methods and no layers.

    Raises:
        ModelNotFound, BrokenModel, DeviceUnavailable, OutOfMemory, EndpointError: as in `load`.
        InvalidData: no such layer or pooling, or what is given is for the server to choose.
    """
    if endpoint is not None:
        if (device, dtype, layer, pooling, trust_remote_code) != ("auto", "auto", None, None, False):
            raise InvalidData(
                "device, dtype, layer, pooling and trust_remote_code cannot be chosen for an encoder on a server.",
                "Leave them out: the server has chosen.",
            )
        from influence_nb.embeddings.endpoint import connect_encoder

        return connect_encoder(endpoint, model, key)
    if key is not None:
        raise InvalidData(
            "A key was given, and no endpoint to use it at.", "Give endpoint= too, or leave the key out."
        )
    from influence_nb.embeddings.encode import open_encoder

    return open_encoder(
        model,
        device=device,
        dtype=dtype,
        layer=layer,
        pooling=pooling,
        trust_remote_code=trust_remote_code,
    )


def _check_runtime(runtime: str, endpoint: str | None, key: str | None, rest: tuple[object, ...]) -> None:
    """Refuse what contradicts itself."""
    if runtime not in RUNTIMES:
        raise InvalidData(f"{runtime!r} is not a runtime.", f"There are {', '.join(RUNTIMES)}.")
    if endpoint is None:
        if runtime == "endpoint":
            raise InvalidData(
                "The endpoint runtime needs a server's address.",
                "Give it: inb.load('name', endpoint='http://127.0.0.1:8000/v1').",
            )
        if key is not None:
            raise InvalidData(
                "A key was given, and no endpoint to use it at.", "Give endpoint= too, or leave the key out."
            )
        return
    if runtime not in ("auto", "endpoint"):
        raise InvalidData(
            f"The {runtime} runtime does not run models on a server.", "Leave out endpoint= or runtime=."
        )
    if rest != ("auto", "auto", None, None, False):
        raise InvalidData(
            "device, dtype, quantization, keep_alive and trust_remote_code cannot be chosen for a model on a server.",
            "Leave them out: the server has chosen.",
        )


def _find(model: str | Path | LocalModel | None, on_progress: Stage | None) -> LocalModel:
    if isinstance(model, LocalModel):
        return model
    if model is None:
        model = "starter/chat"
    if isinstance(model, str) and model in starters.STARTERS:
        tell = on_progress or (lambda stage, share: None)
        return starter(model, lambda progress: tell("files", progress.all_done / progress.all_total))
    return here(model)
