"""What was read of a model without reading its weights, and the shape that it amounts to.

It does not know where it was read: `hub.headers` asks a hub, `store.heads` a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from influence_nb.memory.gguf import GGUFHeader
from influence_nb.memory.shape import ModelShape, is_tied, layers_run
from influence_nb.memory.weights import ITEMSIZES, Tensor, Weights

Complete = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Fills in what a config leaves out, such as `engine.configs.completed`."""

_LETTERS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class Headers:
    """What a model's files say of themselves.

    Attributes:
        config: config.json; empty for a bare GGUF.
        tensors: of safetensors files, all parts together.
        ggufs: headers of GGUF files, the first part first.
        pickled: bytes of weight files that do not say what is in them.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    tensors: tuple[Tensor, ...] = ()
    ggufs: tuple[GGUFHeader, ...] = ()
    pickled: int = 0

    def shape(self, complete: Complete = lambda config: config) -> ModelShape:
        """The model's shape; `complete` fills in what its config leaves out."""
        if not self.tensors and self.ggufs:
            return ModelShape.from_gguf(*self.ggufs)
        config = complete(self.config)
        if self.tensors:
            return ModelShape.from_config(
                config, Weights.of(self.tensors, is_tied(config), layers_run(config))
            )
        if not self.pickled:
            return ModelShape.from_config(config)
        dtype = ModelShape.from_config(config).dtype or "float32"
        return ModelShape.from_config(config, {_LETTERS[dtype]: self.pickled // ITEMSIZES[dtype]})
