"""How long models stay: which is in use, which has been idle long enough, and which go when room is needed.

It knows the list of loaded models and their devices' memory; it does not know how a model loads or what runs it.
"""

from __future__ import annotations

import atexit
import logging
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influence_nb.arguments import quoted
from influence_nb.engine import device as devices
from influence_nb.engine import registry
from influence_nb.errors import InvalidData, OutOfMemory
from influence_nb.memory.report import gb
from influence_nb.settings import settings

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

KeepAlive = float | str | None

clock = time.monotonic
"""What idleness is measured by, in seconds."""

_back: ContextVar[bool] = ContextVar("_back", default=False)

_UNITS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)\s*")
_LONGEST_NAP = 3600.0
_FOR_EVER = 1e12


def seconds(keep_alive: KeepAlive) -> float | None:
    """What was asked for, in seconds: None until room is needed, `math.inf` for ever.

    Args:
        keep_alive: None; a number of seconds; or text such as "90s", "5m", "1h", "2d"; below 0 is for ever.

    Raises:
        InvalidData: anything else.
    """
    if keep_alive is None:
        return None
    value = math.nan
    if isinstance(keep_alive, int | float) and not isinstance(keep_alive, bool):
        value = math.inf if keep_alive > _FOR_EVER else float(keep_alive)
    elif isinstance(keep_alive, str) and (found := _SPAN.fullmatch(keep_alive)):
        value = float(found[1]) * _UNITS[found[2]]
    if math.isnan(value):
        raise InvalidData(
            f"keep_alive={quoted(keep_alive)} is not a time that a model can stay.",
            'Give seconds, or text such as "30s", "5m", "1h"; 0 unloads it after a call, -1 never, None when room is '
            "needed.",
        )
    return math.inf if value < 0 else value


