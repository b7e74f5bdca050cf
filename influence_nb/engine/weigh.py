"""How many bytes tensors take: a network's weights with what quantization keeps beside them, and caches.

It knows where libraries keep tensors; it does not know devices or models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence_nb.engine.loop import Network

_DEEPEST = 6
"""How far below a cache its tensors may lie."""


def weights(network: Network) -> int:
    """Bytes of the weights; bitsandbytes keeps its scales in attributes of theirs."""
    return sum(
        weight.nbytes + tensors(getattr(weight, "quant_state", None)) + tensors(getattr(weight, "SCB", None))
        for weight in network.parameters()
    )


def tensors(thing: Any, depth: int = _DEEPEST) -> int:
    """Bytes of all tensors in a value, its items and attributes; each value once."""
    return _below(thing, depth, set())


def _below(thing: Any, depth: int, seen: set[int]) -> int:
    import torch

    if depth < 0 or id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        return thing.nbytes
    if isinstance(thing, Mapping):
        inner = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        inner = list(thing)
    else:
        inner = list(getattr(thing, "__dict__", {}).values())
    return sum(_below(one, depth - 1, seen) for one in inner)
