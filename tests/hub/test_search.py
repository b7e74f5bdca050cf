"""Searching the Hub: what is asked, what comes back, page by page, and what a broken hub makes of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.engine import device
from influence_nb.errors import DeviceUnavailable, DownloadInterrupted, HubUnreachable, InvalidData
from influence_nb.hub import search as searching
from influence_nb.hub.hits import ModelHit, read_hit
from influence_nb.hub.query import Query, parse_parameters
from influence_nb.hub.results import SearchResults
from influence_nb.memory import DeviceBudget
from influence_nb.settings import settings
from tests.loopback import LoopbackHub

API = "/api/models"
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The loopback Hub with four models, and a search that gives up soon."""
    files = {"config.json": b"{}"}
    hub.add("acme/tiny-chat", files, downloads=500, likes=3, parameters={"BF16": 135_000_000}, updated=NOW,
            used_storage=269_000_000, created=datetime(2025, 5, 1, tzinfo=UTC), trending=1)  # fmt: skip
    hub.add("acme/big-chat", files, downloads=9_000, likes=1, parameters={"BF16": 7_000_000_000, "F32": 1000},
            license="llama3.1", gated="manual", languages=["de"])  # fmt: skip
    hub.add("other/tiny-embedder", files, downloads=70, likes=40, task="feature-extraction", trending=9,
            library="sentence-transformers", parameters={"F32": 22_000_000}, gated="auto")  # fmt: skip
    hub.add("other/tiny-chat-gguf", files, downloads=60, likes=2, library="gguf", license=None,
            gguf={"total": 134_515_008, "architecture": "llama"})  # fmt: skip
    soon = replace(searching.PATIENCE, first_wait=0.01, longest_asked=0.01, answer_seconds=0.4)
    monkeypatch.setattr(searching, "PATIENCE", soon)
    return hub


def search(
    text: str | None = None,
    token: str | None = None,
    mirror: str | None = None,
    cancel: threading.Event | None = None,
    **more: Any,
) -> SearchResults:
    return searching.search(Query(text, **more), token=token, mirror=mirror, cancel=cancel)


def ids(results: SearchResults) -> list[str]:
    return [hit.id for hit in results]


def asked(hub: LoopbackHub) -> dict[str, list[str]]:
    """The query of the only request."""
    (request,) = hub.requests(API)
    return request.query


def test_a_hit_says_all_that_the_hub_knows_of_a_model(hub: LoopbackHub):
    (hit,) = search("tiny-chat", author="acme")
    assert (hit.id, hit.author, hit.task, hit.library) == (
        "acme/tiny-chat", "acme", "text-generation", "transformers")  # fmt: skip
    assert (hit.parameters, hit.dtypes, hit.size) == (135_000_000, {"BF16": 135_000_000}, 269_000_000)
    assert (hit.license, hit.gated, hit.downloads, hit.likes) == ("apache-2.0", False, 500, 3)
    assert (hit.updated, hit.created) == (NOW, datetime(2025, 5, 1, tzinfo=UTC))
    assert hit.commit == hub.repos["acme/tiny-chat"].branches["main"]
    assert "license:apache-2.0" in hit.tags
    assert hit.fits is None


def test_parameters_of_a_gguf_repository_and_gates_are_read(hub: LoopbackHub):
    hits = {hit.id: hit for hit in search()}
    gguf = hits["other/tiny-chat-gguf"]
    assert (gguf.parameters, gguf.dtypes, gguf.license) == (134_515_008, {}, None)
    assert [hits[id].gated for id in ("acme/big-chat", "other/tiny-embedder")] == ["manual", "auto"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "tiny chat"}, ["acme/tiny-chat", "other/tiny-chat-gguf"]),
        ({"author": "other"}, ["other/tiny-embedder", "other/tiny-chat-gguf"]),
        ({"task": "feature-extraction"}, ["other/tiny-embedder"]),
        ({"library": "gguf"}, ["other/tiny-chat-gguf"]),
        ({"license": "llama3.1"}, ["acme/big-chat"]),
        ({"license": "license:llama3.1"}, ["acme/big-chat"]),
        ({"language": "de"}, ["acme/big-chat"]),
        ({"library": "transformers", "language": "en"}, ["acme/tiny-chat"]),
        ({"min_params": "1B"}, ["acme/big-chat"]),
        ({"max_params": 100_000_000}, ["other/tiny-embedder"]),
        ({"min_params": "100M", "max_params": "1.5b"}, ["acme/tiny-chat", "other/tiny-chat-gguf"]),
        ({"min_params": 134_515_008, "max_params": 134_515_008}, ["other/tiny-chat-gguf"]),
        ({"gated": True}, ["acme/big-chat", "other/tiny-embedder"]),
        ({"gated": False}, ["acme/tiny-chat", "other/tiny-chat-gguf"]),
        ({"text": "no such model"}, []),
        ({"text": "  ", "author": "", "sort": "likes"}, ["other/tiny-embedder", "acme/tiny-chat",
                                                         "other/tiny-chat-gguf", "acme/big-chat"]),
    ],
)  # fmt: skip
def test_a_filter_narrows_what_is_found(hub: LoopbackHub, wanted: dict[str, Any], found: list[str]):
    assert ids(search(**wanted)) == found


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("downloads", "acme/big-chat"),
        ("likes", "other/tiny-embedder"),
        ("trending", "other/tiny-embedder"),
        ("updated", "acme/tiny-chat"),
        ("created", "acme/tiny-chat"),
    ],
)
def test_results_are_sorted_by_a_word(hub: LoopbackHub, sort: str, first: str):
    assert search(sort=sort)[0].id == first


