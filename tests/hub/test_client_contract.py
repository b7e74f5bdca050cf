"""What our code takes for granted about huggingface_hub, its faults among them: an upgrade that changes it fails here.

Each test drives the real client against the loopback Hub, with small files and no waiting.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from huggingface_hub import (
    HfApi,
    constants,
    file_download,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    scan_cache_dir,
    set_client_factory,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import _http, close_session, get_session, tqdm

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


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add("lab/one", FILES)
        yield hub


@pytest.fixture
def client(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(file_download, "time", clock)
    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    close_session()
    yield Client(hub, tmp_path / "cache", waits)
    close_session()


# What works


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
    assert tree[weights.rfilename].lfs.sha256 == held.sha256  # type: ignore[union-attr]
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


# What is refused


@pytest.mark.parametrize(
    ("about", "token", "error"),
    [
        ({"gated": "manual"}, False, GatedRepoError),
        ({"gated": "manual"}, "other", GatedRepoError),
        ({"private": True}, "other", RepositoryNotFoundError),
        ({"disabled": True}, False, DisabledRepoError),
    ],
)
def test_refusals_have_classes(
    client: Client, about: dict[str, Any], token: str | bool, error: type[Exception]
) -> None:
    client.hub.add("lab/one", FILES, **about)
    with pytest.raises(error) as refused:
        client.api.auth_check("lab/one", token=token)
    assert type(refused.value) is error


def test_what_is_not_there_has_a_class_of_its_own(client: Client) -> None:
    with pytest.raises(RepositoryNotFoundError):
        client.api.model_info("lab/none")
    with pytest.raises(RevisionNotFoundError):
        client.api.model_info("lab/one", revision="none")
    with pytest.raises(RemoteEntryNotFoundError):
        client.download("none.json")
    with pytest.raises(HFValidationError):
        client.api.model_info("../../etc")


def test_a_gated_repository_counts_as_one_that_is_not_found_so_it_is_caught_first() -> None:
    assert issubclass(GatedRepoError, RepositoryNotFoundError)


def test_a_wrong_token_is_a_401_whatever_is_asked(client: Client) -> None:
    with pytest.raises(HfHubHTTPError) as refused:
        client.api.model_info("lab/one", token="nonsense")
    assert refused.value.response.status_code == 401
    assert "Invalid credentials" in refused.value.response.headers["X-Error-Message"]


def test_a_disabled_repository_hides_in_the_cause(client: Client) -> None:
    client.hub.add("lab/one", FILES, disabled=True)
    with pytest.raises(LocalEntryNotFoundError) as refused:
        client.snapshot()
    assert isinstance(refused.value.__cause__, DisabledRepoError)


def test_a_file_name_that_leaves_the_folder_is_refused_when_the_others_are_already_there(
    client: Client,
) -> None:
    client.hub.add("lab/one", {"config.json": b"{}", "../../../../evil.txt": b""})
    with pytest.raises(ValueError, match="evil"):
        client.snapshot()
    assert not list(client.cache.parent.rglob("evil*"))


# What goes wrong


def test_a_closed_connection_is_resumed_at_a_chunk_after_a_second(client: Client) -> None:
    client.hub.fault("*.safetensors", "close_after", bytes=200_000)
    assert client.download().read_bytes() == WEIGHTS
    assert client.ranges() == [None, (3 * CHUNK, None)]
    assert client.waits == [1]


def test_a_connection_that_closes_within_each_chunk_fails_after_six_tries(client: Client) -> None:
    client.hub.fault("*.safetensors", "close_after", times=10, bytes=CHUNK - 1)
    with pytest.raises(httpx2.RemoteProtocolError):
        client.download()
    assert client.ranges() == [None] * 6
    assert client.leftovers() == []


def test_a_reset_is_neither_retried_nor_kept(client: Client) -> None:
    client.hub.fault("*.safetensors", "reset_after", bytes=200_000)
    with pytest.raises(httpx2.ReadError):
        client.download()
    assert client.ranges() == [None]
    assert client.leftovers() == []


def test_an_ignored_range_is_noticed(client: Client) -> None:
    client.hub.fault("*.safetensors", "close_after", bytes=200_000)
    client.hub.fault("*.safetensors", "ignore_range")
    assert client.download().read_bytes() == WEIGHTS


@pytest.mark.parametrize("fault", [{"kind": "status", "code": 416}, {"kind": "expired"}])
def test_a_link_that_expired_is_not_asked_for_again(client: Client, fault: dict[str, Any]) -> None:
    client.hub.fault("*.safetensors", "close_after", bytes=200_000)
    client.hub.fault("*.safetensors", ranged=True, **fault)
    with pytest.raises(HfHubHTTPError):
        client.download()
    assert len(client.hub.requests("*.safetensors", host="hub")) == 1


def test_too_many_requests_wait_a_second_more_than_asked_and_dates_are_not_understood(client: Client) -> None:
    client.hub.fault("*.safetensors", "status", host="cdn", code=429, retry_after=7)
    client.hub.fault("*.safetensors", "status", host="cdn", code=429, retry_date=300)
    assert client.download().read_bytes() == WEIGHTS
    assert client.waits == [8, 2]
    client.hub.fault("*.safetensors", "status", times=10, host="cdn", code=429)
    client.hub.forget()
    with pytest.raises(HfHubHTTPError):
        client.download(force_download=True)
    assert len(client.ranges()) == 6


@pytest.mark.parametrize("code", [500, 503])
def test_a_failing_cdn_is_not_asked_again(client: Client, code: int) -> None:
    client.hub.fault("*.safetensors", "status", host="cdn", code=code)
    with pytest.raises(HfHubHTTPError):
        client.download()
    assert len(client.ranges()) == 1


@pytest.mark.parametrize("by", [-10, 10])
def test_a_body_of_the_wrong_length_is_an_os_error(client: Client, by: int) -> None:
    client.hub.fault("*.safetensors", "wrong_length", by=by)
    with pytest.raises(OSError, match="Consistency check failed"):
        client.download()
    assert client.leftovers() == []


def test_a_size_that_is_a_lie_is_an_os_error(client: Client) -> None:
    client.hub.add("lab/one", FILES, claims={NAME: 299_999})
    with pytest.raises(OSError, match="Consistency check failed"):
        client.download()


def test_a_corrupt_byte_is_silent_success_which_only_checksums_find(client: Client) -> None:
    client.hub.fault("*.safetensors", "corrupt", at=100)
    folder = client.snapshot()
    assert (folder / NAME).read_bytes() != WEIGHTS
    check = client.api.verify_repo_checksums("lab/one", cache_dir=client.cache)
    assert [one["path"] for one in check.mismatches] == [NAME]


def test_a_blob_cut_short_in_the_cache_is_trusted(client: Client) -> None:
    blob = (client.snapshot() / NAME).resolve()
    blob.write_bytes(WEIGHTS[:100])
    assert (client.snapshot() / NAME).read_bytes() == WEIGHTS[:100]
    assert try_to_load_from_cache("lab/one", NAME, cache_dir=client.cache) is not None


def test_lists_of_models_are_retried_and_a_models_page_is_not(client: Client) -> None:
    client.hub.fault("/api/models*", "status", times=2, code=500)
    assert [one.id for one in client.api.list_models()] == ["lab/one"]
    client.hub.fault("/api/models*", "status", code=500)
    with pytest.raises(HfHubHTTPError):
        client.api.model_info("lab/one")


def test_a_hub_in_trouble_gives_no_snapshot_or_silently_an_old_one(client: Client) -> None:
    client.hub.fault("*/revision/main", "status", times=2, code=500)
    with pytest.raises(LocalEntryNotFoundError):
        client.snapshot()
    client.hub.faults.clear()
    old = client.snapshot()
    client.hub.add("lab/one", {"config.json": b"[]"})
    client.hub.fault("*/revision/main", "status", code=500)
    assert client.snapshot() == old


def test_nothing_bounds_how_long_an_answer_takes() -> None:
    assert get_session().timeout == httpx2.Timeout(None)


def test_a_captive_portal_is_a_raw_json_error(client: Client) -> None:
    client.hub.fault("*", "html")
    with pytest.raises(ValueError, match="Expecting value"):
        client.api.model_info("lab/one")


def test_a_killed_process_leaves_a_part_that_is_not_used_again(client: Client) -> None:
    hold = client.hub.hold("*.safetensors", 200_000)
    code = f"""
from huggingface_hub import constants, snapshot_download
constants.DOWNLOAD_CHUNK_SIZE = {CHUNK}
snapshot_download("lab/one", cache_dir={str(client.cache)!r}, token=False)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **client.hub.environment})
    try:
        assert hold.reached.wait(60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    hold.release()
    (left,) = client.leftovers()
    assert left.name.startswith(f"{SHA256}.")
    assert (client.snapshot() / NAME).read_bytes() == WEIGHTS
    assert client.ranges() == [None, None]
    assert client.leftovers() == [left]
