"""The loopback Hub itself: it answers as the real one does, and each fault is what it says it is."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from influence_nb.store.models import LocalModel
from tests.loopback import LoopbackHub, models

WEIGHTS = models.noise(300_000)
FILES = {"config.json": b'{"a": 1}', "sub/model.safetensors": WEIGHTS}
SMALL = "/lab/one/resolve/main/config.json"
BIG = "/lab/one/resolve/main/sub/model.safetensors"


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add("lab/one", FILES)
        yield hub


def get(hub: LoopbackHub | None, url: str, method: str = "GET", **headers: str) -> Got:
    """One request on a connection of its own; a path is the hub's, redirects are not followed."""
    parts = urlsplit(hub.endpoint + url if hub and url.startswith("/") else url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers={name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): v for name, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def until_reset(url: str) -> bytes:
    """The part of a body that comes before the connection is reset."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return received.partition(b"\r\n\r\n")[2]
            assert part, "closed in good order"
            received += part


def link(hub: LoopbackHub, path: str = BIG) -> str:
    return get(hub, path, "HEAD").headers["location"]


def test_a_small_file_comes_from_the_hub_and_a_big_one_from_the_other_port(hub: LoopbackHub) -> None:
    small = get(hub, SMALL)
    assert small.body == FILES["config.json"]
    assert small.headers["etag"].strip('"') == "4a036f56bb619924ec4189bd84ed716c766971ae"  # git hash-object
    big = get(hub, BIG)
    assert big.status == 302
    assert big.headers["x-linked-size"] == "300000"
    assert big.headers["location"].startswith(hub.cdn)
    assert get(hub, big.headers["location"]).body == WEIGHTS
    assert [request.host for request in hub.log] == ["hub", "hub", "cdn"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=5-9", slice(5, 10)), ("bytes=299990-", slice(299_990, None)), ("bytes=-7", slice(-7, None))],
)
def test_ranges_are_answered_in_part(hub: LoopbackHub, asked: str, expected: slice) -> None:
    got = get(hub, link(hub), Range=asked)
    assert (got.status, got.body) == (206, WEIGHTS[expected])
    first = range(300_000)[expected][0]
    assert got.headers["content-range"] == f"bytes {first}-{first + len(got.body) - 1}/300000"


def test_a_range_past_the_end_is_a_416(hub: LoopbackHub) -> None:
    got = get(hub, link(hub), Range="bytes=300000-")
    assert (got.status, got.headers["content-range"]) == (416, "bytes */300000")


def test_revisions_are_branches_tags_commits_and_their_beginnings(hub: LoopbackHub) -> None:
    first = hub.repos["lab/one"].branches["main"]
    hub.tag("lab/one", "v1")
    second = hub.add("lab/one", {"config.json": b"{}"})
    dev = hub.add("lab/one", {"config.json": b"[]"}, branch="dev/x")
    for revision, commit in {"main": second, "v1": first, first[:7]: first, "dev%2Fx": dev}.items():
        assert get(hub, f"/api/models/lab/one/revision/{revision}").json["sha"] == commit
    assert get(hub, "/lab/one/resolve/v1/config.json").body == FILES["config.json"]
    assert get(hub, "/lab/one/resolve/dev%2Fx/config.json").body == b"[]"
    refs = get(hub, "/api/models/lab/one/refs").json
    assert [(ref["name"], ref["targetCommit"]) for ref in refs["tags"]] == [("v1", first)]


@pytest.mark.parametrize(
    ("path", "token", "status", "code"),
    [
        ("/api/models/lab/none", None, 401, "RepoNotFound"),
        ("/api/models/lab/none", "good", 404, "RepoNotFound"),
        ("/api/models/lab/one", "nonsense", 401, None),
        ("/api/models/lab/one/revision/none", None, 404, "RevisionNotFound"),
        ("/lab/one/resolve/main/none", None, 404, "EntryNotFound"),
        ("/lab/gated/resolve/main/config.json", None, 401, "GatedRepo"),
        ("/lab/gated/resolve/main/config.json", "other", 403, "GatedRepo"),
        ("/lab/gated/resolve/main/config.json", "good", 200, None),
        ("/api/models/lab/gated", None, 200, None),
        ("/api/models/lab/gated/auth-check", None, 401, "GatedRepo"),
        ("/api/models/lab/private", "other", 404, "RepoNotFound"),
        ("/api/models/lab/private", "good", 200, None),
        ("/api/models/lab/disabled", None, 403, None),
        ("/api/whoami-v2", "other", 200, None),
        ("/api/whoami-v2", None, 401, None),
    ],
)
def test_who_may_see_what(
    hub: LoopbackHub, path: str, token: str | None, status: int, code: str | None
) -> None:
    hub.add("lab/gated", FILES, gated="manual")
    hub.add("lab/private", FILES, private=True)
    hub.add("lab/disabled", FILES, disabled=True)
    got = get(hub, path, **({"Authorization": f"Bearer {token}"} if token else {}))
    assert (got.status, got.headers.get("x-error-code")) == (status, code)
    assert hub.log[-1].token == token


def test_a_renamed_repository_redirects(hub: LoopbackHub) -> None:
    hub.rename("lab/one", "lab/two")
    got = get(hub, "/api/models/lab/one/tree/main?recursive=true")
    assert (got.status, got.headers["location"]) == (307, "/api/models/lab/two/tree/main?recursive=true")
    assert get(hub, SMALL).headers["location"] == SMALL.replace("one", "two")


def test_a_hub_can_lie_about_sizes_and_give_names_that_leave_the_folder(hub: LoopbackHub) -> None:
    hub.add("lab/liar", {"../evil.safetensors": WEIGHTS, "/etc/x": b""}, claims={"../evil.safetensors": 7})
    tree = get(hub, "/api/models/lab/liar/tree/main?recursive=true").json
    assert [(entry["path"], entry["size"]) for entry in tree if entry["type"] == "file"] == [
        ("../evil.safetensors", 7),
        ("/etc/x", 0),
    ]
    got = get(hub, "/lab/liar/resolve/main/%2E%2E%2Fevil.safetensors", "HEAD")
    assert got.headers["x-linked-size"] == "7"


def test_close_and_reset_send_exactly_so_many_bytes(hub: LoopbackHub) -> None:
    hub.fault("*.safetensors", "close_after", bytes=1234)
    hub.fault("*.safetensors", "reset_after", bytes=200_001)
    with pytest.raises(http.client.IncompleteRead) as closed:
        get(hub, link(hub))
    assert closed.value.partial == WEIGHTS[:1234]
    assert until_reset(link(hub)) == WEIGHTS[:200_001]
    assert get(hub, link(hub)).body == WEIGHTS  # each fault happens once
    assert [request.sent for request in hub.requests(host="cdn")] == [1234, 200_001, 300_000]


def test_faults_fall_on_whom_they_are_meant_for(hub: LoopbackHub) -> None:
    fault = hub.fault("*.safetensors", "status", times=2, code=503, host="cdn", ranged=True, after=1)
    address = link(hub)
    assert get(hub, address).status == 200
    statuses = [get(hub, address, Range="bytes=5-").status for _ in range(4)]
    assert statuses == [206, 503, 503, 206]
    assert fault.count == 2


def test_a_lifted_fault_does_not_happen(hub: LoopbackHub) -> None:
    fault = hub.fault("*", "html")
    assert get(hub, "/api/models/lab/one").headers["content-type"].startswith("text/html")
    assert get(hub, SMALL).body.startswith(b"<!DOCTYPE html>")
    fault.lift()
    assert get(hub, SMALL).body == FILES["config.json"]


def test_an_unknown_option_of_a_fault_is_refused(hub: LoopbackHub) -> None:
    with pytest.raises(TypeError, match="byte"):
        hub.fault("*", "close_after", byte=3)


def test_retry_after_comes_in_both_forms(hub: LoopbackHub) -> None:
    hub.fault(SMALL, "status", code=429, retry_after=7)
    hub.fault(SMALL, "status", code=429, retry_date=60)
    assert get(hub, SMALL).headers["retry-after"] == "7"
    when = parsedate_to_datetime(get(hub, SMALL).headers["retry-after"])
    assert 0 < (when - datetime.now(UTC)).total_seconds() <= 60


def test_an_expired_link_stays_expired_and_a_fresh_one_works(hub: LoopbackHub) -> None:
    hub.fault("*.safetensors", "expired", ranged=True)
    old = link(hub)
    assert get(hub, old).status == 200
    assert [get(hub, old, Range="bytes=9-").status, get(hub, old).status] == [403, 403]
    assert get(hub, link(hub), Range="bytes=9-").body == WEIGHTS[9:]


def test_bodies_can_be_of_the_wrong_length_wrong_or_whole_when_a_part_was_asked_for(hub: LoopbackHub) -> None:
    hub.fault("*.safetensors", "wrong_length", by=-10)
    hub.fault("*.safetensors", "wrong_length", by=10)
    hub.fault("*.safetensors", "corrupt", at=100)
    hub.fault("*.safetensors", "ignore_range")
    address = link(hub)
    assert len(get(hub, address).body) == 299_990
    assert len(get(hub, address).body) == 300_010
    wrong = get(hub, address).body
    assert [n for n in range(300_000) if wrong[n] != WEIGHTS[n]] == [100]
    got = get(hub, address, Range="bytes=5-")
    assert (got.status, got.body) == (200, WEIGHTS)


def test_a_dropped_request_gets_no_answer(hub: LoopbackHub) -> None:
    hub.fault(SMALL, "drop")
    with pytest.raises(http.client.RemoteDisconnected):
        get(hub, SMALL)
    assert hub.log[-1].status == 0


def test_a_trickle_arrives_whole(hub: LoopbackHub) -> None:
    hub.fault(SMALL, "trickle", bytes=3, pause=0.001)
    assert get(hub, SMALL).body == FILES["config.json"]


@pytest.mark.parametrize("options", [{}, {"bytes": 50_000}])
def test_silence_ends_when_the_server_closes(options: dict[str, int]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with LoopbackHub() as hub:
            hub.add("lab/one", FILES)
            fault = hub.fault("*/model.safetensors", "silent", host="cdn", **options)
            answer = pool.submit(get, hub, link(hub))
            assert fault.happened.wait(30)
            assert not answer.done()
        with pytest.raises((http.client.HTTPException, OSError)):
            answer.result(30)


def test_a_hold_keeps_a_body_back_at_a_byte_and_others_pass(hub: LoopbackHub) -> None:
    hold = hub.hold("*/model.safetensors", 70_000)
    address = link(hub)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(get, hub, address)
        assert hold.reached.wait(30)
        assert get(hub, address).body == WEIGHTS
        assert hub.requests(host="cdn")[0].sent == 70_000
        assert not held.done()
        hold.release()
        assert held.result(30).body == WEIGHTS


def test_a_mirror_without_an_api_gives_files_and_nothing_else() -> None:
    with LoopbackHub(plain=True) as hub:
        hub.add("lab/one", FILES)
        hub.fault("*", "no_api")
        assert get(hub, "/api/models/lab/one").status == 404
        big = get(hub, BIG, Range="bytes=3-")
        assert (big.status, big.body) == (206, WEIGHTS[3:])
        assert not {"x-repo-commit", "etag", "x-linked-etag"} & set(big.headers)
        assert get(hub, "/lab/one/resolve/main/none").status == 404


def test_small_files_may_be_redirected_and_compressed() -> None:
    with LoopbackHub(resolve_cache=True, compress=True) as hub:
        commit = hub.add("lab/one", FILES)
        got = get(hub, SMALL)
        assert (got.status, got.headers["x-repo-commit"]) == (307, commit)
        there = got.headers["location"]
        packed = get(hub, there, Accept_Encoding="gzip")
        assert "content-length" not in packed.headers
        assert gzip.decompress(packed.body) == FILES["config.json"]
        assert get(hub, there).body == FILES["config.json"]


def test_a_closed_hub_refuses_connections() -> None:
    with LoopbackHub() as hub:
        hub.add("lab/one", FILES)
    with pytest.raises(ConnectionRefusedError):
        get(hub, SMALL)


def test_many_at_once_are_served_and_logged(hub: LoopbackHub) -> None:
    address = link(hub)
    start = threading.Barrier(8)

    def one(n: int) -> bytes:
        start.wait()
        return get(hub, address, Range=f"bytes={n * 1000}-").body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [WEIGHTS[n * 1000 :] for n in range(8)]
    assert sorted(request.range[0] for request in hub.requests(host="cdn") if request.range) == [
        n * 1000 for n in range(8)
    ]


def test_the_list_of_models_filters_sorts_and_pages() -> None:
    with LoopbackHub(page_size=2) as hub:
        for n in range(5):
            hub.add(
                f"lab/model-{n}",
                {"config.json": b"{}"},
                downloads=n,
                parameters={"BF16": n * 10**9} if n else None,
                gated="auto" if n == 3 else False,
                task="fill-mask" if n == 4 else "text-generation",
                license="mit" if n == 1 else "apache-2.0",
            )

        def ids(query: str) -> list[str]:
            return [entry["id"][-1] for entry in get(hub, f"/api/models?{query}&limit=9").json]

        assert ids("sort=downloads") == ["4", "3"]
        page = get(hub, "/api/models?sort=downloads&limit=2&search=MODEL")
        following = page.headers["link"].removeprefix("<").partition(">")[0]
        assert [entry["id"][-1] for entry in get(hub, following).json] == ["2", "1"]
        hub.page_size = 100
        assert ids("gated=true") == ["3"]
        assert ids("pipeline_tag=fill-mask") == ["4"]
        assert ids("filter=license:mit&filter=safetensors") == ["1"]
        assert ids("num_parameters=min:2B,max:3B&sort=downloads") == ["3", "2"]
        assert ids("author=else") == []
        (entry,) = get(hub, "/api/models?search=model-2&expand=safetensors&expand=gated").json
        assert entry["safetensors"] == {"parameters": {"BF16": 2 * 10**9}, "total": 2 * 10**9}
        assert "downloads" not in entry


def test_it_runs_as_a_process_of_its_own_and_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "tests.loopback", "--model", "1", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert get(None, f"{said['endpoint']}/api/models/big/model").json["sha"] == said["commit"]
        counts = []
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            counts.append(json.loads(process.stdout.readline()))
        assert counts == [{"requests": 1}, {"requests": 0}]
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("files", "parameters", "format"),
    [
        (models.made_up(60_000, shards=3), 30_000, "safetensors"),
        (models.gguf(quantizations=("Q4_K_M",)), 64 * 32, "gguf"),
    ],
)
def test_made_up_models_are_whole_models(
    tmp_path: Path, files: models.Files, parameters: int, format: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = LocalModel.from_folder(tmp_path)
    assert (found.parameters, found.format) == (parameters, format)