def test_pages_follow_each_other_with_one_request_each_and_none_before_it_is_asked_for(hub: LoopbackHub):
    first = search(limit=2)
    assert ids(first) == ["acme/big-chat", "acme/tiny-chat"]
    assert first.more
    assert asked(hub)["limit"] == ["2"]
    second = first.next()
    assert ids(second) == ["other/tiny-embedder", "other/tiny-chat-gguf"]
    assert not second.more
    assert first.next() is second
    assert ids(second.next()) == []
    assert len(hub.requests(API)) == 2
    assert ids(first.with_next()) == [*ids(first), *ids(second)]


def test_pages_hold_when_the_hubs_own_are_shorter():
    with LoopbackHub(page_size=2) as short:
        for number in range(5):
            short.add(f"acme/m{number}", {"config.json": b"{}"}, downloads=100 - number)
        first = search(limit=3, mirror=short.endpoint)
        assert ids(first) == ["acme/m0", "acme/m1", "acme/m2"]
        assert len(short.requests(API)) == 2
        assert ids(first.next()) == ["acme/m3", "acme/m4"]
        assert not first.next().more


def test_a_model_that_moves_to_the_next_page_meanwhile_is_listed_once(hub: LoopbackHub):
    first = search(limit=2)
    hub.add("new/model", {"config.json": b"{}"}, downloads=10_000)
    assert ids(first.with_next()) == ["acme/big-chat", "acme/tiny-chat", "other/tiny-embedder"]


def test_a_page_that_failed_can_be_asked_for_again(hub: LoopbackHub):
    first = search(limit=2)
    fault = hub.fault(API, "drop", times=100)
    with pytest.raises(HubUnreachable):
        first.next()
    fault.lift()
    assert ids(first.next()) == ["other/tiny-embedder", "other/tiny-chat-gguf"]


def test_links_to_another_page_stay_on_the_hub_that_was_asked_and_so_does_the_token(hub: LoopbackHub):
    with LoopbackHub() as other:
        hub.endpoint = other.endpoint  # a mirror that hands on the links of the hub it copies
        first = search(limit=2, token="good")
        assert ids(first.next()) == ["other/tiny-embedder", "other/tiny-chat-gguf"]
        assert [request.token for request in hub.requests(API)] == ["good", "good"]
        assert not other.log


def test_more_results_are_told_of(hub: LoopbackHub):
    first = search(limit=1)
    assert ".next()" in repr(first)
    assert ".next()" in first._repr_html_()


def test_verdicts_come_from_whoever_knows_the_device_on_every_page(hub: LoopbackHub):
    results = search(limit=2).judged(lambda hit: "yes" if (hit.parameters or 0) < 10**9 else "nf4")
    assert [hit.fits for hit in results] == ["nf4", "yes"]
    assert [hit.fits for hit in results.next()] == ["yes", "yes"]


