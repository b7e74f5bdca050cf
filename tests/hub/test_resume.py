"""Downloads that are disturbed: identical, checked bytes in the end, and only what was missing is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from on_disk import NAME, WEIGHTS, asked_from, contents, partials

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, HubUnreachable, IntegrityError
from influence_nb.hub import patience
from tests.loopback import LoopbackHub


@pytest.mark.parametrize("kind", ["close_after", "reset_after"])
@pytest.mark.parametrize("at", [0, 1, 65_536, 1_500_001, 4_999_999])
def test_a_connection_that_breaks_at_any_byte_is_taken_up_there(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, kind: Any, at: int
) -> None:
    hub.fault(WEIGHTS, kind, host="cdn", bytes=at)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, at]


def test_a_connection_that_breaks_again_and_again_gets_there_as_long_as_something_comes(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=49, host="cdn", bytes=100_000)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == list(range(0, 5_000_000, 100_000))


def test_a_connection_that_breaks_before_anything_comes_is_given_up_and_taken_up_later(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    stuck = hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=0)

    with pytest.raises(DownloadInterrupted, match=r"stopped at 1\.0 of 5\.0 MB") as caught:
        inb.download(NAME)

    assert "kept" in caught.value.hint
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 1 + patience.PATIENCE.tries
    stuck.lift()
    hub.forget()
    assert contents(inb.download(NAME, commit).path) == files
    assert asked_from(hub) == [1_000_000]


def test_a_hub_that_ignores_ranges_sends_the_file_from_its_beginning(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "ignore_range", host="cdn")

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000]


def test_a_hub_that_ignores_ranges_and_always_breaks_off_is_given_up(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "ignore_range", times=100, host="cdn")

    with pytest.raises(DownloadInterrupted):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 2 * patience.PATIENCE.tries


@pytest.mark.parametrize("code", [403, 416, 400, 404, 410])
def test_a_refusal_while_resuming_gets_a_fresh_link(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, code: int
) -> None:
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    hub.fault(WEIGHTS, "status", host="cdn", ranged=True, code=code)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000, 0 if code == 416 else 1_000_000]
    assert len(hub.requests(WEIGHTS, host="hub")) == 3


def test_a_link_that_expires_is_asked_for_anew(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "expired", times=2, host="cdn")

    assert contents(inb.download(NAME).path) == files
    assert len({request.target for request in hub.requests(WEIGHTS, host="cdn")}) == 3


def test_links_that_are_never_good_are_given_up(hub: LoopbackHub, commit: str) -> None:
    hub.fault(WEIGHTS, "status", times=100, host="cdn", code=403)

    with pytest.raises(DownloadInterrupted, match="refused"):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) == patience.PATIENCE.tries


@pytest.mark.parametrize("by", [-1, -2_000_000, 1, 100_000])
def test_a_body_that_is_too_short_or_too_long_once_does_no_harm(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, by: int
) -> None:
    hub.fault(WEIGHTS, "wrong_length", host="cdn", by=by)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 5_000_000 + by if by < 0 else 0]


@pytest.mark.parametrize("at", [0, 1_234_567, 4_999_999])
def test_a_corrupted_byte_is_found_and_the_file_fetched_again(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, at: int
) -> None:
    hub.fault(WEIGHTS, "corrupt", host="cdn", at=at)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 0]


def test_a_corrupted_small_file_is_found_by_gits_sum(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault("*/config.json", "corrupt", host="hub", method="GET", at=3)

    assert contents(inb.download(NAME).path) == files
    assert len(hub.requests("*/config.json")) == 2


@pytest.mark.parametrize(("kind", "options"), [("corrupt", {"at": 5}), ("wrong_length", {"by": 7})])
def test_a_hub_that_always_sends_other_bytes_is_refused_and_nothing_of_them_is_kept(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, kind: Any, options: dict[str, int]
) -> None:
    fault = hub.fault(WEIGHTS, kind, times=100, host="cdn", **options)

    with pytest.raises(IntegrityError, match=r"model\.safetensors") as caught:
        inb.download(NAME)

    assert caught.value.hint
    assert len(hub.requests(WEIGHTS, host="cdn")) == patience.PATIENCE.whole_tries
    plan = inb.plan(NAME, commit)
    assert not {file.name: file.here for file in plan.files}["model.safetensors"]
    assert plan.remaining >= 5_000_000
    fault.lift()
    assert contents(inb.download(NAME, commit).path) == files


@pytest.mark.parametrize("claim", [4_999_000, 5_001_000, 0])
def test_a_hub_that_lies_about_a_size_is_refused(
    hub: LoopbackHub, files: dict[str, bytes], claim: int
) -> None:
    hub.add(NAME, files, claims={"model.safetensors": claim})

    with pytest.raises((IntegrityError, DownloadInterrupted)):
        inb.download(NAME)
    assert len(hub.requests(WEIGHTS, host="cdn")) <= 2 * patience.PATIENCE.tries
    assert not (inb.plan(NAME).folder / "model.safetensors").exists()


def test_bytes_that_were_spoilt_on_disk_meanwhile_are_fetched_again(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "close_after", times=100, host="cdn", bytes=0, after=1)
    hub.fault(WEIGHTS, "close_after", host="cdn", bytes=1_000_000)
    with pytest.raises(DownloadInterrupted):
        inb.download(NAME)
    (partial,) = partials(Path(constants.HF_HUB_CACHE))
    partial.write_bytes(bytes(1_000_000))
    hub.faults.clear()
    hub.forget()

    assert contents(inb.download(NAME, commit).path) == files
    assert asked_from(hub) == [1_000_000, 0]


def test_silence_in_the_middle_of_a_body_ends_after_the_time_limit(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", replace(patience.PATIENCE, read_seconds=1))
    hub.fault(WEIGHTS, "silent", host="cdn", bytes=1_000_000)

    assert contents(inb.download(NAME).path) == files
    assert asked_from(hub) == [0, 1_000_000]


def test_a_trickle_is_not_waited_for(
    hub: LoopbackHub, files: dict[str, bytes], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", replace(patience.PATIENCE, slow_seconds=0.5))
    hub.fault(WEIGHTS, "trickle", host="cdn", bytes=1, pause=0.01)

    assert contents(inb.download(NAME).path) == files
    first, second, *_ = asked_from(hub)
    assert first == 0
    assert 0 < second < 8192


def test_a_web_page_instead_of_a_file_is_not_taken_for_it(
    hub: LoopbackHub, files: dict[str, bytes], commit: str
) -> None:
    hub.fault(WEIGHTS, "html", times=2, host="cdn")
    assert contents(inb.download(NAME).path) == files


def test_web_pages_only_are_told_as_what_they_are(hub: LoopbackHub, commit: str) -> None:
    hub.fault(WEIGHTS, "html", host="cdn")

    with pytest.raises(HubUnreachable, match="web page") as caught:
        inb.download(NAME)
    assert "sign in" in caught.value.hint
