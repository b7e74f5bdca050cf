"""Downloads that go well, and what is on disk afterwards: in the Hub's cache, in a folder, for other tools too."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from huggingface_hub import constants, scan_cache_dir, snapshot_download
from on_disk import NAME, contents, partials

import influence_nb as inb
from influence_nb.errors import (
    HubUnreachable,
)
from influence_nb.hub.progress import Progress
from influence_nb.settings import settings
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up


def test_every_file_arrives_and_is_found_by_the_library_and_by_the_hubs_own_tools(hub: LoopbackHub) -> None:
    files = made_up(200_000, shards=3)
    commit = hub.add(NAME, files)

    model = inb.download(NAME)

    assert contents(model.path) == files
    assert (model.name, model.revision, model.source, model.verified) == (NAME, commit, "hub", True)
    assert model.parameters == 99_999
    assert NAME in inb.library()
    (repo,) = scan_cache_dir(constants.HF_HUB_CACHE).repos
    assert repo.refs["main"].commit_hash == commit
    assert not scan_cache_dir(constants.HF_HUB_CACHE).warnings
    assert not partials(Path(constants.HF_HUB_CACHE))
    hub.forget()
    assert snapshot_download(NAME, endpoint=hub.endpoint) == str(model.path)
    assert not hub.requests("*/resolve/*", method="GET")


def test_each_file_costs_one_request_and_a_model_that_is_here_costs_one_question(hub: LoopbackHub) -> None:
    files = made_up(100_000, shards=2)
    hub.add(NAME, files)
    inb.download(NAME)
    assert len(hub.requests(host="hub")) == 1 + len(files)
    assert len(hub.requests(host="cdn")) == 2

    hub.forget()
    inb.download(NAME)
    assert [request.path for request in hub.log] == [f"/api/models/{NAME}"]


def test_a_model_that_is_here_and_pinned_costs_no_request_and_reads_no_bytes(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(NAME, made_up())
    first = inb.download(NAME, commit)
    hub.close()
    monkeypatch.setattr("influence_nb.hub.fetch.is_right", None)

    again = inb.download(NAME, commit)

    assert again.path == first.path
    assert inb.plan(NAME, commit).remaining == 0


def test_it_works_without_a_hub_where_everything_is_here_and_says_how_to_say_so(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(NAME, made_up())
    inb.download(NAME)
    monkeypatch.setenv("INFLUENCE_OFFLINE", "1")
    settings.cache_clear()

    with pytest.raises(HubUnreachable, match="INFLUENCE_OFFLINE") as caught:
        inb.download(NAME)
    assert commit in caught.value.hint
    assert inb.download(NAME, commit).revision == commit


def test_a_folder_of_ones_own_gets_plain_files_that_the_hubs_own_tools_accept(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    files = made_up()
    commit = hub.add(NAME, files)

    model = inb.download(NAME, output_dir=tmp_path / "mine")

    assert contents(model.path) == files
    assert model.path == tmp_path / "mine"
    assert not any(path.is_symlink() for path in model.path.rglob("*"))
    assert not partials(model.path)
    assert not list(Path(constants.HF_HUB_CACHE).glob("models--*"))
    hub.forget()
    snapshot_download(NAME, revision=commit, local_dir=model.path, endpoint=hub.endpoint)
    assert not hub.requests("*/resolve/*")
    inb.download(NAME, commit, output_dir=tmp_path / "mine")
    assert len(hub.requests("*/resolve/*")) == 0


def test_what_the_cache_has_is_copied_to_a_folder_and_not_fetched_again(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    files = made_up()
    commit = hub.add(NAME, files)
    inb.download(NAME)
    hub.forget()

    model = inb.download(NAME, commit, output_dir=tmp_path / "mine")

    assert contents(model.path) == files
    assert hub.log == []


def test_a_new_commit_brings_only_the_files_that_changed(hub: LoopbackHub) -> None:
    files = made_up()
    hub.add(NAME, files)
    old = inb.download(NAME)
    newer = {**files, "config.json": files["config.json"] + b"\n"}
    hub.add(NAME, newer)
    hub.forget()

    plan = inb.plan(NAME)
    assert plan.remaining == len(newer["config.json"])
    model = inb.download(plan)

    assert contents(model.path) == newer
    assert contents(old.path) == files
    assert [request.path.rpartition("/")[2] for request in hub.requests("*/resolve/*")] == ["config.json"]


def test_a_folder_follows_to_a_new_commit(hub: LoopbackHub, tmp_path: Path) -> None:
    files = made_up()
    hub.add(NAME, files)
    inb.download(NAME, output_dir=tmp_path / "mine")
    newer = {**files, "config.json": files["config.json"].replace(b"256", b"512")}
    assert len(newer["config.json"]) == len(files["config.json"])
    hub.add(NAME, newer)

    assert contents(inb.download(NAME, output_dir=tmp_path / "mine").path) == newer


@pytest.mark.parametrize("spoil", ["truncated", "longer", "another byte", "empty"])
def test_a_blob_in_the_cache_that_is_not_right_is_found_and_fetched_again(
    hub: LoopbackHub, spoil: str
) -> None:
    files = made_up()
    commit = hub.add(NAME, files)
    snapshot_download(NAME, endpoint=hub.endpoint)  # by another tool: nobody has checked it
    folder = inb.plan(NAME, commit).folder
    weights = folder / "model.safetensors"
    good = weights.read_bytes()
    bad = {
        "truncated": good[:-5],
        "longer": good + b"x",
        "another byte": good[:50] + bytes([good[50] ^ 1]) + good[51:],
        "empty": b"",
    }[spoil]
    weights.resolve().write_bytes(bad)
    hub.forget()

    model = inb.download(NAME, commit)

    assert contents(model.path) == files
    assert [request.path.rpartition("/")[2] for request in hub.requests("*/resolve/*")] == [
        "model.safetensors"
    ]


def test_files_that_another_tool_fetched_are_checked_once(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(NAME, made_up())
    snapshot_download(NAME, endpoint=hub.endpoint)
    stages: list[str] = []
    inb.download(NAME, commit, on_progress=lambda progress: stages.append(progress.stage))
    hub.forget()
    monkeypatch.setattr("influence_nb.hub.fetch.is_right", None)

    inb.download(NAME, commit)

    assert stages[-1] == "ready"
    assert hub.log == []


def test_two_files_of_the_same_bytes_are_fetched_once(hub: LoopbackHub) -> None:
    files = {**made_up(), "1_Dense/model.safetensors": b"w" * 5000, "2_Dense/model.safetensors": b"w" * 5000}
    files["modules.json"] = b"[]"
    hub.add(NAME, files)

    assert contents(inb.download(NAME).path) == files
    assert len(hub.requests("*_Dense*", host="cdn")) == 1


def test_files_in_folders_empty_files_and_odd_names_arrive(hub: LoopbackHub, tmp_path: Path) -> None:
    files = {
        **made_up(),
        "additional_chat_templates/a b+%41ü.jinja": b"{{ x }}",
        "added_tokens.json": b"",
        "vocab#1?.json": b"{}",
    }
    hub.add(NAME, files)

    assert contents(inb.download(NAME).path) == files
    assert contents(inb.download(NAME, output_dir=tmp_path / "mine").path) == files


def test_small_files_in_lfs_and_large_ones_in_git_are_checked_by_their_own_sums(hub: LoopbackHub) -> None:
    files = made_up()
    hub.add(NAME, files, lfs={"config.json"})

    assert contents(inb.download(NAME).path) == files


@pytest.mark.parametrize("settings_of_hub", [{"resolve_cache": True}, {"compress": True}])
def test_hubs_that_redirect_and_compress_small_files_are_understood(
    tmp_home: Path, hub: LoopbackHub, settings_of_hub: dict[str, bool]
) -> None:
    files = made_up()
    with LoopbackHub(**settings_of_hub) as other:
        other.add(NAME, files)
        assert contents(inb.download(NAME, mirror=other.endpoint).path) == files


def test_progress_tells_of_each_file_and_of_the_whole_in_the_callers_thread(hub: LoopbackHub) -> None:
    files = made_up(300_000, shards=3)
    hub.add(NAME, files)
    seen: list[tuple[int, Progress]] = []

    inb.download(NAME, on_progress=lambda progress: seen.append((threading.get_ident(), progress)))

    assert {ident for ident, _ in seen} == {threading.get_ident()}
    told = [progress for _, progress in seen]
    total = sum(map(len, files.values()))
    assert {(one.file, one.done, one.total) for one in told if one.stage == "ready"} == {
        *((name, len(data), len(data)) for name, data in files.items()),
        (NAME, total, total),
    }
    last = told[-1]
    assert (last.all_done, last.all_total, last.stage, last.seconds_left) == (total, total, "ready", 0.0)
    assert all(one.all_total == total and 0 <= one.all_done <= total for one in told)
    assert [one.all_done for one in told] == sorted(one.all_done for one in told)


def test_a_part_of_a_repository_can_be_fetched(hub: LoopbackHub) -> None:
    files = made_up()
    hub.add(NAME, files)

    model = inb.download(inb.plan(NAME, include=["*.json"]))

    assert contents(model.path) == {name: data for name, data in files.items() if name.endswith(".json")}
    assert (model.architecture, model.format) == (None, "other")


def test_without_links_files_lie_in_the_snapshot_itself(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import file_download

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    monkeypatch.setattr(file_download, "_are_symlinks_supported_in_dir", {})
    files = {**made_up(), "added_tokens.json": b"{}"}  # the same bytes as another one's
    commit = hub.add(NAME, files)

    model = inb.download(NAME)

    assert contents(model.path) == files
    assert not any(path.is_symlink() for path in model.path.iterdir())
    hub.forget()
    assert contents(inb.download(NAME, commit).path) == files
    assert hub.log == []
    weights = model.path / "model.safetensors"
    weights.write_bytes(b"spoilt" + weights.read_bytes()[6:])
    assert contents(inb.download(NAME, commit).path) == files
