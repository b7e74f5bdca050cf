"""What huggingface_hub refuses, and what goes wrong with it: the reasons for code of ours, pinned for upgrades.

Each test drives the real client against the loopback Hub, whose faults are small and whose waits are none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import (
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
from huggingface_hub.utils import get_session
from real_client import CHUNK, FILES, NAME, SHA256, WEIGHTS, Client, real_client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with real_client(tmp_path / "cache") as client:
        yield client


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
from huggingface_hub import constants, hf_hub_download
constants.DOWNLOAD_CHUNK_SIZE = {CHUNK}
hf_hub_download("lab/one", {NAME!r}, cache_dir={str(client.cache)!r}, token=False)
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
