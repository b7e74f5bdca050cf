"""Encoders: texts in, one float32 vector a text out, computed with transformers.

It does not know where models come from beyond asking the library, and knows nothing of maps.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from influence_nb.arguments import expect_bool, quoted, whole
from influence_nb.embeddings.pooling import check_pooling, pool, read_recipe
from influence_nb.embeddings.weights import load
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    import torch

    from influence_nb.hub.progress import Progress

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

STARTER = "starter/embedding"
TOKENS_ON_CPU, TOKENS_ON_GPU = 2048, 32768
"""How many positions, padding included, go through the model at once when no batch size is given."""


def open_encoder(
    model: str | Path | LocalModel | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layer: int | None = None,
    pooling: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    trust_remote_code: bool = False,
) -> Encoder:
    """Find a model by name or folder and load it as an encoder.

    Args:
        model: a name in the library, a folder, a LocalModel, or None for `starter/embedding`, which is
            fetched when it is not here yet.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        dtype: "auto", "float32", "bfloat16" or "float16".
        layer: the hidden state to take, 0 (the input embeddings) to the number of layers, or negative
            from the end; None takes the model's output.
        pooling: "mean", "cls", "last" or "weighted_mean"; None takes what the model's folder says.
        on_progress: called while the starter is being fetched.
        trust_remote_code: whether Python code that lies with the model may run.

    Raises:
        ModelNotFound: no such name or folder.
        BrokenModel: a file of the model is missing or damaged.
        DeviceUnavailable: no such device here.
        InvalidData: no such layer or pooling.
        OutOfMemory: no room for the weights.
    """
    from influence_nb.engine.device import resolve

    expect_bool(trust_remote_code=trust_remote_code)
    local = _local(model, on_progress)
    return Encoder.open(local, resolve(device), dtype, layer, pooling, trust_remote_code)


def _local(
    model: str | Path | LocalModel | None, on_progress: Callable[[Progress], None] | None
) -> LocalModel:
    from influence_nb.hub import starters
    from influence_nb.store.library import Library

    if isinstance(model, LocalModel):
        return model
    if not isinstance(model, (str, Path, NoneType)):
        raise InvalidData(
            f"{quoted(model)} is neither a model's name nor a folder.",
            f"Give a name such as {STARTER!r}, a folder, or a model of inb.library().",
        )
    name = STARTER if model is None else model
    if isinstance(name, Path) or (name not in starters.STARTERS and os.path.isdir(name)):
        return LocalModel.from_folder(name)
    if name in starters.STARTERS and not starters.is_here(name):
        starters.fetch(name, on_progress=on_progress)
    return Library()[name]


class Encoder:
    """A model that turns a text into a vector. Open one with `inb.load_encoder()`.

    Attributes:
        name: the model's name in the library, or its folder's.
        dimension: the length d of a vector.
        max_tokens: longer texts are cut there, as the model's own settings say.
        pooling: "mean", "cls", "last" or "weighted_mean".
        pooling_stated: whether the model's folder says so; otherwise it was asked for, or is the default.
        normalize: whether vectors are scaled to length 1.
        layer: the hidden state that is taken, None for the model's output.
        device: as torch names it, such as "cpu".
        dtype: what the weights are computed in, such as "float32"; vectors are float32 in any case.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        *,
        name: str,
        max_tokens: int,
        pooling: str,
        pooling_stated: bool,
        normalize: bool,
        layer: int | None,
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._tokenizing = threading.Lock()  # a fast tokenizer refuses to change its settings while in use
        self.name = name
        self.max_tokens = max_tokens
        self.pooling = pooling
        self.pooling_stated = pooling_stated
        self.normalize = normalize
        self.layer = layer
        self.dimension = int(network.config.get_text_config().hidden_size)
        self.device = str(network.device)
        self.dtype = str(network.dtype).removeprefix("torch.")

    @classmethod
    def open(
        cls,
        source: LocalModel | Path | str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | str = "auto",
        layer: int | None = None,
        pooling: str | None = None,
        trust_remote_code: bool = False,
    ) -> Encoder:
        """Load a model's folder onto a device that is known to be there.

        Raises:
            BrokenModel: config, tokenizer or weights are missing, damaged or do not fit together.
            UnsupportedModel: an architecture or a pooling that cannot be run.
            InvalidData: no such layer or pooling.
            OutOfMemory: no room for the weights.
        """
        import torch

        folder = source.path if isinstance(source, LocalModel) else Path(source)
        name = source.name if isinstance(source, LocalModel) else folder.name
        if pooling is not None:
            check_pooling(pooling)
        if layer is not None:
            layer = whole("layer", layer)
        recipe = read_recipe(folder)
        network, tokenizer = load(folder, name, torch.device(device), dtype, trust_remote_code)
        depth = int(network.config.get_text_config().num_hidden_layers)
        if layer is not None and not -depth - 1 <= layer <= depth:
            raise InvalidData(
                f"{name} has no layer {layer}.",
                f"Choose 0 (the input embeddings) to {depth} (the last), or -1 to {-depth - 1} from the end.",
            )
        return cls(
            network,
            tokenizer,
            name=name,
            max_tokens=recipe.max_tokens or _limit(network.config.get_text_config(), tokenizer),
            pooling=pooling or recipe.pooling,
            pooling_stated=recipe.stated and pooling is None,
            normalize=recipe.normalize,
            layer=layer,
        )

    def encode(
        self,
        texts: str | Sequence[str],
        batch_size: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Vectors:
        """One vector a text, in the order given.

        Texts are sorted by length and packed into batches, so little is spent on padding. In float32 a
        vector does not depend on the texts beside it (to 1e-5); in bfloat16 it does in the third decimal.

        Args:
            texts: one text or many; one text also gives a matrix, of one row.
            batch_size: the most rows that go through the model at once; None packs by tokens (2,048 on a CPU).
            on_progress: called with (texts done, texts in all) after every batch.
            cancel: set it from another thread to stop at the next batch.

        Returns:
            float32 of shape (n, d); (0, d) when there are no texts.

        Raises:
            InvalidData: something among the texts is not a string or cannot be written in UTF-8, or the batch
                size is not a whole number above 0.
            OutOfMemory: a batch did not fit; a smaller batch_size may.
            InfluenceError: it was cancelled, or the encoder was unloaded.
        """
        if batch_size is not None:
            batch_size = whole("batch_size", batch_size, 1)
        rows = self._tokenize(_checked(texts))
        vectors = np.zeros((len(rows), self.dimension), np.float32)
        done = 0
        budget = TOKENS_ON_CPU if self.device == "cpu" else TOKENS_ON_GPU
        for batch in _batches([len(row) for row in rows], budget, batch_size):
            if cancel is not None and cancel.is_set():
                raise InfluenceError(
                    f"Encoding was stopped after {done} of {len(rows)} texts.", "Start again."
                )
            vectors[batch] = self._forward([rows[i] for i in batch])
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(rows))
        return vectors

    def token_counts(self, texts: str | Sequence[str]) -> list[int]:
        """How many tokens each text has, special ones included; of those past `max_tokens` `encode` reads nothing.

        Raises:
            InvalidData: as `encode`.
        """
        rows = _checked(texts)
        if not rows:
            return []
        with self._tokenizing:
            return [len(row) for row in self._tokenizer(rows, verbose=False)["input_ids"]]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens.

        Raises:
            InvalidData: an id outside the vocabulary.
        """
        if outside := [token for token in ids if not 0 <= token < len(self._tokenizer)]:
            raise InvalidData(
                f"Token id {outside[0]} is outside the vocabulary.",
                f"Ids go from 0 to {len(self._tokenizer) - 1}.",
            )
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def unload(self) -> None:
        """Free the weights. Encoding afterwards raises; open the encoder again to go on."""
        from influence_nb.engine.device import give_back

        self._network = None
        give_back()

    def __repr__(self) -> str:
        layer = "" if self.layer is None else f", layer {self.layer}"
        return (
            f"Encoder({self.name}: {self.dimension} dimensions, {self.pooling} pooling{layer}, "
            f"up to {self.max_tokens} tokens, {self.dtype} on {self.device})"
        )

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, cut at the limit; one warning says how many were cut."""
        if not texts:
            return []
        with self._tokenizing:
            rows = self._tokenizer(texts, truncation=True, max_length=self.max_tokens)["input_ids"]
            full = [text for text, row in zip(texts, rows, strict=True) if len(row) >= self.max_tokens]
            whole = self._tokenizer(full, verbose=False)["input_ids"] if full else []
        cut = sum(len(row) > self.max_tokens for row in whole)
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} texts are longer than the {self.max_tokens} tokens {self.name} reads; "
                "the rest of each was left out.",
                stacklevel=3,
            )
        return [row or [self._tokenizer.pad_token_id] for row in rows]

    def _forward(self, rows: list[list[int]]) -> Vectors:
        import torch

        from influence_nb.engine.faults import translated

        network = self._network
        if network is None:
            raise InfluenceError(f"{self.name} was unloaded.", "Open it again with inb.load_encoder().")
        ids = torch.full((len(rows), max(map(len, rows))), self._tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        ids, mask = ids.to(network.device), mask.to(network.device)
        doing = f"encoding {len(rows)} texts of up to {ids.shape[1]} tokens with {self.name}"
        with translated(doing), torch.inference_mode():
            deep = self.layer is not None
            output = network(input_ids=ids, attention_mask=mask, output_hidden_states=deep)
            hidden = output.hidden_states[self.layer] if deep else output.last_hidden_state
            vectors = pool(hidden, mask, self.pooling)
            if self.normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return cast(Vectors, vectors.cpu().numpy())


def _checked(texts: str | Sequence[str]) -> list[str]:
    one_by_one = isinstance(texts, Iterable) and not isinstance(texts, (bytes, Mapping))
    if not one_by_one or getattr(texts, "ndim", 1) != 1:  # a DataFrame has two
        raise InvalidData(
            f"An encoder takes a text or many, and {quoted(texts)} is neither.",
            "Give a str or a list of them; of a DataFrame its column of texts, such as frame['text'].",
        )
    rows = [texts] if isinstance(texts, str) else list(texts)
    wrong = [row for row, text in enumerate(rows) if not isinstance(text, str)]
    if wrong:
        kind = type(rows[wrong[0]]).__name__
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise InvalidData(
            f"The text at index {wrong[0]} is not a string but {kind}{more}.",
            "Leave such rows out, or turn them into strings first.",
        )
    for row, text in enumerate(rows):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidData(
                f"The text at index {row} holds {text[error.start]!r}, half of a character.",
                "Replace it: text.encode(errors='replace').decode().",
            ) from error
    return rows


def _batches(lengths: list[int], budget: int, batch_size: int | None) -> Iterator[list[int]]:
    """Places of texts, the longest first, as many at once as the budget of padded tokens allows."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        most = batch_size or max(1, budget // lengths[batch[0] if batch else place])
        if len(batch) >= most:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _limit(config: Any, tokenizer: Any) -> int:
    """The longest text an encoder reads, in tokens, where its folder does not say."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
        positions -= 2  # their positions are counted from the padding id + 1
    return int(min(positions, tokenizer.model_max_length))
