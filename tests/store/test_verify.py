"""Verification: every file's bytes against known sums, offline; what is damaged is named and set aside."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from folders import plan_of, write_cached, write_linked, write_model

from influence_nb.errors import DownloadInterrupted, IntegrityError, ModelNotFound
from influence_nb.hub.progress import Progress
from influence_nb.store import records
from influence_nb.store.library import Library


def flip(file: Path) -> bytes:
    """Change one bit at the end of a file, and neither its size nor its time; returns what was there."""
    stat, data = file.stat(), file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return data


def test_a_whole_model_in_the_cache_is_verified_by_its_blobs_names(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    assert Library()["a/b"].verified is None
    told: list[Progress] = []
    done = Library().verify("a/b", told.append)
    size = sum(file.stat().st_size for file in snapshot.iterdir())
    assert (done.name, done.verified, done.files, done.bytes, done.unknown) == ("a/b", True, 3, size, ())
    assert {progress.stage for progress in told} == {"verify", "ready"}
    assert (told[-1].all_done, told[-1].all_total) == (size, size)
    assert [one.all_done for one in told] == sorted(one.all_done for one in told)
    model = Library()["a/b"]
    assert (model.verified, model.verified_at) == (True, done.date)


def test_what_changes_afterwards_is_not_verified_any_more(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    Library().verify("a/b")
    (snapshot / "notes.txt").write_text("new")
    assert Library()["a/b"].verified is None


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_file_is_named_and_set_aside(cache: Path, name: str) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    other = write_linked(cache, "a/b", "2" * 40, main="2" * 40)  # shares every blob
    blob = (snapshot / name).resolve()
    right = flip(blob)
    with pytest.raises(IntegrityError) as caught:
        Library().verify("a/b@1111111")
    assert name in caught.value.message
    assert f"inb.download('a/b', revision='{'1' * 40}'): that fetches just that file." in caught.value.hint
    assert not blob.exists()
    assert not os.path.lexists(snapshot / name)
    assert not os.path.lexists(other / name)
    assert blob.with_name(blob.name + ".damaged").exists()
    assert list(Library()) == []
    assert {one.name for one in Library().broken} == {"a/b", "a/b@1111111"}
    assert "Damaged and set aside" in Library().broken[1].reason
    assert name in Library().broken[1].reason
    records.remember_download(plan_of(write_model(cache.parent / "plan"), "a/b"), snapshot)
    with pytest.raises(IntegrityError, match=f"{name} is gone"):
        Library().verify("a/b@1111111")
    blob.write_bytes(right)
    for folder in (snapshot, other):
        (folder / name).symlink_to(Path("../../blobs") / blob.name)
    assert Library().verify("a/b").verified is True
    assert Library().verify("a/b@1111111").verified is True


def test_a_damaged_file_that_the_model_can_do_without(cache: Path) -> None:
    snapshot = write_cached(cache, "a/b", "1" * 40)
    (snapshot / "README.md").write_text("# A card")
    from folders import link_blobs

    link_blobs(snapshot)
    flip((snapshot / "README.md").resolve())
    with pytest.raises(IntegrityError, match=r"README\.md"):
        Library().verify("a/b")
    assert Library()["a/b"].verified is False


def test_a_dead_link_is_a_file_that_is_gone(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    (snapshot / "tokenizer.json").resolve().unlink()
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is gone"):
        Library().verify("a/b")


def test_where_no_sum_is_known_nothing_is_claimed(cache: Path, tmp_path: Path) -> None:
    write_cached(cache, "a/copies", "1" * 40)  # plain files, as on disks without links
    done = Library().verify("a/copies")
    assert (done.verified, done.files) == (None, 0)
    assert done.unknown == ("config.json", "model.safetensors", "tokenizer.json")
    assert Library()["a/copies"].verified is None


def test_copies_in_the_cache_are_verified_by_what_was_remembered(cache: Path) -> None:
    snapshot = write_cached(cache, "a/b", "1" * 40)
    records.remember_download(plan_of(snapshot, "a/b", "1" * 40), snapshot)
    assert Library().verify("a/b").verified is True
    flip(snapshot / "model.safetensors")
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        Library().verify("a/b")
    assert (snapshot / "model.safetensors.damaged").exists()
    assert [one.name for one in Library().broken] == ["a/b"]


def test_an_output_directory_is_verified_by_what_was_remembered(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "a/b", output_dir=out), out)
    (out / "mine.md").write_text("of the user")
    done = Library().verify("a/b")
    assert (done.verified, done.files, done.unknown) == (True, 3, ("mine.md",))
    flip(out / "model.safetensors")
    with pytest.raises(IntegrityError) as caught:
        Library().verify("a/b")
    assert f"inb.download('a/b', output_dir={str(out)!r})" in caught.value.hint
    assert (out / "model.safetensors.damaged").exists()
    assert not (out / "model.safetensors").exists()


def note(folder: Path, name: str, etag: str, when: float) -> None:
    """What huggingface_hub writes beside a file that it put into a folder."""
    path = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{'e' * 40}\n{etag}\n{when}\n")


def test_a_folder_of_another_tool_is_verified_by_its_notes(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    plan = plan_of(out, "a/b")
    for file in plan.files:
        note(out, file.name, file.sha256 or file.blob_id or "", (out / file.name).stat().st_mtime)
    Library().add(out)
    assert Library().verify("out").verified is True
    flip(out / "model.safetensors")
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        Library().verify("out")


def test_a_small_file_that_its_owner_changed_is_not_damaged(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    plan = plan_of(out, "a/b", output_dir=out)
    for file in plan.files:
        note(out, file.name, file.sha256 or file.blob_id or "", 1000.0)
        os.utime(out / file.name, (1000, 1000))
    records.remember_download(plan, out)
    (out / "tokenizer.json").write_text('{"mine": 1}')
    done = Library().verify("a/b")
    assert (done.verified, done.unknown) == (None, ("tokenizer.json",))
    assert (out / "tokenizer.json").read_text() == '{"mine": 1}'


def test_a_starter_is_verified_by_its_pinned_sums(chat: Path) -> None:
    assert Library().verify("starter/chat").verified is True
    file = chat / "Tiny.Q4_1.gguf"
    flip(file)
    with pytest.raises(IntegrityError, match="Tiny"):
        Library().verify("starter/chat")
    assert list(Library()) == []
    assert [one.name for one in Library().broken] == ["starter/chat"]


def test_what_a_starter_was_converted_to_is_made_anew_when_damaged(chat: Path) -> None:
    weights = write_model(chat / "safetensors") / "model.safetensors"
    assert "safetensors/model.safetensors" in Library().verify("starter/chat").unknown
    records.hashes(chat / "safetensors")  # as the first receipt does
    assert Library().verify("starter/chat").unknown == ()
    flip(weights)
    with pytest.raises(IntegrityError, match=r"safetensors/model\.safetensors"):
        Library().verify("starter/chat")
    assert not (chat / "safetensors").exists()
    assert Library()["starter/chat"].format == "gguf"


def test_cancelling_changes_nothing(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    flip((snapshot / "model.safetensors").resolve())
    cancel = threading.Event()
    with pytest.raises(DownloadInterrupted) as caught:
        Library().verify("a/b", lambda progress: cancel.set(), cancel)
    assert caught.value.hint
    assert Library()["a/b"].verified is None
    assert (snapshot / "model.safetensors").exists()


def test_an_unknown_name_is_refused(cache: Path) -> None:
    with pytest.raises(ModelNotFound):
        Library().verify("a/b")
