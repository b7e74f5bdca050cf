"""Which models are loaded: one list that every surface shares, and word to whoever wants it when that changes.

It does not know how models load.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

_lock = threading.RLock()
_models: list[Model] = []
_listeners: list[Callable[[], None]] = []


def loaded() -> list[Model]:
    """The loaded models, the one loaded last at the end."""
    with _lock:
        return list(_models)


def named(name: str) -> Model | None:
    """The loaded model of that name, of several the one loaded last; None where there is none."""
    return next((model for model in reversed(loaded()) if model.name == name), None)


def add(model: Model) -> None:
    """Put a model on the list."""
    with _lock:
        _models.append(model)
    tell()


def remove(model: Model) -> None:
    """Take a model off the list, if it is on it."""
    with _lock:
        if model not in _models:
            return
        _models.remove(model)
    tell()


def subscribe(listener: Callable[[], None]) -> Callable[[], None]:
    """Call `listener` (from any thread) after each change of the list or of the memory; returns what ends that."""
    with _lock:
        _listeners.append(listener)

    def unsubscribe() -> None:
        with _lock:
            if listener in _listeners:
                _listeners.remove(listener)

    return unsubscribe


def tell() -> None:
    """Call the listeners: the list has changed, or an unloaded model has given its memory back."""
    with _lock:
        listeners = list(_listeners)
    for listener in listeners:
        try:
            listener()
        except Exception:  # one that fails must not keep the others, or the load itself, from ending well
            logging.getLogger(__name__).exception("a listener to the loaded models failed")
