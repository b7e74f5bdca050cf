"""Encoders that run here: texts in, one float32 vector a text out, computed with transformers.

It does not know where models come from beyond asking the library, and knows nothing of maps.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool, quoted, whole
from influence_nb.embeddings.dense import load_dense
from influence_nb.embeddings.pooling import Recipe, check_pooling, pool, read_recipe
from influence_nb.embeddings.text_encoder import Part, TextEncoder
from influence_nb.embeddings.texts import batches, listed
from influence_nb.embeddings.weights import decodes, load
from influence_nb.errors import InfluenceError, InvalidData
from influence_nb.store import records
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    import torch

    from influence_nb.hub.progress import Progress

STARTER = "starter/embedding"
TOKENS_ON_CPU, TOKENS_ON_GPU = 2048, 32768
"""How many positions, padding included, go through the model at once when no batch size is given."""

MOST_TOKENS = 2**20
"""The longest text where a model says of no limit; tokenizers take no larger number."""


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
        dtype: "auto" (on a GPU what the model's files say; on a CPU bfloat16 where it computes that natively, which
            is twice as fast and whose vectors have a cosine above 0.999 to float32's, and else float32), "float32",
            "bfloat16" or "float16".
        layer: the hidden state to take, 0 (the input embeddings) to the number of layers, or negative
            from the end; None takes the model's output.
        pooling: "mean", "cls", "last" or "weighted_mean"; None takes what the model's folder says, and the mean where
            it says nothing. For a model that was made to generate text that is a guess, so a warning says it.
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
    local = find_local(model, on_progress)
    return Encoder.open(local, resolve(device), dtype, layer, pooling, trust_remote_code)


def find_local(
    model: str | Path | LocalModel | None, on_progress: Callable[[Progress], None] | None = None
) -> LocalModel:
    """The model of that name or folder; a starter is fetched where it is not here yet. Arguments as `open_encoder`."""
    from influence_nb.engine import starters
    from influence_nb.hub.starters import STARTERS
    from influence_nb.store.library import Library

    if isinstance(model, LocalModel):
        return model
    if not isinstance(model, (str, Path, NoneType)):
        raise InvalidData(
            f"{quoted(model)} is neither a model's name nor a folder.",
            f"Give a name such as {STARTER!r}, a folder, or a model of inb.library().",
        )
    name = STARTER if model is None else model
    if isinstance(name, Path) or (name not in STARTERS and os.path.isdir(name)):
        return LocalModel.from_folder(name)
    if name in STARTERS:
        starters.ready(name, on_progress)
    return Library()[name]


def opened(encoder: TextEncoder | str | Path | LocalModel | None) -> TextEncoder:
    """An encoder as it is, or the one of that name or folder; None opens `starter/embedding`."""
    return encoder if isinstance(encoder, TextEncoder) else open_encoder(encoder)


class Encoder(TextEncoder):
    """A model that turns a text into a vector. Open one with `inb.load_encoder()`.

    Attributes:
        name: the model's name in the library, or its folder's.
        dimension: the length d of a vector.
        layers: how many layers the model has; its hidden states are one more, the input embeddings first.
        max_tokens: longer texts are cut there, as the model's own settings say.
        pooling: "mean", "cls", "last" or "weighted_mean".
        pooling_stated: whether the model's folder says so; otherwise it was asked for, or is the default.
        normalize: whether vectors are scaled to length 1.
        layer: the hidden state that is taken, None for the model's output.
        prompts: what the model's folder says is put before texts, by name.
        default_prompt: the name of the one that is used where none is asked for; None for none.
        device: as torch names it, such as "cpu".
        dtype: what the weights are computed in, such as "float32"; vectors are float32 in any case.
    """

    max_tokens: int

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        *,
        name: str,
        folder: Path,
        recipe: Recipe,
        pooling: str | None,
        layer: int | None,
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._tokenizing = threading.Lock()  # a fast tokenizer refuses to change its settings while in use
        self._recipe = recipe
        self._folder = folder
        config = network.config.get_text_config()
        self.name = name
        self.max_tokens = recipe.max_tokens or _limit(config, tokenizer)
        self.pooling = pooling or recipe.pooling
        self.pooling_stated = recipe.stated and pooling is None
        self.normalize = recipe.normalize
        self.layer = layer
        self.prompts = dict(recipe.prompts)
        self.default_prompt = recipe.default_prompt
        self.dimension, self.layers = int(config.hidden_size), int(config.num_hidden_layers)
        self.device = str(network.device)
        self.dtype = str(network.dtype).removeprefix("torch.")
        self._steps: list[Callable[[torch.Tensor], torch.Tensor]] = []
        for step in recipe.steps:
            if isinstance(step, Path):
                dense, self.dimension = load_dense(step, network.device, network.dtype)
                self._steps.append(dense)
            else:
                self._steps.append(_normalized)

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
        if decodes(network.config) and pooling is None and not recipe.stated:
            warnings.warn(
                f"{name} was made to continue texts, not to compare them ({network.config.architectures[0]}), and its "
                "folder says nothing of pooling: the mean of its hidden states is taken. Say what you want by "
                "pooling='mean', 'last' or 'weighted_mean', and layer=, or choose an encoder.",
                stacklevel=3,
            )
        return cls(network, tokenizer, name=name, folder=folder, recipe=recipe, pooling=pooling, layer=layer)

    def parts(
        self, texts: list[str], prompt: str, batch_size: int | None, stopped: Callable[[], bool]
    ) -> Iterator[Part]:
        """The vectors of texts, those of a batch at a time, the longest first."""
        for batch, found, cut in self._batched(texts, [self.layer], prompt, batch_size, stopped):
            yield Part(batch, found[0], cut)

    def _batched(
        self,
        texts: list[str],
        layers: Sequence[int | None],
        prompt: str,
        batch_size: int | None,
        stopped: Callable[[], bool],
    ) -> Iterator[tuple[list[int], NDArray[np.float32], list[bool]]]:
        """The places of a batch of texts, their vectors by layer (layers, texts, d), and which were cut."""
        rows, cut = self._tokenize([prompt + text for text in texts])
        skip = 0 if self._recipe.pools_prompt or not prompt else self._prompt_tokens(prompt)
        budget = TOKENS_ON_CPU if self.device == "cpu" else TOKENS_ON_GPU
        for batch in batches([len(row) for row in rows], budget, batch_size):
            if stopped():
                return
            yield batch, self._forward([rows[i] for i in batch], layers, skip), [cut[i] for i in batch]

    def facts(self) -> dict[str, Any]:
        """What a text's vector depends on beside the text and the prompt: the files of the model, and how it is run.

        Raises:
            OSError: a file of the model cannot be read.
        """
        return {
            "model": self.name,
            "files": self._sum,
            "layer": self.layer,
            "pooling": self.pooling,
            "normalize": self.normalize,
            "max_tokens": self.max_tokens,
            "dtype": self.dtype,
        }

    @cached_property
    def _sum(self) -> str:
        """One checksum of all files that decide what the model says; each is read once, and its sum remembered."""
        sums = sorted(records.hashes(self._folder).items())
        for step in self._recipe.steps:
            sums += sorted(records.hashes(step).items()) if isinstance(step, Path) else [(step, "")]
        return hashlib.sha256(
            repr((sums, self._recipe.lowercase, self._recipe.pools_prompt)).encode()
        ).hexdigest()

    def encode_layers(
        self,
        texts: str | Sequence[str],
        layers: Iterable[int] | None = None,
        batch_size: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
        """One vector a text and layer, all of them from one pass: what `encode` gives with `layer` set to each.

        Args:
            texts: one text or many.
            layers: hidden states, 0 (the input embeddings) to `layers`, or negative from the end; None takes all.
            batch_size, on_progress, cancel: as `encode`'s.

        Returns:
            float32 of shape (number of layers, n, d), in the order asked for.

        Raises:
            InvalidData: no such layer; otherwise as `encode`.
        """
        if batch_size is not None:
            batch_size = whole("batch_size", batch_size, 1)
        chosen, rows = self._chosen(range(self.layers + 1) if layers is None else layers), listed(texts)
        vectors = np.zeros((len(chosen), len(rows), self.dimension), np.float32)
        done = 0
        for batch, found, _ in self._batched(
            rows, chosen, self.prompt_text(None), batch_size, lambda: cancel is not None and cancel.is_set()
        ):
            vectors[:, batch] = found
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(rows))
        if done < len(rows):
            raise InfluenceError(f"Encoding was stopped after {done} of {len(rows)} texts.", "Start again.")
        return vectors

    def _chosen(self, layers: Iterable[int]) -> list[int]:
        asked = list(layers) if isinstance(layers, Iterable) else []
        if not asked:
            raise InvalidData(f"layers={quoted(layers)} is no list of layers.", "Give some: [0, 3].")
        return [whole("layer", layer, -self.layers - 1, self.layers) for layer in asked]

    def token_counts(self, texts: str | Sequence[str]) -> list[int]:
        """How many tokens each text has, special ones included; of those past `max_tokens` `encode` reads nothing.

        Raises:
            InvalidData: as `encode`.
        """
        rows = listed(texts)
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

    def _tokenize(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        """Token ids of each text, cut at the limit, and whether it was cut."""
        if not texts:
            return [], []
        if self._recipe.lowercase:
            texts = [text.lower() for text in texts]
        with self._tokenizing:
            rows = self._tokenizer(texts, truncation=True, max_length=self.max_tokens)["input_ids"]
            full = [place for place, row in enumerate(rows) if len(row) >= self.max_tokens]
            whole = self._tokenizer([texts[i] for i in full], verbose=False)["input_ids"] if full else []
        cut = {place for place, row in zip(full, whole, strict=True) if len(row) > self.max_tokens}
        return [row or [self._tokenizer.pad_token_id] for row in rows], [i in cut for i in range(len(rows))]

    def _prompt_tokens(self, prompt: str) -> int:
        """How many tokens of a row are the prompt's, those that the tokenizer puts before it included."""
        ids = self._tokenize([prompt])[0][0]
        return len(ids) - (ids[-1] in self._tokenizer.all_special_ids)

    def _forward(self, rows: list[list[int]], layers: Sequence[int | None], skip: int) -> NDArray[np.float32]:
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
            deep = any(layer is not None for layer in layers)
            output = network(input_ids=ids, attention_mask=mask, output_hidden_states=deep)
            found = []
            for layer in layers:
                hidden = output.last_hidden_state if layer is None else output.hidden_states[layer]
                vectors = pool(hidden, mask, self.pooling, skip)
                for step in self._steps:
                    vectors = step(vectors)
                found.append(vectors)
            return cast(NDArray[np.float32], torch.stack(found).cpu().numpy())


def _normalized(vectors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.normalize(vectors, dim=1)


def _limit(config: Any, tokenizer: Any) -> int:
    """The longest text an encoder reads, in tokens, where its folder does not say."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
        positions -= 2  # their positions are counted from the padding id + 1
    return int(min(positions, tokenizer.model_max_length, MOST_TOKENS))
