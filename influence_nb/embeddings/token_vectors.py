"""A model's own vectors of its tokens: its input embeddings, or the rows of its output matrix.

Of a model on disk only that matrix is read, where its weights are safetensors. It does not know maps: what it gives is
what `EmbeddingMap(tokens, vectors=...)` takes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted
from influence_nb.embeddings.encode import find_local
from influence_nb.embeddings.weights import AGAIN
from influence_nb.engine.model import Model
from influence_nb.errors import BrokenModel, CapabilityMissing, InvalidData, UnsupportedModel

if TYPE_CHECKING:
    import pandas

    from influence_nb.store.models import LocalModel


class TokenVectors(NamedTuple):
    """Tokens, and a vector for each.

    Attributes:
        tokens: a row a token: `text` (what it stands for, spaces and line ends made visible) and `id`.
        vectors: (V, d) float32, row by row as in `tokens`.
    """

    tokens: pandas.DataFrame
    vectors: NDArray[np.float32]


def token_vectors(model: Model | LocalModel | str | Path | None = None, which: str = "input") -> TokenVectors:
    """The vectors that a model has for its tokens, before any text is read.

        tokens, vectors = inb.token_vectors("starter/chat")
        inb.EmbeddingMap(tokens, vectors=vectors)

    Args:
        model: a loaded model, a name in the library, a folder, or a `LocalModel`; None is "starter/embedding".
        which: "input", what stands for a token when it is read; or "output", what the last hidden state is compared
            with to choose it. Many models tie the two: then they are the same matrix.

    Raises:
        ModelNotFound, BrokenModel: as in `load`.
        InvalidData: `which` is neither.
        CapabilityMissing: the model has no output matrix, as encoders have none, or runs elsewhere.
        UnsupportedModel: its weights are packed, or not safetensors.
    """
    import pandas as pd

    if which not in ("input", "output"):
        raise InvalidData(f"which={quoted(which)} cannot be.", "Give 'input' or 'output'.")
    matrix, tokenizer = (
        _of_loaded(model, which) if isinstance(model, Model) else _of_files(find_local(model), which)
    )
    count = min(len(matrix), len(tokenizer))  # rows past the vocabulary are padding
    from influence_nb.engine.token_text import visible

    texts = [visible(tokenizer.convert_tokens_to_string([one])) or one for one in _names(tokenizer, count)]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "id": np.arange(count)})
    return TokenVectors(frame, matrix[:count])


def _names(tokenizer: Any, count: int) -> list[str]:
    return [name if name is not None else "" for name in tokenizer.convert_ids_to_tokens(list(range(count)))]


def _of_loaded(model: Model, which: str) -> tuple[NDArray[np.float32], Any]:
    network = getattr(model, "network", None)
    if network is None or model.local is None:
        raise CapabilityMissing(
            f"The weights of {model.name} are not in this process.",
            "Load it here, with runtime='transformers'.",
        )
    layer = network.get_input_embeddings() if which == "input" else network.get_output_embeddings()
    if layer is None:
        raise _no_output(model.name)
    return layer.weight.detach().float().cpu().numpy(), _tokenizer(model.local.path)


def _of_files(local: LocalModel, which: str) -> tuple[NDArray[np.float32], Any]:
    from influence_nb.engine.faults import translated
    from influence_nb.engine.quiet import building

    if local.format != "safetensors" or local.quantization is not None:
        raise UnsupportedModel(
            f"The weights of {local.name} are {local.quantization or local.format}: no matrix can be read from them.",
            "Load the model and give that: inb.token_vectors(inb.load(...)).",
        )
    with translated(f"reading {local.name}", BrokenModel, AGAIN), building():
        import torch
        import transformers

        kinds: Any = transformers.AutoModel

        config = transformers.AutoConfig.from_pretrained(local.path, local_files_only=True)
        head = getattr(transformers, (config.architectures or [""])[0], None)
        with torch.device("meta"):  # shapes and names alone
            network = kinds.from_config(config) if head is None else head(config)
        layer = network.get_input_embeddings() if which == "input" else network.get_output_embeddings()
        if layer is None:
            raise _no_output(local.name)
        tied = which == "output" and getattr(config.get_text_config(), "tie_word_embeddings", False)
        name = next(name for name, weight in network.named_parameters() if weight is layer.weight)
        inputs = network.get_input_embeddings().weight
        also = next(name for name, weight in network.named_parameters() if weight is inputs)
        matrix = _read(local.path, [name, also] if tied else [name], network.base_model_prefix)
        return matrix, _tokenizer(local.path)


def _read(folder: Path, names: list[str], prefix: str) -> NDArray[np.float32]:
    """The first of those weights that is in the folder's files, with the prefix or without."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        held = {
            name: folder / file for name, file in json.loads(index.read_text("utf-8"))["weight_map"].items()
        }
    else:
        held = {}
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, "pt") as weights:
                held |= dict.fromkeys(weights.keys(), file)
    spelled = [one for name in names for one in (name, name.removeprefix(f"{prefix}."), f"{prefix}.{name}")]
    if (name := next((one for one in spelled if one in held), None)) is not None:
        with safe_open(held[name], "pt") as weights:
            found: NDArray[np.float32] = weights.get_tensor(name).float().numpy()
            return found
    raise BrokenModel(f"{folder} has no weight {names[0]!r}.", AGAIN)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _no_output(name: str) -> CapabilityMissing:
    return CapabilityMissing(
        f"{name} has no output matrix: it does not choose tokens.",
        "Take which='input', or a model that generates.",
    )
