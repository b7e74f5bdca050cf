"""The real huggingface_hub client, pointed at a loopback Hub: small chunks, a cache of its own, no waiting."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi, constants, file_download, hf_hub_download, snapshot_download
from huggingface_hub.utils import _http, close_session

from tests.loopback import LoopbackHub, models

CHUNK = 1 << 16
WEIGHTS = models.noise(300_000)
FILES = {"config.json": b"{}", "sub/model.safetensors": WEIGHTS}
NAME = "sub/model.safetensors"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class Client:
    """The real client, pointed at one hub and one cache, with what it waited."""

    def __init__(self, hub: LoopbackHub, cache: Path, waits: list[float]) -> None:
        self.hub, self.cache, self.waits = hub, cache, waits
        self.api = HfApi(endpoint=hub.endpoint, token=False)
        self.repo = cache / "models--lab--one"

    def snapshot(self, repo_id: str = "lab/one", **more: Any) -> Path:
        place = {} if "local_dir" in more else {"cache_dir": self.cache}
        asked = {"endpoint": self.hub.endpoint, "token": False, **place, **more}
        return Path(snapshot_download(repo_id, **asked))

    def download(self, name: str = NAME, **more: Any) -> Path:
        place = {"cache_dir": self.cache, "endpoint": self.hub.endpoint, "token": False}
        return Path(hf_hub_download("lab/one", name, **{**place, **more}))

    def ranges(self) -> list[tuple[int | None, int | None] | None]:
        return [request.range for request in self.hub.requests(host="cdn")]

    def leftovers(self) -> list[Path]:
        return list(self.cache.rglob("*.incomplete"))


@contextmanager
def real_client(cache: Path) -> Iterator[Client]:
    """The client and a hub that holds `FILES` as lab/one; what the client would wait is noted instead."""
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, time=time.time, monotonic=time.monotonic)
    with LoopbackHub() as hub, pytest.MonkeyPatch.context() as patch:
        hub.add("lab/one", FILES)
        patch.setattr(file_download, "time", clock)
        patch.setattr(_http, "time", clock)
        patch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
        patch.setenv("NO_PROXY", "127.0.0.1")
        close_session()
        yield Client(hub, cache, waits)
        close_session()
