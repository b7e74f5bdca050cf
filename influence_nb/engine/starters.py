"""A starter as it is run: fetched, and its weights unpacked, once.

It does not know libraries of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from influence_nb.engine.convert import gguf_to_safetensors
from influence_nb.hub import starters
from influence_nb.hub.progress import Meter, OnProgress


def ready(name: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None) -> Path:
    """The folder of a starter, fetched and unpacked where it is not yet.

    Args:
        name: "starter/chat" or "starter/embedding".
        on_progress: called with a `Progress` now and then; not at all when nothing is to be done.
        cancel: set it from another thread to give the fetching up.

    Raises:
        InfluenceError: as `hub.starters.fetch`.
        BrokenModel: the weights cannot be unpacked.
    """
    folder = starters.fetch(name, on_progress, cancel)
    for gguf in folder.glob("*.gguf"):
        gguf_to_safetensors(gguf, folder / "safetensors", _converting(gguf, on_progress))
    return folder


def _converting(gguf: Path, on_progress: OnProgress | None) -> Callable[[float], None] | None:
    """Tells of an unpacking the way a fetch is told of: in bytes of the file."""
    if on_progress is None:
        return None
    meter = Meter(gguf.stat().st_size, on_progress)

    def tell(share: float) -> None:
        done = int(share * meter.all_total)
        meter.tell("convert", gguf.name, done, meter.all_total, done)

    return tell
