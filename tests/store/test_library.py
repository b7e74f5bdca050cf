"""The library: what is on this machine, by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from folders import plan_of, write_cached, write_gguf, write_linked, write_model

from influence_nb.errors import BrokenModel, ModelNotFound
from influence_nb.store import library, records, shelf
from influence_nb.store.library import Library


def test_an_empty_one(tmp_home: Path) -> None:
    library = Library()
    assert list(library) == []
    assert len(library) == 0
    assert "influence starters" in library._repr_html_()
    assert list(library.to_frame().columns)[:2] == ["name", "path"]
    assert not tmp_home.parent.joinpath("hub-cache").exists()


def test_the_hubs_cache_is_listed_by_name(cache: Path) -> None:
    write_cached(cache, "b/later", "c" * 40)
    path = write_cached(cache, "A/first", "d" * 40)
    library = Library()
    assert [model.name for model in library] == ["A/first", "b/later"]
    model = library["A/first"]
    assert (model.path, model.revision, model.source) == (path, "d" * 40, "hub")
    assert "A/first" in library


def test_every_revision_is_listed_and_main_has_the_plain_name(cache: Path) -> None:
    write_cached(cache, "a/b", "1" * 40)
    write_cached(cache, "a/b", "2" * 40, main="1" * 40)
    library = Library()
    assert {model.name: model.revision for model in library} == {"a/b": "1" * 40, "a/b@2222222": "2" * 40}
    assert library["a/b@2222"] == library["a/b@" + "2" * 40] == library["a/b@2222222"]
    assert library["a/b@1111"].name == "a/b"
    with pytest.raises(ModelNotFound):
        library["a/b@3333"]


def test_of_revisions_without_main_the_newest_whole_one_has_the_plain_name(cache: Path) -> None:
    for commit, when in (("1" * 40, 100), ("2" * 40, 200), ("3" * 40, 300)):
        os.utime(write_cached(cache, "a/b", commit), (when, when))
    newest = cache / "models--a--b" / "snapshots" / ("3" * 40)
    (newest / "model.safetensors").write_bytes(b"cut")
    os.utime(newest, (300, 300))
    assert {model.name for model in Library()} == {"a/b", "a/b@1111111"}
    assert Library()["a/b"].revision == "2" * 40
    assert [one.name for one in Library().broken] == ["a/b@3333333"]


def test_revisions_that_begin_alike_are_told_apart(cache: Path) -> None:
    for commit in ("0" * 40, "1" * 39 + "a", "1" * 39 + "b"):
        write_cached(cache, "a/b", commit, main="0" * 40)
    assert sorted(model.name for model in Library()) == ["a/b", f"a/b@{'1' * 39}a", f"a/b@{'1' * 39}b"]


def test_what_is_not_whole_is_named_with_the_reason(cache: Path) -> None:
    write_cached(cache, "a/whole", "1" * 40)
    snapshot = write_cached(cache, "a/cut", "2" * 40)
    (snapshot / "model.safetensors").write_bytes(b"cut")
    (cache / "models--a--nothing").mkdir()
    (cache / "models--a--file").write_text("not a folder")
    library = Library()
    assert [model.name for model in library] == ["a/whole"]
    (broken,) = library.broken
    assert (broken.name, broken.revision, broken.path) == ("a/cut", "2" * 40, snapshot)
    assert "model.safetensors is damaged" in broken.reason
    assert "inb.download('a/cut')" in broken.hint
    assert "a/cut" in repr(library)
    assert "model.safetensors is damaged" in library._repr_html_()
    with pytest.raises(BrokenModel) as caught:
        library["a/cut"]
    assert caught.value.hint == broken.hint
    assert library["a/whole"].parameters == 12


def test_a_download_that_was_killed_is_named_as_such(cache: Path) -> None:
    blobs = write_linked(cache, "a/half", "1" * 40).parents[1] / "blobs"
    (blobs / f"{'f' * 64}.influence.incomplete").write_bytes(bytes(3_000_000))
    weights = cache / "models--a--half" / "snapshots" / ("1" * 40) / "model.safetensors"
    weights.unlink()
    begun = cache / "models--a--begun" / "blobs"
    begun.mkdir(parents=True)
    (begun / f"{'f' * 64}.influence.incomplete").write_bytes(bytes(10))
    broken = {one.name: one for one in Library().broken}
    assert "was not finished (3 MB are kept)" in broken["a/half"].reason
    assert "was not finished" in broken["a/begun"].reason
    assert broken["a/begun"].size == 10
    assert list(Library()) == []


def test_a_bare_gguf_in_the_cache_is_a_model(cache: Path) -> None:
    write_gguf(cache / "models--a--b-GGUF" / "snapshots" / ("1" * 40) / "b.Q4_K_M.gguf")
    assert Library()["a/b-GGUF"].quantization == "Q4_K_M"


def test_what_has_not_changed_is_not_looked_at_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_linked(cache, "a/one", "1" * 40)
    two = write_linked(cache, "a/two", "2" * 40, config={"dtype": "float32"})
    first = list(Library())
    looked_at = []
    inspect = shelf.inspect
    monkeypatch.setattr(shelf, "inspect", lambda path, size: looked_at.append(path) or inspect(path, size))
    assert list(Library()) == first
    assert looked_at == []
    weights = (two / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1])
    assert [one.name for one in Library().broken] == ["a/two"]
    assert looked_at == [two]


def test_making_a_list_looks_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_linked(cache, "a/one", "1" * 40)
    looks = []
    monkeypatch.setattr(library, "look", lambda: looks.append(1) or shelf.look())
    here = Library()
    assert len(list(here)) == 1  # which asks for the length, too
    assert looks == [1]
    write_linked(cache, "a/two", "2" * 40)
    assert len(here) == 2


def test_the_license_comes_from_the_card(cache: Path) -> None:
    for name, head in (
        ("plain", "license: apache-2.0"),
        ("quoted", 'language: en\nlicense: "mit"'),
        ("other", "license: other\nlicense_name: llama3"),
        ("silent", "language: en"),
    ):
        (write_cached(cache, f"a/{name}", "1" * 40) / "README.md").write_text(
            f"---\n{head}\n---\nlicense: no"
        )
    said = {model.name: model.license for model in Library()}
    assert said == {"a/plain": "apache-2.0", "a/quoted": "mit", "a/other": "llama3", "a/silent": None}


def test_output_directories_of_downloads_are_listed(cache: Path, tmp_path: Path) -> None:
    out = write_model(tmp_path / "out")
    records.remember_download(plan_of(out, "a/b", output_dir=out), out)
    model = Library()["a/b"]
    assert (model.path, model.source, model.revision, model.license) == (out, "folder", "e" * 40, "mit")
    write_cached(cache, "a/b", "1" * 40)
    assert {model.name: model.path for model in Library() if model.source == "folder"} == {str(out): out}
    assert Library()["a/b"].source == "hub"
    assert Library()[str(out)].path == out


def test_large_files_of_another_size_than_the_hubs_are_broken(tmp_home: Path, tmp_path: Path) -> None:
    write_gguf(tmp_path / "out" / "b.gguf")
    out = tmp_path / "out"
    plan = plan_of(out, "a/b", output_dir=out)
    records.remember_download(replace(plan, files=(replace(plan.files[0], sha256="0" * 64),)), out)
    assert Library()["a/b"].size == (out / "b.gguf").stat().st_size
    (out / "b.gguf").write_bytes((out / "b.gguf").read_bytes()[:-8])  # its header is whole
    assert "the Hub's has" in Library().broken[0].reason


def test_a_folder_is_added_and_taken_off_again(tmp_home: Path, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    assert Library().add(folder).name == "mine"
    assert Library()["mine"].path == folder
    with pytest.raises(BrokenModel):
        Library().add(tmp_path / "nowhere")
    assert len(Library()) == 1
    assert Library().remove("mine") == 0
    assert len(Library()) == 0
    assert (folder / "model.safetensors").exists()


def test_an_unknown_name_gets_near_ones(cache: Path) -> None:
    write_cached(cache, "a/SmolLM2", "1" * 40)
    with pytest.raises(ModelNotFound) as caught:
        Library()["a/SmolLM"]
    assert "'a/SmolLM'" in caught.value.message
    assert "Did you mean a/SmolLM2?" in caught.value.hint


def test_a_starter_that_is_not_here_says_what_to_run(tmp_home: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        Library()["starter/chat"]
    assert "influence starters" in caught.value.hint


def test_a_starter_is_its_converted_weights_once_they_are_whole(chat: Path) -> None:
    assert Library()["starter/chat"].path == chat
    converted = write_model(chat / "safetensors")
    model = Library()["starter/chat"]
    assert (model.path, model.format, model.source, model.verified) == (
        converted,
        "safetensors",
        "starter",
        True,
    )
    (converted / "config.json").unlink()  # a conversion that is not whole
    assert Library()["starter/chat"].format == "gguf"


def test_last_used_shows(chat: Path) -> None:
    assert Library()["starter/chat"].last_used is None
    records.touch("starter/chat")
    assert Library()["starter/chat"].last_used == records.last_used("starter/chat") is not None


def test_a_frame_and_a_table(chat: Path, cache: Path) -> None:
    write_cached(cache, "a/<b>", "1" * 40)
    frame = Library().to_frame()
    assert list(frame["name"]) == ["starter/chat", "a/<b>"]
    assert list(frame["kind"]) == ["chat", "chat"]
    table = Library()._repr_html_()
    assert "starter/chat" in table
    assert "a/&lt;b&gt;" in table
    assert "<b>" not in table


def test_odd_entries_of_the_cache_are_not_models(cache: Path) -> None:
    write_cached(cache, "a/odd", "a" * 40, config={"architectures": 5})
    weights = write_cached(cache, "a/folder", "b" * 40) / "model.safetensors"
    weights.unlink()
    weights.mkdir()
    write_cached(cache, "b/good", "c" * 40)
    assert [model.name for model in Library()] == ["b/good"]
    assert [one.name for one in Library().broken] == ["a/folder", "a/odd"]
    assert Library()["b/good"].revision == "c" * 40
