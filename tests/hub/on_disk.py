"""What the tests of downloads share: a model's name, what lies on the disk, and waiting until something does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from influence_nb.hub.places import size_of
from tests.loopback import LoopbackHub

NAME = "someone/model"
WEIGHTS = "*/model.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a model's folder, without what huggingface_hub keeps beside them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def partials(folder: Path) -> list[Path]:
    """Half-done files anywhere below; folders may come and go meanwhile."""
    return [
        Path(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.endswith(".incomplete")
    ]


def asked_from(hub: LoopbackHub) -> list[int]:
    """Where each request for the weights' bytes began."""
    return [(request.range or (0, None))[0] or 0 for request in hub.requests(WEIGHTS, host="cdn")]


def wait_for_bytes(place: Path, count: int) -> None:
    """Until so many bytes of what the hub has sent are on the disk."""
    _until(lambda: any((size_of(path) or 0) >= count for path in partials(place)))


def wait_for_small_files(folder: Path, files: dict[str, bytes]) -> None:
    """Until all files but one, the weights, are there."""
    _until(lambda: sum((folder / name).exists() for name in files) >= len(files) - 1)


def _until(there: Callable[[], bool]) -> None:
    pause = threading.Event()  # never set
    for _ in range(6000):
        if there():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come")
