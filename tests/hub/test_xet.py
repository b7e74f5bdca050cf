"""Xet as an option: huggingface_hub fetches, we check, and plain HTTP stays in use where there is no Xet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import file_download
from on_disk import NAME, contents

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, IntegrityError
from influence_nb.settings import settings
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up


@pytest.fixture(autouse=True)
def files(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A model, and the wish for Xet."""
    monkeypatch.setenv("INFLUENCE_XET", "1")
    monkeypatch.setattr("huggingface_hub.utils._runtime.is_xet_available", lambda: True)
    monkeypatch.setattr(file_download, "is_xet_available", lambda: True)
    settings.cache_clear()
    files = made_up()
    hub.add(NAME, files)
    return files


def keep_by_xet(
    hub: LoopbackHub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, brings: Any
) -> None:
    """The hub says that it keeps the weights by Xet; Xet's client is one that brings what the test wants."""
    plan = inb.plan(NAME)
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    headers = {
        "X-Repo-Commit": plan.commit,
        "X-Linked-Etag": f'"{weights.sha256}"',
        "X-Linked-Size": str(weights.size),
        "Location": f"{hub.cdn}/nothing",
        "X-Xet-Hash": "ab" * 32,
        "X-Xet-Refresh-Route": f"{hub.endpoint}/refresh",
    }
    hub.fault("*/model.safetensors", "status", times=99, method="HEAD", code=302, headers=headers)

    def xet_get(*, incomplete_path: Path, tqdm_class: Any, **_: Any) -> None:
        with tqdm_class(total=weights.size, desc="x: reconstructing file") as bar:
            data = brings(files["model.safetensors"])
            incomplete_path.write_bytes(data)
            bar.update(len(data))

    monkeypatch.setattr(file_download, "xet_get", xet_get)


def test_a_hub_without_xet_is_asked_by_plain_http(hub: LoopbackHub, files: dict[str, bytes]) -> None:
    assert contents(inb.download(NAME).path) == files
    assert len(hub.requests("*/model.safetensors", host="cdn")) == 1


@pytest.mark.parametrize("in_a_folder", [False, True])
def test_what_xet_brings_is_checked_and_counted(
    hub: LoopbackHub,
    files: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_a_folder: bool,
) -> None:
    keep_by_xet(hub, files, monkeypatch, lambda data: data)
    told: list[int] = []
    output_dir = tmp_path / "mine" if in_a_folder else None

    model = inb.download(
        NAME, output_dir=output_dir, on_progress=lambda progress: told.append(progress.all_done)
    )

    assert contents(model.path) == files
    assert told[-1] == sum(map(len, files.values()))
    assert not hub.requests("*/model.safetensors", host="cdn")


def test_wrong_bytes_by_xet_are_refused_and_not_kept(
    hub: LoopbackHub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_by_xet(hub, files, monkeypatch, lambda data: data[:-1] + b"x")

    with pytest.raises(IntegrityError, match="Xet") as caught:
        inb.download(NAME)

    assert "INFLUENCE_XET" in caught.value.hint
    assert not (inb.plan(NAME).folder / "model.safetensors").exists()
    monkeypatch.setenv("INFLUENCE_XET", "0")
    settings.cache_clear()
    assert contents(inb.download(NAME).path) == files


def test_a_failure_of_xets_client_is_told_as_an_interruption(
    hub: LoopbackHub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes) -> bytes:
        raise RuntimeError("Data processing error")

    keep_by_xet(hub, files, monkeypatch, fail)
    with pytest.raises(DownloadInterrupted, match="Data processing error") as caught:
        inb.download(NAME)
    assert "plain HTTP" in caught.value.hint
