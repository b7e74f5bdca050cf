"""What our own downloads brought, in the library: listed with what the Hub said, verified, mended, removed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_verify import flip

import influence_nb as inb
from influence_nb.errors import IntegrityError
from influence_nb.settings import settings
from influence_nb.store import records
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

NAME = "someone/model"


@pytest.fixture
def hub(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub with one model of two shards, which INFLUENCE_MIRROR names."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with LoopbackHub() as hub:
        monkeypatch.setenv("INFLUENCE_MIRROR", hub.endpoint)
        settings.cache_clear()
        hub.add(NAME, made_up(200_000, shards=2), license="mit", tags=["text-generation"])
        yield hub


def test_a_download_is_listed_as_verified_with_what_the_hub_said(hub: LoopbackHub) -> None:
    path = inb.download(NAME).path
    model = inb.library()[NAME]
    assert (model.path, model.license, model.verified, model.source) == (path, "mit", True, "hub")
    found = records.download_of(path)
    assert found is not None
    assert set(found.files) == {file.name for file in inb.plan(NAME).files}
    hub.forget()
    assert inb.library().verify(NAME).verified is True
    assert hub.log == []


@pytest.mark.parametrize("in_folder", [False, True])
def test_a_damaged_file_is_found_and_a_new_download_fetches_just_that(
    hub: LoopbackHub, tmp_path: Path, in_folder: bool
) -> None:
    where = {"output_dir": tmp_path / "out"} if in_folder else {}
    path = inb.download(NAME, **where).path
    shard = sorted(path.glob("*.safetensors"))[1]
    right = flip(shard.resolve())
    with pytest.raises(IntegrityError) as caught:
        inb.library().verify(NAME)
    assert shard.name in caught.value.message
    assert NAME not in inb.library()
    assert [one.name for one in inb.library().broken] == [NAME]
    hub.forget()
    inb.download(NAME, **where)
    assert [request.path for request in hub.requests("*/resolve/*", method="GET", host="hub")] == [
        f"/{NAME}/resolve/{inb.library()[NAME].revision}/{shard.name}"
    ]
    assert shard.read_bytes() == right
    assert inb.library().verify(NAME).verified is True
    assert [one.kind for one in inb.library().leftovers()] == ["damaged file"]
    assert inb.library().prune().bytes == len(right)


@pytest.mark.parametrize("in_folder", [False, True])
def test_what_was_fetched_is_removed_to_the_last_byte(
    hub: LoopbackHub, tmp_path: Path, in_folder: bool
) -> None:
    where = {"output_dir": tmp_path / "out"} if in_folder else {}
    path = inb.download(NAME, **where).path
    size = sum(
        file.stat().st_size for file in path.rglob("*") if file.is_file() and ".cache" not in file.parts
    )
    assert inb.library().remove(NAME) == size
    assert not path.exists()
    assert list(inb.library()) == []
    assert inb.library().broken == ()
    hub.forget()
    assert inb.download(NAME, **where).path == path
    assert inb.library().verify(NAME).verified is True


def test_a_download_that_broke_off_is_a_leftover_until_it_goes_on(hub: LoopbackHub) -> None:
    cancel = threading.Event()
    held = hub.hold("*model-00002*", at_byte=50_000)

    def watch() -> None:
        assert held.reached.wait(60)
        cancel.set()

    threading.Thread(target=watch, daemon=True).start()
    with pytest.raises(inb.errors.DownloadInterrupted):
        inb.download(NAME, cancel=cancel)
    held.release()
    assert list(inb.library()) == []
    assert "not finished" in inb.library().broken[0].reason
    kinds = {one.kind for one in inb.library().leftovers()}
    assert kinds == {"unfinished download"}
    inb.download(NAME)
    assert inb.library().leftovers() == []
    assert inb.library()[NAME].verified is True
