"""`Resident`: what is in memory under a name, who uses it, how long it stays, and how it goes.

It does not know what can be asked of it (`model.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from influence_nb.engine import keeping, registry
from influence_nb.errors import CapabilityMissing, InvalidData
from influence_nb.memory.report import gb

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.store.models import LocalModel


class Resident(ABC):
    """A model's life in memory; its attributes are told at `Model`."""

    def __init__(self, name: str, local: LocalModel | None, device: str, dtype: str) -> None:
        self.name = name
        self.local = local
        self.device = device
        self.dtype = dtype
        self.load_seconds = 0.0
        self.memory_peak = 0
        self.forwards = 0
        self.quantization: str | None = None
        self.devices: tuple[str, ...] = (device,)
        self.use = keeping.Use()
        self.arguments: dict[str, Any] = {"model": name}
        self._closing = self.use.closing

    def answers_to(self, local: LocalModel, device: str, dtype: str, quantization: str | None = None) -> bool:
        """Whether loading `local` so would only make a second copy of this model."""
        mine = self.local
        same = mine is not None and (mine.path, mine.revision) == (local.path, local.revision)
        return (
            same
            and device in ("auto", self.device, self.device.partition(":")[0])
            and dtype in ("auto", self.dtype)
            and (quantization or local.quantization) == self.quantization
        )

    @property
    def memory(self) -> int:
        """Bytes that it holds on its devices while nothing runs: weights, and the KV caches of sessions."""
        return 0

    @property
    def last_used(self) -> datetime:
        """When it was last asked for something, gave an answer or was loaded; UTC."""
        return self.use.last_used

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits for its turn."""
        return self.use.is_busy

    @property
    def keep_alive(self) -> float | None:
        """Seconds that it may be idle before it is unloaded; None until room is needed, `math.inf` for ever.

        Can be set, to all that `keep_alive` of `influence_nb.load` may be.

        Raises:
            InvalidData: set to anything else, or the model is on a server.
            CapabilityMissing: set once the model was unloaded.
        """
        return self.use.keep_alive

    @keep_alive.setter
    def keep_alive(self, keep_alive: keeping.KeepAlive) -> None:
        stay = keeping.seconds(keep_alive)
        self._check_loaded()
        if self.local is None:
            raise InvalidData(
                "keep_alive cannot be chosen for a model on a server.", "Leave it out: the server has chosen."
            )
        keeping.keep(cast("Model", self), stay)

    @property
    @abstractmethod
    def is_loaded(self) -> bool:
        """False once `unload` was called."""

    def unload(self) -> None:
        """Stop what is running and give the memory back. Calling it again does nothing."""
        self._closing.set()
        registry.remove(cast("Model", self))
        self._give_back()
        registry.tell()

    @abstractmethod
    def _give_back(self) -> None:
        """Wait for what is running, which sees `_closing`, and let go of all memory."""

    def __repr__(self) -> str:
        if not self.is_loaded:
            return f"Model({self.name!r}, unloaded)"
        packed = f", {self.quantization}" if self.quantization not in (None, self.dtype) else ""
        used = self.last_used.astimezone()
        when = f"{used:%H:%M:%S}" if used.date() == datetime.now().date() else f"{used:%Y-%m-%d %H:%M}"
        return f"Model({self.name!r}, {self.device}, {self.dtype}{packed}, {gb(self.memory)}, used {when})"

    def unloaded(self) -> CapabilityMissing:
        """What is said to whoever asks it for something after `unload`."""
        first, *rest = self.arguments.items()
        again = ", ".join([repr(first[1]), *(f"{name}={value!r}" for name, value in rest)])
        return CapabilityMissing(f"{self.name} was unloaded.", f"Load it again: inb.load({again}).")

    def _check_loaded(self) -> None:
        if not self.is_loaded:
            raise self.unloaded()
