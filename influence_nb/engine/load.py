"""Loading: a model on disk into memory, with stages that a person can follow and errors that name the cause.

It does not know names, libraries or the Hub; `api.load` finds the folder.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.engine import device as devices
from influence_nb.engine import keeping, packed
from influence_nb.engine.abilities import sees_ahead
from influence_nb.engine.faults import translated
from influence_nb.engine.fitting import needed, with_what_fits
from influence_nb.engine.quiet import building, quiet
from influence_nb.engine.receipts import passed_over
from influence_nb.engine.runtimes.transformers import TransformersModel
from influence_nb.engine.watch import Watch
from influence_nb.errors import BrokenModel, OutOfMemory, UnsupportedModel
from influence_nb.settings import settings
from influence_nb.store.folder import gguf_of
from influence_nb.store.models import CHAT_HEADS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from influence_nb.engine.device import Place
    from influence_nb.engine.loop import Network
    from influence_nb.store.models import LocalModel

Stage = Callable[[str, float | None], None]
"""Called with a stage ("files", "weights", "warm-up", "ready") and the share of it done, 0 to 1, None where unknown."""

_OTHER_WAYS = f"{packed.LLAMA_CPP} Or take safetensors."


@dataclass(frozen=True)
class Source:
    """Where transformers reads a model: a folder, the GGUF file in it where it is one, and whether its code may run."""

    folder: Path
    gguf: str | None = None
    trust_remote_code: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What the calls of transformers that read it are told beside the folder."""
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": self.trust_remote_code}
        return {**options, "gguf_file": self.gguf} if self.gguf else options


def load_model(
    local: LocalModel,
    device: str = "auto",
    dtype: str = "auto",
    on_progress: Stage | None = None,
    keep_alive: float | None = None,
    quantization: str | None = None,
    trust_remote_code: bool = False,
) -> TransformersModel:
    """Load a causal language model, warm it up, and put it on the list of loaded models.

    Idle models go first where there is no room (`keeping.make_room`).

    Args:
        local: a whole model on disk.
        device: see `engine.device.resolve`.
        dtype: see `engine.device.resolve_dtype`.
        on_progress: told the stages, in the calling thread.
        keep_alive: seconds, as `keeping.seconds` gives them.
        quantization: None, "int8" or "nf4": how weights are packed while they are read.
        trust_remote_code: whether Python code that lies with the model may run.

    Raises:
        DeviceUnavailable: no such device, or it does not run weights that are packed so.
        MissingExtra: a package for packed weights is missing.
        BrokenModel: a file is missing or damaged.
        UnsupportedModel: no causal language model, or one that transformers does not know.
        OutOfMemory: the device has no room.
    """
    tell = on_progress or (lambda stage, done: None)
    started = time.perf_counter()
    tell("files", 0.0)
    target = devices.resolve(device)
    packed.check(quantization, local, target)
    file = packed.gguf_file(local)
    source = Source(file.parent, file.name) if file else Source(Path(local.path), None, trust_remote_code)
    config = _config(local, source)
    if not source.gguf:
        packed.check_checkpoint(local, getattr(config, "quantization_config", None), target)
    chosen = devices.resolve_dtype(dtype, target, _dtype_of(config, source))
    devices.use_threads(settings().threads)
    kind = str(chosen).removeprefix("torch.")
    size = needed(local, str(target), kind, quantization)
    place = devices.place(device, size)
    where = str(place.device)
    keeping.make_room(where, 0 if place.shares else size)
    tell("weights", None)
    watch = Watch(where)
    try:
        # The tokenizer is read while the weights are: together they take little longer than the weights alone.
        with devices.tidy_allocations(), ThreadPoolExecutor(1) as beside:
            words = beside.submit(read_tokenizer, local, source)
            network = _network(local, source, config, chosen, place, quantization)
            tokenizer = words.result()
        tell("warm-up", None)
        watch.forget_peak()
        model = TransformersModel(local, network, tokenizer, time.perf_counter() - started, quantization)
        if steps := devices.warmup_tokens(place.device):
            with passed_over():
                model.generate([0], temperature=0.0, min_new_tokens=steps, max_new_tokens=steps)
        model.forwards = 0
        model.memory_peak = max(watch.taken(), model.weights_size)
    except BaseException as error:
        # what the traceback's frame holds would keep the memory that is given back
        model = network = words = None  # type: ignore[assignment]
        devices.give_back()
        if isinstance(error, OutOfMemory):
            raise with_what_fits(error, local, where, kind, quantization) from error.__cause__
        raise
    model.load_seconds = time.perf_counter() - started
    keeping.admit(model, keep_alive)
    tell("ready", 1.0)
    return model