class Use:
    """Who uses one model: how many calls are running, since when none is, and how long it may stay so.

    Attributes:
        keep_alive: seconds, see `seconds`.
        last_used: when a call last began or ended, or it was loaded or handed out; UTC.
        closing: set once the model is going; from then on no call begins.
        left: whether it went by itself: it was idle for as long as it may be, or another needed its room.
    """

    def __init__(self) -> None:
        self.keep_alive: float | None = None
        self.closing = threading.Event()
        self.left = False
        self._lock = threading.Lock()
        self._running = 0
        self.renew()

    def renew(self) -> None:
        """It has just been loaded: no call was made yet."""
        self._served = False
        self._stamp()

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits for its turn."""
        return self._running > 0

    @property
    def idle_since(self) -> float:
        """By `clock`."""
        return self._since

    def touch(self) -> bool:
        """It is handed out again; False where it is going already."""
        with self._lock:
            if self.closing.is_set():
                return False
            self._stamp()
            return True

    def begin(self) -> bool:
        """A call begins, and the model stays until `end`; False where it is going already."""
        with self._lock:
            if self.closing.is_set():
                return False
            self._running += 1
            self._stamp()
            return True

    def end(self) -> None:
        """That call has ended."""
        with self._lock:
            self._running -= 1
            self._served = True
            self._stamp()
        _changed.set()

    def claim(self, leaves: bool = False) -> bool:
        """Let the model go unless it is in use, or is going already; whether it was claimed.

        Args:
            leaves: whether it goes by itself (`left`), and not because somebody said so.
        """
        with self._lock:
            if self._running or self.closing.is_set():
                return False
            self.left = leaves
            self.closing.set()
            return True

    def due(self) -> float | None:
        """When by `clock` it has been idle for long enough; None where that does not count now.

        One that is not to wait at all goes after the first call, or it could not be used.
        """
        with self._lock:
            if self.keep_alive is None or self._running or self.closing.is_set():
                return None
            if self.keep_alive == math.inf or (self.keep_alive == 0 and not self._served):
                return None
            return self._since + self.keep_alive

    def _stamp(self) -> None:
        self.last_used = datetime.now(UTC)
        self._since = clock()


def admit(model: Model, keep_alive: float | None = None) -> None:
    """Put a model that has just been loaded on the list, to stay as long as that."""
    model.use.renew()
    keep(model, keep_alive)
    registry.add(model)
    _changed.set()


@contextmanager
def coming_back() -> Iterator[None]:
    """What is loaded inside was there before and went by itself: nobody has chosen it anew."""
    before = _back.set(True)
    try:
        yield
    finally:
        _back.reset(before)


def comes_back() -> bool:
    """Whether this thread loads a model that went by itself; to be asked by who hears that the list has changed."""
    return _back.get()


def keep(model: Model, keep_alive: float | None) -> None:
    """Let a model stay as long as that from now on."""
    model.use.keep_alive = keep_alive
    if keep_alive is not None and keep_alive != math.inf:
        _begin_watching()
    _changed.set()


def sweep() -> float | None:
    """Unload the models that have been idle for long enough; seconds until the next will have been, None for none."""
    naps = []
    for model in registry.loaded():
        due = model.use.due()
        if due is None:
            continue
        if (left := due - clock()) > 0:
            naps.append(left)
        elif model.use.claim(leaves=True):
            model.unload()
    return min(naps, default=None)


def make_room(device: str, needed: int) -> list[Model]:
    """Unload idle models from a device, the one unused for longest first, until so many bytes are free.

    Models in use and pinned ones (`keep_alive` of `math.inf`) stay. Where the device itself has no room, loading is
    tried all the same: `needed` is an estimate.

    Args:
        device: such as "cuda:0".
        needed: bytes that are wanted.

    Returns:
        The models that went.

    Raises:
        OutOfMemory: INFLUENCE_MEMORY_BUDGET leaves no room beside those that stay.
    """
    gone: list[Model] = []
    while room(device) < needed:
        idle = [model for model in registry.loaded() if _may_go(model, device)]
        idle.sort(key=lambda model: model.use.idle_since)
        claimed = next((model for model in idle if model.use.claim(leaves=True)), None)
        if claimed is None:
            break
        claimed.unload()
        gone.append(claimed)
    left = _within_budget(device)
    if left is not None and left < needed:
        staying = ", ".join(model.name for model in registry.loaded() if device in model.devices)
        raise OutOfMemory(
            f"The model takes some {gb(needed)}; INFLUENCE_MEMORY_BUDGET leaves {gb(max(0, left))} on {device}.",
            (f"In use or pinned: {staying}. Unload one, or " if staying else "Choose a smaller model, or ")
            + "raise INFLUENCE_MEMORY_BUDGET.",
        )
    return gone


def room(device: str) -> int:
    """Bytes that another model may take on a device: what is free there, and within INFLUENCE_MEMORY_BUDGET."""
    free, left = devices.budget(device).free, _within_budget(device)
    return free if left is None else min(free, left)


def _within_budget(device: str) -> int | None:
    limit = settings().memory_budget
    if limit is None:
        return None
    return limit - sum(model.memory for model in registry.loaded() if device in model.devices)


def _may_go(model: Model, device: str) -> bool:
    return device in model.devices and model.memory > 0 and model.use.keep_alive != math.inf


# -- the thread that looks --------------------------------------------------------------------------------------------

_changed = threading.Event()
_ending = threading.Event()
_beginning = threading.Lock()
_watcher: threading.Thread | None = None


def _begin_watching() -> None:
    global _watcher
    with _beginning:
        if _watcher is None or not _watcher.is_alive():  # a forked process has none
            _watcher = threading.Thread(target=_watch, name="influence keeping", daemon=True)
            _watcher.start()


def _watch() -> None:
    while True:
        _changed.clear()  # before looking, so that what changes meanwhile is looked at again
        if _ending.is_set():
            return
        nap: float | None = None
        try:
            nap = sweep()
        except Exception:  # one model that cannot be unloaded must not keep the others
            logging.getLogger(__name__).exception("an idle model could not be unloaded")
            nap = 60.0
        _changed.wait(_LONGEST_NAP if nap is None else min(nap, _LONGEST_NAP))


@atexit.register
def _end() -> None:
    """Let nothing compute while Python ends: threads that are in torch then abort the process."""
    _ending.set()
    _changed.set()
    if _watcher is not None:
        _watcher.join()  # it may be unloading a model
    for model in registry.loaded():
        model.unload()


@contextmanager
def in_use(model: Model) -> Iterator[None]:
    """Keep a model in memory for a call.

    Raises:
        CapabilityMissing: it was unloaded.
    """
    if not model.use.begin():
        raise model.unloaded()
    try:
        yield
    finally:
        model.use.end()
