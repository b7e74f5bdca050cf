"""Removing models and leftovers: what nothing else uses is freed, and nothing of anybody else's is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from folders import plan_of, write_cached, write_linked, write_model
from huggingface_hub import scan_cache_dir

from influence_nb.errors import IntegrityError, InvalidData, ModelNotFound, SettingsError
from influence_nb.hub import starters
from influence_nb.store import records
from influence_nb.store.library import Library


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def lock_of(cache: Path, repo_id: str, key: str) -> FileLock:
    """The lock that huggingface_hub holds while it fetches a blob."""
    path = cache / ".locks" / f"models--{repo_id.replace('/', '--')}" / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def test_removing_a_revision_frees_what_the_others_do_not_use(cache: Path) -> None:
    write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    write_linked(cache, "a/b", "2" * 40, main="1" * 40, config={"dtype": "float32"})
    write_linked(cache, "c/d", "3" * 40)
    before = bytes_in(cache / "models--a--b")
    config = (cache / "models--a--b" / "snapshots" / ("2" * 40) / "config.json").stat().st_size
    assert Library().frees("a/b", revision="2222222") == config
    assert Library().remove("a/b", revision="2222222") == config
    assert bytes_in(cache / "models--a--b") == before - config
    assert [model.name for model in Library()] == ["a/b", "c/d"]
    assert Library().verify("a/b").verified is True
    assert scan_cache_dir(cache).warnings == []


def test_a_name_without_a_revision_removes_all_of_the_model(cache: Path) -> None:
    write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    write_linked(cache, "a/b", "2" * 40, main="1" * 40, config={"dtype": "float32"})
    write_linked(cache, "c/d", "1" * 40)  # the same commit in another repository
    size = sum(blob.stat().st_size for blob in (cache / "models--a--b" / "blobs").iterdir())
    assert (
        Library().frees("a/b@1111111")
        < Library().frees("a/b@2222222") + Library().frees("a/b@1111111")
        < size
    )
    assert Library().remove("a/b") == size
    assert not (cache / "models--a--b").exists()
    assert [model.name for model in Library()] == ["c/d"]
    assert Library().verify("c/d").verified is True
    with pytest.raises(ModelNotFound):
        Library().remove("a/b")


def test_main_is_removed_with_the_ref_that_points_to_it(cache: Path) -> None:
    write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    write_linked(cache, "a/b", "2" * 40, main="1" * 40)
    assert Library().remove("a/b", revision="1" * 40) == 0  # the other one uses every blob
    assert [(model.name, model.revision) for model in Library()] == [("a/b", "2" * 40)]
    assert scan_cache_dir(cache).warnings == []


def test_a_model_with_a_dead_link_can_be_removed(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    (snapshot / "model.safetensors").resolve().unlink()
    assert scan_cache_dir(cache).warnings, "huggingface_hub's own scan refuses it"
    rest = sum(blob.stat().st_size for blob in (cache / "models--a--b" / "blobs").iterdir())
    assert Library().remove("a/b") == rest
    assert not (cache / "models--a--b").exists()


def test_copies_without_links_are_removed_too(cache: Path) -> None:
    size = bytes_in(write_cached(cache, "a/b", "1" * 40))
    assert Library().remove("a/b") == size
    assert not (cache / "models--a--b").exists()


def test_half_done_files_go_with_the_last_revision(cache: Path) -> None:
    blobs = write_linked(cache, "a/b", "1" * 40).parents[1] / "blobs"
    (blobs / f"{'f' * 64}.influence.incomplete").write_bytes(bytes(100))
    size = bytes_in(blobs)
    assert Library().remove("a/b") == size
    assert not blobs.exists()


def test_what_is_being_downloaded_is_not_removed(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    key = (snapshot / "model.safetensors").resolve().name
    with lock_of(cache, "a/b", key):
        with pytest.raises(InvalidData) as caught:
            Library().remove("a/b")
        assert "being downloaded" in caught.value.message
        assert "cancel" in caught.value.hint
        assert Library()["a/b"].path == snapshot
    Library().remove("a/b")
    assert list(Library()) == []


def test_what_is_loaded_is_not_removed(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    with pytest.raises(InvalidData) as caught:
        Library(in_use=lambda model: model.path == snapshot).remove("a/b")
    assert "unload" in caught.value.hint.lower()
    assert "a/b" in Library()


def test_a_cache_that_cannot_be_written_is_left_as_it_is(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        patch.setattr(os, "remove", refuse)
        with pytest.raises(SettingsError) as caught:
            Library().remove("a/b")
    assert "cannot be written" in caught.value.message
    assert caught.value.hint
    assert Library()["a/b"].path == snapshot


def test_a_starter_is_removed(chat: Path) -> None:
    write_model(chat / "safetensors")
    size = bytes_in(chat)
    assert Library().frees("starter/chat") == size
    assert Library().remove("starter/chat") == size
    assert not chat.exists()
    with pytest.raises(ModelNotFound):
        Library().remove("starter/chat")


def test_a_starter_that_is_being_fetched_is_not_removed(chat: Path) -> None:
    with FileLock(chat.with_name(".chat.lock")), pytest.raises(InvalidData, match="being fetched"):
        Library().remove("starter/chat")
    assert "starter/chat" in Library()


def test_from_an_output_directory_only_what_the_download_brought_goes(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    (out / "1_Pooling").mkdir()
    (out / "1_Pooling" / "config.json").write_text("{}")
    notes = out / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "config.json.metadata").write_text("e\ne\n1\n")
    (notes / "abc.influence.incomplete").write_bytes(bytes(50))
    plan = plan_of(out, "a/b", output_dir=out)
    plan = type(plan)(
        plan.repo_id, plan.commit, tuple(f for f in plan.files if not f.name.startswith(".cache")), out
    )
    records.remember_download(plan, out)
    (out / "thesis.txt").write_text("of the user")
    (out / "tokenizer.json").write_text('{"changed": "by the user"}')
    freed = Library().remove("a/b")
    assert freed == sum(file.size or 0 for file in plan.files if file.name != "tokenizer.json") + 50
    assert sorted(path.name for path in out.rglob("*")) == ["thesis.txt", "tokenizer.json"]
    assert list(Library()) == []
    assert Library().broken == ()


def test_an_output_directory_with_nothing_else_in_it_goes_whole(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "a/b", output_dir=out), out)
    Library().remove("a/b")
    assert not out.exists()


def test_names_that_lead_out_of_the_directory_are_not_followed(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    (tmp_path / "victim.txt").write_text("of the user")
    plan = plan_of(out, "a/b", output_dir=out)
    outside = type(plan.files[0])("../victim.txt", 11, "0" * 64, None)
    records.remember_download(type(plan)(plan.repo_id, plan.commit, (*plan.files, outside), out), out)
    Library().remove("a/b")
    assert (tmp_path / "victim.txt").exists()


def test_leftovers_are_shown_then_pruned(cache: Path, chat: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40, main="1" * 40)
    blobs = snapshot.parents[1] / "blobs"
    (blobs / f"{'a' * 40}.0123abcd.incomplete").write_bytes(bytes(10))
    (blobs / f"{'b' * 64}.influence.incomplete").write_bytes(bytes(20))
    (blobs / f"{'c' * 64}.damaged").write_bytes(bytes(30))
    (blobs / ("d" * 64)).write_bytes(bytes(40))
    (snapshot.parent / ("2" * 40)).mkdir()
    part = chat.with_name(".chat-x.part")
    part.mkdir()
    (part / "wheel").write_bytes(bytes(50))
    before = bytes_in(cache)
    found = Library().leftovers()
    kinds = {one.kind: 0 for one in found}
    for one in found:
        kinds[one.kind] += one.size
    assert kinds == {"unfinished download": 80, "damaged file": 30, "unused file": 40, "empty revision": 0}
    assert {one.owner for one in found} == {"a/b", "starter/chat"}
    pruned = Library().prune()
    assert (pruned.bytes, set(pruned.removed), pruned.kept) == (150, set(found), ())
    assert before - bytes_in(cache) == 100
    assert not part.exists()
    assert Library().leftovers() == []
    assert Library().verify("a/b").verified is True


def test_what_a_running_download_holds_is_no_leftover(cache: Path) -> None:
    snapshot = write_linked(cache, "a/b", "1" * 40)
    half = snapshot.parents[1] / "blobs" / f"{'b' * 64}.influence.incomplete"
    half.write_bytes(bytes(20))
    begun = snapshot.parent / ("2" * 40)
    begun.mkdir()
    with lock_of(cache, "a/b", "b" * 64):
        assert Library().leftovers() == []
        assert Library().prune().removed == ()
    assert half.exists()
    assert begun.exists()
    assert len(Library().prune().removed) == 2
    assert not half.exists()


def test_a_leftover_that_a_download_takes_up_meanwhile_is_kept(cache: Path) -> None:
    from influence_nb.store import removal

    half = write_linked(cache, "a/b", "1" * 40).parents[1] / "blobs" / f"{'b' * 64}.influence.incomplete"
    half.write_bytes(bytes(20))
    found = Library().leftovers()
    with lock_of(cache, "a/b", "b" * 64):
        pruned = removal.prune(found)
    assert (pruned.bytes, pruned.kept) == (0, tuple(found))
    assert half.exists()


def test_an_empty_repository_is_tidied_away(cache: Path) -> None:
    (cache / "models--a--b" / "blobs").mkdir(parents=True)
    assert [one.kind for one in Library().leftovers()] == ["empty revision"]
    Library().prune()
    assert not (cache / "models--a--b").exists()


def test_half_done_files_in_an_output_directory_are_leftovers(tmp_home: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "a/b", output_dir=out), out)
    work = out / ".cache" / "huggingface" / "download"
    work.mkdir(parents=True)
    (work / "abc.influence.incomplete").write_bytes(bytes(7))
    with FileLock(work / "abc.lock"):
        assert Library().leftovers() == []
    assert Library().prune().bytes == 7
    assert Library()["a/b"].parameters == 12


def test_removing_by_starters_name_needs_no_cache(tmp_home: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        Library().remove(next(iter(starters.STARTERS)))
    assert "influence starters" in caught.value.hint


def write_shared(cache: Path, repo_id: str, commit: str) -> Path:
    """A model whose weights lie in the store that repositories share, as Xet downloads are laid out; the payload."""
    from huggingface_hub.utils import _shared_blobs as shared

    blob = (write_linked(cache, repo_id, commit) / "model.safetensors").resolve()
    name = "ab" + "0" * 62
    (cache / "blobs" / "ab").mkdir(parents=True, exist_ok=True)
    (cache / "blobs" / shared.SHARED_BLOBS_MARKER_NAME).write_text(f"{shared.SHARED_BLOBS_LAYOUT_VERSION}\n")
    payload = cache / "blobs" / "ab" / name
    blob.replace(payload)
    blob.symlink_to(Path("../../blobs/ab") / name)
    with payload.with_name(f"{name}.refs").open("a") as manifest:
        manifest.write(f"{blob.relative_to(cache).as_posix()}\n")
    return payload


def test_what_repositories_share_goes_with_the_last_of_them(cache: Path) -> None:
    write_shared(cache, "a/one", "1" * 40)
    payload = write_shared(cache, "a/two", "2" * 40)
    weights = payload.stat().st_size
    assert Library().verify("a/one").verified is True
    size = Library()["a/one"].size
    assert Library().frees("a/one") == size - weights
    assert Library().remove("a/one") == size - weights
    assert Library().verify("a/two").verified is True
    assert Library().frees("a/two") == size
    assert Library().remove("a/two") == size
    assert not payload.exists()


def test_damage_to_what_repositories_share_is_damage_to_each(cache: Path) -> None:
    write_shared(cache, "a/one", "1" * 40)
    payload = write_shared(cache, "a/two", "2" * 40)
    data = payload.read_bytes()
    payload.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        Library().verify("a/one")
    assert list(Library()) == []
    assert {one.name for one in Library().broken} == {"a/one", "a/two"}
    assert not payload.exists()
