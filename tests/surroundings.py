"""What notebooks and examples find around them: a Hub and a model's server on this machine, a home with the starters.

Whatever they fetch or record goes with the folder. It does not know what they do.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from influence_nb.settings import settings
from tests.chat_server import ChatServer
from tests.loopback import LoopbackHub
from tests.loopback.models import stock

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
CHAT = "tiny/llama-chat"


@contextmanager
def surroundings() -> Iterator[LoopbackHub]:
    """The environment of this process, and of kernels it starts, points to a Hub with two models until the end."""
    models = settings().home / "models"
    temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with temporary as folder, LoopbackHub() as hub, ChatServer() as server:
        _fill(hub, models / "starter" / "embedding")
        home = Path(folder) / "home"
        home.mkdir()
        (home / "models").symlink_to(models, target_is_directory=True)
        around = {
            "INFLUENCE_HOME": str(home),
            "INFLUENCE_MIRROR": hub.endpoint,
            "HF_HUB_CACHE": str(Path(folder) / "hub"),
            "SERVER": server.url,
        }
        from huggingface_hub import constants

        with (
            mock.patch.dict(os.environ, around),
            mock.patch.object(constants, "HF_HUB_CACHE", around["HF_HUB_CACHE"]),
        ):
            settings.cache_clear()
            try:
                yield hub
            finally:
                settings.cache_clear()


def _fill(hub: LoopbackHub, encoder: Path) -> None:
    """The starter encoder's files are the published ones, so they stand under the published name."""
    stock(hub)
    files = {
        path.relative_to(encoder).as_posix(): path.read_bytes()
        for path in sorted(encoder.rglob("*"))
        if path.is_file()
    }
    about = {"task": "sentence-similarity", "library": "sentence-transformers", "license": "apache-2.0"}
    hub.add(
        ENCODER, files, **about, downloads=100_000_000, likes=4_000
    )  # of the real ones' order of magnitude