def test_every_page_says_what_fits_the_free_memory_of_the_device(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def budget(name: str) -> DeviceBudget:
        asked.append(name)
        return DeviceBudget("cpu", 16 * 10**9, 10 * 10**9)

    monkeypatch.setattr(device, "budget", budget)
    hub.add("acme/huge", {"config.json": b"{}"}, parameters={"BF16": 70 * 10**9}, downloads=10)
    hub.add("acme/unknown", {"config.json": b"{}"}, downloads=1)
    first = inb.search(limit=3, device="cpu")
    assert {hit.id: hit.fits for hit in (*first, *first.next())} == {
        "acme/tiny-chat": "yes",
        "acme/big-chat": "int8",
        "other/tiny-embedder": "yes",
        "other/tiny-chat-gguf": "yes",
        "acme/huge": "no",
        "acme/unknown": None,
    }
    assert set(asked) == {"cpu"}
    assert isinstance(first, inb.SearchResults)
    assert isinstance(first[0], inb.ModelHit)


def test_a_device_that_is_not_there_is_refused(hub: LoopbackHub):
    with pytest.raises(DeviceUnavailable) as refused:
        inb.search("tiny", device="cuda:99")
    assert "cpu" in refused.value.hint


# What cannot be asked


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ({"limit": 0}, "1 to 1000"),
        ({"limit": 5000}, "1 to 1000"),
        ({"limit": 2.5}, "1 to 1000"),
        ({"limit": True}, "1 to 1000"),
        ({"min_params": "2B", "max_params": "1B"}, "Swap"),
        ({"sort": "newest"}, "downloads, likes, trending, updated, created"),
        ({"gated": "auto"}, "True, False"),
        ({"min_params": "abc"}, '"135M"'),
        ({"max_params": -1}, '"135M"'),
        ({"max_params": True}, '"135M"'),
        ({"text": 7}, "string"),
        ({"text": "x" * 1001}, "1,000"),
        ({"author": "\ud800"}, "string"),
        ({"mirror": "not an address"}, "https://"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_with_what_can_and_nothing_is_asked(
    hub: LoopbackHub, wanted: dict[str, Any], hint: str
):
    with pytest.raises(InvalidData) as refused:
        search(**wanted)
    assert hint in refused.value.hint
    assert not hub.log
    assert len(search()) == 4


def test_a_number_of_parameters_is_read_in_every_way_people_write_it():
    read = {text: parse_parameters(text) for text in ("135M", "1.5b", " 7 B ", "1,000", "2k", "1T", "")}
    assert read == {"135M": 135_000_000, "1.5b": 1_500_000_000, " 7 B ": 7_000_000_000, "1,000": 1000,
                    "2k": 2000, "1T": 10**12, "": None}  # fmt: skip
    assert [parse_parameters(value) for value in (None, 12, 1e9)] == [None, 12, 10**9]


# What goes wrong


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("drop", {}, "broke off|cannot be reached"),
        ("silent", {}, "did not answer in time"),
        ("status", {"code": 500}, "500"),
        ("status", {"code": 429, "retry_after": 3600}, "too often"),
        ("html", {}, "web page"),
        ("no_api", {}, "has no search"),
        ("status", {"code": 200, "headers": {"Content-Type": "application/json"}}, "does not speak as a hub"),
    ],
)
def test_a_hub_that_is_not_there_says_so_with_a_hint_and_works_once_it_is_back(
    hub: LoopbackHub, kind: Any, options: dict[str, Any], said: str
):
    fault = hub.fault(API, kind, times=1000, **options)
    with pytest.raises(HubUnreachable, match=said) as failed:
        search("tiny")
    assert failed.value.hint
    assert len(hub.requests(API)) <= searching.PATIENCE.tries
    fault.lift()
    assert len(search("tiny")) == 3


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_a_hub_that_fails_once_is_asked_again(hub: LoopbackHub, kind: Any):
    hub.fault(API, kind, **({"code": 503} if kind == "status" else {}))
    assert len(search("tiny")) == 3
    assert len(hub.requests(API)) == 2


def test_no_hub_at_all_is_said_with_its_address(hub: LoopbackHub):
    hub.close()
    with pytest.raises(HubUnreachable, match=hub.endpoint.removeprefix("http://")) as failed:
        search("tiny")
    assert "INFLUENCE_MIRROR" in failed.value.hint


def test_offline_asks_nobody(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INFLUENCE_OFFLINE", "1")
    settings.cache_clear()
    with pytest.raises(HubUnreachable, match="INFLUENCE_OFFLINE") as failed:
        search("tiny")
    assert "INFLUENCE_OFFLINE" in failed.value.hint
    assert not hub.log


def test_a_search_can_be_given_up_while_the_hub_is_silent(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(searching, "PATIENCE", replace(searching.PATIENCE, answer_seconds=600))
    fault, cancel = hub.fault(API, "silent"), threading.Event()

    def give_up() -> None:
        assert fault.happened.wait(60)
        cancel.set()

    threading.Thread(target=give_up, daemon=True).start()
    with pytest.raises(DownloadInterrupted):
        search("tiny", cancel=cancel)
    assert len(search("tiny")) == 3


def test_a_token_is_sent_to_the_hub_and_shown_nowhere(hub: LoopbackHub):
    results = search("tiny", limit=1, token="good")
    results.next()
    assert [request.token for request in hub.requests(API)] == ["good", "good"]
    assert "good" not in repr(results) + results._repr_html_() + repr(vars(results))


def test_a_token_that_the_hub_refuses_is_said(hub: LoopbackHub):
    with pytest.raises(HubUnreachable, match="refuses") as failed:
        search("tiny", token="bad")
    assert "token" in failed.value.hint
    assert "bad" not in str(failed.value).split()


@pytest.mark.parametrize(
    "entry",
    [None, 7, [], {}, {"id": 5}, {"id": ""}],
)
def test_an_entry_that_names_no_model_is_left_out(entry: Any):
    assert read_hit(entry) is None


def test_nonsense_in_an_entry_is_what_is_not_known():
    hit = read_hit({
        "id": "a/b", "safetensors": [], "gguf": {"total": "many"}, "usedStorage": -5, "tags": "x", "likes": True,
        "lastModified": "yesterday", "gated": "perhaps", "downloads": None, "pipeline_tag": 3, "createdAt": 7,
    })  # fmt: skip
    assert hit == ModelHit(id="a/b", author="a", gated="manual")
