"""KV caches that grow in place: room is taken ahead, so that a step writes its tokens and copies no others.

It knows the caches of transformers; it does not know what is run.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_AHEAD = 64
"""Tokens of room that are taken at once."""


def in_place(held: Any) -> None:
    """Let the plain layers of a cache grow in place; those that slide or hold states are left as they are.

    What such a layer hands out is no longer contiguous. Whether an architecture minds shows where several rows are
    tried (`abilities.py`), so this is for them.
    """
    from transformers.cache_utils import DynamicLayer

    for layer in getattr(held, "layers", ()):
        if type(layer) is DynamicLayer:
            layer.__class__ = _growing()


@cache
def _growing() -> Any:
    from transformers.cache_utils import DynamicLayer

    base: Any = DynamicLayer

    class GrowingLayer(base):  # type: ignore[misc]
        keys: torch.Tensor
        values: torch.Tensor
        _rooms: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **options: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            keys, values = self._rooms
            keys, self.keys = _appended(keys, self.keys, key_states)
            values, self.values = _appended(values, self.values, value_states)
            self._rooms = keys, values
            return self.keys, self.values

        def reorder_cache(self, beam_idx: torch.Tensor) -> None:
            self._rooms = None, None
            super().reorder_cache(beam_idx)

    return GrowingLayer


def _appended(
    room: torch.Tensor | None, held: torch.Tensor, new: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(the room, what of it is filled) once `new` stands after `held`, the room's beginning, or else in another."""
    here = held.shape[-2] if held.numel() else 0
    there = here + new.shape[-2]
    if room is None or room.data_ptr() != held.data_ptr() or room.shape[-2] < there:
        *outer, _, width = new.shape
        room = new.new_empty(*outer, there + _AHEAD, width)
        if here:
            room[..., :here, :] = held
    room[..., here:there, :] = new
    return room, room[..., :there, :]
