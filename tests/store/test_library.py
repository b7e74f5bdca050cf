"""The library: what is on this machine, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from folders import write_cached, write_gguf, write_model

from influence_nb.errors import ModelNotFound
from influence_nb.hub import starters
from influence_nb.store import records
from influence_nb.store.library import Library


@pytest.fixture
def cache(tmp_home: Path) -> Path:
    return tmp_home.parent / "hub-cache"


@pytest.fixture
def chat(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up starter/chat that is here, as a bare GGUF."""
    file = write_gguf(tmp_home / "models" / "starter" / "chat" / "Tiny.Q4_1.gguf")
    known = starters.STARTERS["starter/chat"]
    member = starters.Member(file.name, file.stat().st_size, "")
    monkeypatch.setitem(starters.STARTERS, known.name, replace(known, files=(member,)))
    return file.parent


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


def test_broken_entries_are_left_out(cache: Path) -> None:
    write_cached(cache, "a/whole", "1" * 40)
    snapshot = write_cached(cache, "a/cut", "2" * 40)
    (snapshot / "model.safetensors").write_bytes(b"cut")
    (cache / "models--a--nothing").mkdir()
    (cache / "models--a--file").write_text("not a folder")
    assert [model.name for model in Library()] == ["a/whole"]


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


def test_odd_entries_of_the_cache_are_left_out(cache: Path) -> None:
    write_cached(cache, "a/odd", "a" * 40, config={"architectures": 5})
    weights = write_cached(cache, "a/folder", "b" * 40) / "model.safetensors"
    weights.unlink()
    weights.mkdir()
    write_cached(cache, "b/good", "c" * 40)
    assert [model.name for model in Library()] == ["b/good"]
    assert Library()["b/good"].revision == "c" * 40