def _config(local: LocalModel, source: Source) -> PreTrainedConfig:
    from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, __version__

    with (
        quiet(),
        translated(
            f"reading the configuration of {local.name}",
            UnsupportedModel,
            _OTHER_WAYS if source.gguf else "A newer transformers may know this model.",
        ),
    ):
        said = (
            {} if source.gguf else PreTrainedConfig.get_config_dict(source.folder, local_files_only=True)[0]
        )
        kind = said.get("model_type")
        if isinstance(kind, str) and kind not in CONFIG_MAPPING and not said.get("auto_map"):
            raise UnsupportedModel(
                f"{local.name} is of the model type {kind!r}, which transformers {__version__} does not know.",
                "A newer one may: pip install --upgrade transformers. Else look for a copy in another architecture.",
            )
        config: PreTrainedConfig = AutoConfig.from_pretrained(source.folder, **source.options)
    if source.trust_remote_code and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {}):
        return config  # a class of its own, which generates text by its own word
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise UnsupportedModel(
            f"{local.name} ({local.architecture or config.model_type}) is not a model that generates text.",
            "Encoders are for embeddings: use inb.load_encoder. To chat, load a causal language model.",
        )
    architectures = config.architectures or []
    if architectures and not any(name.endswith(CHAT_HEADS) for name in architectures):
        raise UnsupportedModel(
            f"{local.name} was saved as {architectures[0]}, which has no head that generates text.",
            "Encoders are for embeddings: use inb.load_encoder. To chat, load a causal language model.",
        )
    return config


def open_tokenizer(local: LocalModel) -> PreTrainedTokenizerBase:
    """A model's tokenizer alone; errors as `load_model`'s."""
    file = gguf_of(Path(local.path)) if local.format == "gguf" else None
    source = Source(file.parent, file.name) if file else Source(Path(local.path))
    return read_tokenizer(local, source)


def read_tokenizer(local: LocalModel, source: Source) -> PreTrainedTokenizerBase:
    """What transformers reads of it.

    Raises:
        BrokenModel: a file is missing or damaged.
        UnsupportedModel: it wants code of its own.
    """
    from transformers import AutoTokenizer

    hint = f"Look at the tokenizer's files in {local.path}."
    with quiet(), translated(f"reading the tokenizer of {local.name}", BrokenModel, hint):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source.folder, **source.options)
        return tokenizer


def _network(
    local: LocalModel,
    source: Source,
    config: PreTrainedConfig,
    dtype: torch.dtype,
    place: Place,
    quantization: str | None,
) -> Network:
    from transformers import AutoModelForCausalLM, GgufConfig

    hint = f"Look at the weights in {local.path}; fetch the model again if they are damaged."
    how = place.options()
    if quantization is not None:
        how = {
            "device_map": {"": place.device},
            **how,
            "quantization_config": packed.config(quantization, dtype),
        }
    elif source.gguf:
        how = {**how, "quantization_config": GgufConfig(dequantize=True)}
    elif getattr(config, "quantization_config", None) is not None:
        how = {"device_map": {"": place.device}, **how}
    with building(), translated(f"loading {local.name}", BrokenModel, hint):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.folder,
            config=config,
            dtype=dtype,
            use_safetensors=_safetensors(local),
            weights_only=True,  # of a pickled file: tensors, and nothing that runs
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked at below, where they can be named
            **source.options,
            **how,
        )
        network, found = loaded
        if odd := sorted(found["mismatched_keys"]):
            name, there, wanted = odd[0]
            raise BrokenModel(
                f"{local.name} has {name} of shape {tuple(there)}; its config.json asks for {tuple(wanted)}.",
                "The configuration and the weights are of different models: fetch both again.",
            )
        if lost := sorted(found["missing_keys"]):
            raise BrokenModel(
                f"{local.name} lacks {len(lost)} of its weights, {lost[0]} among them.",
                "The files are not of one model, or not all there: fetch the model again.",
            )
        if extra := _of_more_layers(found["unexpected_keys"], network):
            raise BrokenModel(
                f"{local.name} has weights that its config.json knows nothing of, {extra} among them.",
                "The configuration is of a smaller model: fetch config.json again.",
            )
        network.eval()
        packed.keep_exact(network)
        if "device_map" not in how:
            network.to(place.device)
        if getattr(config, "is_decoder", None) is False and sees_ahead(network):
            raise UnsupportedModel(
                f"{local.name} ({local.architecture}) is an encoder: each of its tokens sees those after it.",
                "Encoders are for embeddings: use inb.load_encoder. To chat, load a causal language model.",
            )
        return network


def _of_more_layers(unexpected: Collection[str], network: Network) -> str | None:
    """The first weight left over whose name differs from a used one in numbers only: a layer too many.

    Other weights may be left over in a model that is in order: heads and towers that this architecture does without.
    """
    used = {re.sub(r"\d+", "N", name) for name in network.state_dict()}
    return next((name for name in sorted(unexpected) if re.sub(r"\d+", "N", name) in used), None)


def _dtype_of(config: PreTrainedConfig, source: Source) -> torch.dtype | None:
    import torch

    if source.gguf:  # whatever it is unpacked to has more digits than its blocks
        return torch.bfloat16

    said = getattr(config, "dtype", None)
    named = getattr(torch, said, None) if isinstance(said, str) else said
    return named if isinstance(named, torch.dtype) else None


def _safetensors(local: LocalModel) -> bool | None:
    return True if local.format == "safetensors" else None
