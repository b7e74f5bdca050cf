"""What our code takes for granted about huggingface_hub: an upgrade that changes it fails here.

Each test drives the real client against the loopback Hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import (
    file_download,
    get_hf_file_metadata,
    hf_hub_url,
    scan_cache_dir,
    set_client_factory,
    snapshot_download,
)
from huggingface_hub.utils import _http, get_session, tqdm
from real_client import CHUNK, FILES, NAME, SHA256, WEIGHTS, Client, real_client

from tests.loopback import models


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with real_client(tmp_path / "cache") as client:
        yield client


def test_a_snapshot_lies_in_blobs_named_by_hash_and_links_to_them(client: Client) -> None:
    folder = client.snapshot()
    commit = client.hub.repos["lab/one"].branches["main"]
    assert folder == client.repo / "snapshots" / commit
    assert {path.name for path in (client.repo / "blobs").iterdir()} == {
        SHA256,
        "9e26dfeeb6e641a33dae4961196235bdb965b21b",
    }
    assert os.readlink(folder / NAME) == f"../../../blobs/{SHA256}"
    assert (client.repo / "refs" / "main").read_text() == commit
    assert (folder / NAME).read_bytes() == WEIGHTS
    assert file_download.repo_folder_name(repo_id="lab/one", repo_type="model") == client.repo.name


def test_a_whole_snapshot_pinned_to_a_commit_asks_for_nothing(client: Client) -> None:
    folder = client.snapshot()
    client.hub.forget()
    assert client.snapshot(revision=folder.name) == folder
    assert client.hub.log == []


def test_a_blob_put_in_place_is_linked_and_not_fetched(client: Client) -> None:
    blob = client.repo / "blobs" / SHA256
    blob.parent.mkdir(parents=True)
    blob.write_bytes(WEIGHTS)
    assert (client.snapshot() / NAME).resolve() == blob
    assert client.hub.requests(host="cdn") == []


def test_the_client_links_as_we_do(client: Client) -> None:
    blob, link = client.repo / "blobs" / "x", client.repo / "snapshots" / "c" / "name"
    blob.parent.mkdir(parents=True)
    link.parent.mkdir(parents=True)
    blob.write_bytes(b"x")
    file_download._create_symlink(str(blob), str(link), new_blob=True)
    assert os.readlink(link) == "../../blobs/x"


def test_the_api_tells_sizes_hashes_refs_and_parameters(client: Client) -> None:
    commit = client.hub.add("lab/real", models.made_up(40_000, shards=2), tags=["custom"], gated="auto")
    client.hub.tag("lab/real", "v1")
    info = client.api.model_info("lab/real", files_metadata=True)
    weights = next(one for one in info.siblings or [] if one.rfilename == "model-00001-of-00002.safetensors")
    held = client.hub.repos["lab/real"].commits[commit].files[weights.rfilename]
    assert weights.lfs is not None
    assert (weights.size, weights.lfs.sha256, weights.blob_id) == (len(held.data), held.sha256, held.blob_id)
    assert (info.sha, info.gated, info.tags and "custom" in info.tags) == (commit, "auto", True)
    assert info.safetensors is not None
    assert info.safetensors.parameters == {"BF16": 20_000}
    tree = {entry.path: entry for entry in client.api.list_repo_tree("lab/real", recursive=True)}
    assert tree[weights.rfilename].lfs.sha256 == held.sha256
    refs = client.api.list_repo_refs("lab/real")
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", commit)]
    assert client.api.get_paths_info("lab/real", "config.json")[0].path == "config.json"


def test_a_shards_parameters_come_from_one_request_for_its_beginning(client: Client) -> None:
    client.hub.add("lab/real", models.made_up(400_000, shards=2))
    metadata = client.api.parse_safetensors_file_metadata("lab/real", "model-00002-of-00002.safetensors")
    assert metadata.parameter_count == {"BF16": 100_000}
    assert client.ranges() == [(0, 100_000)]
    assert client.api.get_safetensors_metadata("lab/real").parameter_count == {"BF16": 200_000}


def test_a_list_of_models_goes_on_over_pages_and_stops_at_its_limit(client: Client) -> None:
    client.hub.page_size = 2
    for n in range(6):
        client.hub.add(f"lab/model-{n}", {"config.json": b"{}"}, downloads=n, parameters={"F32": 10**9})
    found = client.api.list_models(
        search="model",
        filter=["license:apache-2.0", "safetensors"],
        num_parameters="min:500M,max:2B",
        gated=False,
        sort="downloads",
        limit=5,
        expand=["safetensors", "gated", "downloads", "usedStorage", "lastModified"],
    )
    assert [one.downloads for one in found] == [5, 4, 3, 2, 1]
    asked = client.hub.requests("/api/models")
    assert len(asked) == 3
    assert asked[0].query["gated"] == ["false"]
    assert asked[0].query["expand"][:2] == ["safetensors", "gated"]


def test_metadata_of_one_file_tells_its_hash_size_commit_and_where_it_is(client: Client) -> None:
    url = hf_hub_url("lab/one", NAME, endpoint=client.hub.endpoint)
    said = get_hf_file_metadata(url, token=False)
    assert (said.etag, said.size) == (SHA256, 300_000)
    assert said.commit_hash == client.hub.repos["lab/one"].branches["main"]
    assert said.location.startswith(client.hub.cdn)


def test_small_files_behind_a_redirect_and_compressed_come_whole(client: Client) -> None:
    client.hub.resolve_cache = client.hub.compress = True
    assert client.download("config.json").read_bytes() == b"{}"


def test_a_dry_run_says_what_would_come(client: Client) -> None:
    client.download("config.json")
    plan = snapshot_download(
        "lab/one", cache_dir=client.cache, endpoint=client.hub.endpoint, token=False, dry_run=True
    )
    assert {one.filename: (one.file_size, one.is_cached, one.will_download) for one in plan} == {
        "config.json": (2, True, False),
        NAME: (300_000, False, True),
    }


def test_a_files_progress_comes_chunk_by_chunk(client: Client) -> None:
    updates: list[float | None] = []

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            updates.append(n)
            return super().update(n)

    client.download(tqdm_class=Bar)
    assert sum(n or 0 for n in updates) == 300_000
    assert max(n or 0 for n in updates) == CHUNK


def test_an_error_raised_in_a_progress_bar_ends_the_download(client: Client) -> None:
    class Enough(Exception):
        pass

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise Enough

    with pytest.raises(Enough):
        client.download(tqdm_class=Bar)
    assert client.leftovers() == []


def test_one_client_factory_serves_the_api_the_hub_and_the_cdn(client: Client) -> None:
    ordinary = _http._GLOBAL_CLIENT_FACTORY
    sent: list[httpx2.URL] = []
    hops: list[str] = []

    def factory() -> httpx2.Client:
        made = ordinary()
        send = made.send

        def counted(request: httpx2.Request, **more: Any) -> httpx2.Response:
            sent.append(request.url)
            return send(request, **more)

        made.event_hooks = {"request": [lambda request: hops.append(str(request.url))]}
        made.__dict__["send"] = counted
        return made

    set_client_factory(factory)
    try:
        client.api.model_info("lab/one")
        client.download()
        url = hf_hub_url("lab/one", NAME, endpoint=client.hub.endpoint)
        assert get_session().get(url).content == WEIGHTS
    finally:
        set_client_factory(ordinary)
    assert len(sent) == 4  # model_info, HEAD, the body, and one that is redirected
    assert len(hops) == 5
    assert len(client.hub.log) == 5


def test_a_renamed_repository_is_followed(client: Client) -> None:
    client.hub.rename("lab/one", "lab/two")
    assert client.api.model_info("lab/one").id == "lab/two"
    assert client.download().read_bytes() == WEIGHTS


def test_a_token_goes_to_the_hub_and_not_to_the_cdn(client: Client) -> None:
    client.hub.add("lab/one", FILES, gated="manual")
    client.snapshot(token="good")
    get_session().get(
        hf_hub_url("lab/one", NAME, endpoint=client.hub.endpoint), headers={"Authorization": "Bearer good"}
    )
    assert {request.token for request in client.hub.requests(host="cdn")} == {None}
    assert {request.token for request in client.hub.requests(host="hub")} == {"good"}


def test_deleting_a_revision_frees_its_blobs_and_keeps_shared_ones(client: Client) -> None:
    first = client.snapshot().name
    client.hub.add("lab/one", {**FILES, "config.json": b"[]"})
    second = client.snapshot().name
    client.repo.joinpath("blobs", f"{'0' * 64}.12345678.incomplete").write_bytes(b"left over")
    scan = scan_cache_dir(client.cache)
    assert [file.size_on_disk for file in scan.incomplete_files] == [9]
    scan.delete_revisions(first).execute()
    assert {repo.commit_hash for one in scan_cache_dir(client.cache).repos for repo in one.revisions} == {
        second
    }
    assert client.repo.joinpath("snapshots", second, NAME).read_bytes() == WEIGHTS
    assert not client.repo.joinpath("blobs", "9e26dfeeb6e641a33dae4961196235bdb965b21b").exists()
