"""LibraryPanel without a browser: what it lists, verifies, removes and tidies, and what it says when it cannot."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import on_page
import pytest
from fake_model import FakeModel

from influence_nb import api
from influence_nb.errors import InfluenceError, IntegrityError, InvalidData, ModelNotFound
from influence_nb.store import records
from influence_nb.store.library import Library
from influence_nb.store.models import LocalModel
from influence_nb.widgets.library import LibraryPanel
from influence_nb.widgets.state import State

sys.path.append(str(Path(__file__).parents[1] / "store"))
from folders import write_linked, write_model

WAIT = 60


@pytest.fixture
def cache(tmp_home: Path) -> Path:
    """A Hub cache with two whole models, one of them with a second revision, and one that is not whole."""
    cache = tmp_home.parent / "hub-cache"
    write_linked(cache, "a/one", "1" * 40, main="1" * 40)
    write_linked(cache, "a/one", "2" * 40, main="1" * 40, config={"dtype": "float32"})
    write_linked(cache, "b/<two>", "3" * 40)
    (write_linked(cache, "c/cut", "4" * 40) / "tokenizer.json").unlink()
    return cache


def opened(**keywords: Any) -> LibraryPanel:
    panel = LibraryPanel(**keywords)
    panel._refreshed.result(WAIT)
    return panel


def button(panel: LibraryPanel, name: str) -> Any:
    return on_page.button(panel, name, hidden=False)


def text(panel: LibraryPanel) -> str:
    return on_page.text(panel, hidden=False)


def names(panel: LibraryPanel) -> list[str]:
    return [row.entry.name for row in panel._list._rows if row.entry is not None]


def asked(panel: LibraryPanel, name: str) -> None:
    """Click what asks before it acts, and wait for the question."""
    button(panel, name).click()
    panel._asking.result(WAIT)


def flip(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_it_lists_what_is_here_whole_or_not(cache: Path) -> None:
    panel = opened()
    assert names(panel) == ["a/one", "a/one@2222222", "b/<two>", "c/cut"]
    said = text(panel)
    assert "3 models, 1 not whole" in said
    assert "b/&lt;two&gt;" in said
    assert "<two>" not in said
    assert "no tokenizer" in said
    assert "safetensors, bfloat16" in said
    assert "free" in said
    assert "c/cut" in panel.static_html()
    assert "b/&lt;two&gt;" in panel.static_html()


def test_verifying_by_button_is_shown_and_remembered(cache: Path) -> None:
    panel = opened()
    button(panel, "Check the bytes of a/one").click()
    assert panel._job.future.result(WAIT).verified is True
    assert "a/one is verified: 3 files" in text(panel)
    assert ">verified<" in text(panel)
    assert Library()["a/one"].verified is True
    assert "verified" in panel.static_html()


def test_a_damaged_file_is_named_and_the_model_is_not_whole_any_more(cache: Path) -> None:
    panel = opened()
    flip((cache / "models--b--<two>" / "snapshots" / ("3" * 40) / "model.safetensors").resolve())
    with pytest.raises(IntegrityError):
        panel.verify("b/<two>").result(WAIT)
    assert "model.safetensors is damaged" in text(panel)
    assert 'data-kind="problem"' in text(panel)
    assert "2 models, 2 not whole" in text(panel)
    assert button(panel, "Download b/<two> again: what is whole is kept")
    panel.verify("a/one").result(WAIT)
    assert "is damaged (" not in text(panel)


def test_removing_asks_once_more_and_says_what_it_frees(cache: Path) -> None:
    panel = opened()
    panel.state.observe(lambda change: changes.append(change), "library")
    changes: list[Any] = []
    row = panel._list._rows[1]
    asked(panel, "Remove a/one@2222222")
    assert row.question.layout.display == ""
    config = (cache / "models--a--one" / "snapshots" / ("2" * 40) / "config.json").stat().st_size
    assert f"<b>{config} B</b>" in text(panel)
    assert "Other revisions keep what they share" in text(panel)
    button(panel, "Keep it").click()
    assert row.question.layout.display == "none"
    assert "a/one@2222222" in Library()
    assert panel._job.future is None

    asked(panel, "Remove a/one@2222222")
    assert row.question.layout.display == ""
    button(panel, "Remove a/one@2222222 for good").click()
    assert panel._job.future.result(WAIT) == config
    assert names(panel) == ["a/one", "b/<two>", "c/cut"]
    assert f"a/one@2222222 was removed; {config} B became free." in text(panel)
    assert len(changes) == 1
    assert Library()["a/one"].revision == "1" * 40


def test_removing_the_row_of_main_leaves_the_other_revision(cache: Path) -> None:
    panel = opened()
    panel.sure_clicked(panel._list._rows[0].entry)
    panel._job.future.result(WAIT)
    assert [(model.name, model.revision) for model in Library() if model.name == "a/one"] == [
        ("a/one", "2" * 40)
    ]


def test_what_is_not_whole_can_be_removed_and_asked_for_again(cache: Path) -> None:
    state = State()
    panel = opened(state=state)
    wanted: list[str] = []
    state.observe(lambda change: wanted.append(change["new"]), "wanted")
    for _ in range(2):
        button(panel, "Download c/cut again: what is whole is kept").click()
    assert [one for one in wanted if one] == ["c/cut", "c/cut"]
    panel.remove("c/cut").result(WAIT)
    assert "c/cut" not in names(panel)
    assert not (cache / "models--c--cut").exists()


def test_a_loaded_model_is_marked_and_not_removed(cache: Path) -> None:
    panel = opened()
    model = FakeModel("a/one")
    model.local = Library()["a/one"]
    assert ">loaded<" in text(panel)
    with pytest.raises(InvalidData):
        panel.remove("a/one").result(WAIT)
    assert "a/one is loaded." in text(panel)
    assert "Unload it first" in text(panel)
    model.unload()
    assert ">loaded<" not in text(panel)
    panel.remove("a/one").result(WAIT)
    assert names(panel) == ["b/<two>", "c/cut"]


def test_loading_from_the_list(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = opened()
    gate = threading.Event()

    def load(name: str, on_progress: Callable[[str, float | None], None]) -> FakeModel:
        on_progress("weights", 0.4)
        assert gate.wait(WAIT)
        return FakeModel(name)

    monkeypatch.setattr(api, "load", load)
    button(panel, "Load a/one").click()
    while "Loading: weights" not in text(panel):
        assert not panel._job.future.done()
    assert button(panel, "Check the bytes of a/one").disabled, "a load cannot be cancelled"
    with pytest.raises(InfluenceError, match="still busy with a/one"):
        panel.verify("b/<two>")
    button(panel, "Check the bytes of b/<two>").click()
    assert "still busy with a/one" in text(panel)
    gate.set()
    model = panel._job.future.result(WAIT)
    assert panel.state.selected is model
    assert "a/one is loaded." in text(panel)


def test_a_verification_is_cancelled_from_its_row(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = opened()
    clicked = threading.Event()
    verify = Library.verify

    def slow(self: Library, name: str, on_progress: Any, cancel: threading.Event) -> Any:
        def tell(progress: Any) -> None:
            on_progress(progress)
            assert clicked.wait(WAIT)

        return verify(self, name, tell, cancel)

    monkeypatch.setattr(Library, "verify", slow)
    task = panel.verify("a/one")
    while "Checking" not in text(panel):
        assert not task.done()
    button(panel, "Stop what is being done with a/one").click()
    clicked.set()
    with pytest.raises(InfluenceError):
        task.result(WAIT)
    assert "was cancelled" in text(panel)
    assert button(panel, "Check the bytes of a/one").description == "Verify"


def test_leftovers_are_shown_before_they_are_deleted(cache: Path) -> None:
    panel = opened()
    panel.prune().result(WAIT)  # the tokenizer that no revision uses
    asked(panel, "Look for leftovers of downloads that were killed")
    assert "There are no leftovers." in text(panel)
    half = cache / "models--a--one" / "blobs" / f"{'f' * 64}.influence.incomplete"
    half.write_bytes(bytes(5000))
    asked(panel, "Look for leftovers of downloads that were killed")
    assert "5.00 kB" in text(panel)
    assert "1 unfinished download, of a/one" in text(panel)
    assert half.exists()
    button(panel, "Delete the leftovers").click()
    assert panel._job.future.result(WAIT).bytes == 5000
    assert not half.exists()
    assert "1 leftover deleted; 5.00 kB became free." in text(panel)


def test_long_lists_come_in_pages_and_are_filtered_and_ordered(tmp_home: Path) -> None:
    cache = tmp_home.parent / "hub-cache"
    for number in range(20):
        write_linked(cache, f"zoo/model-{number:02}", f"{number:040x}")
    (cache / "models--zoo--model-07" / "snapshots" / f"{7:040x}" / "notes.txt").write_text("x" * 5000)
    records.touch("zoo/model-13")
    panel = opened()
    assert names(panel) == [f"zoo/model-{number:02}" for number in range(15)]
    assert "1 to 15 of 20" in text(panel)
    assert button(panel, "Previous page of models").disabled
    button(panel, "Next page of models").click()
    assert names(panel) == [f"zoo/model-{number:02}" for number in range(15, 20)]
    assert button(panel, "Next page of models").disabled
    panel._list.filter.value = "MODEL-1"
    assert names(panel) == [f"zoo/model-{number}" for number in range(10, 20)]
    assert "to 10 of" not in text(panel)
    panel._list.filter.value = ""
    panel._list.order.value = "largest first"
    assert names(panel)[0] == "zoo/model-07"
    panel._list.order.value = "last used first"
    assert names(panel)[0] == "zoo/model-13"


def test_what_is_said_of_a_model_that_is_not_on_the_page_is_said_above(tmp_home: Path) -> None:
    cache = tmp_home.parent / "hub-cache"
    for number in range(16):
        write_linked(cache, f"zoo/model-{number:02}", f"{number:040x}")
    panel = opened()
    panel.verify("zoo/model-15").result(WAIT)
    assert "zoo/model-15 is verified" in panel._message.value
    button(panel, "Next page of models").click()
    assert panel._message.value == ""
    assert "zoo/model-15 is verified" in text(panel)


def test_what_comes_to_the_disk_is_shown(cache: Path) -> None:
    state = State()
    panel = opened(state=state)
    write_linked(cache, "d/new", "5" * 40)
    state.library_changed()
    panel._refreshed.result(WAIT)
    assert "d/new" in names(panel)
    panel.close()
    before = panel._refreshed
    state.library_changed()
    assert panel._refreshed is before


def test_a_refresh_that_fails_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = opened()

    def refused(self: Library) -> tuple[LocalModel, ...]:
        raise InvalidData("The library cannot be read.", "Check the folder.")

    with monkeypatch.context() as patch:
        patch.setattr(Library, "everything", refused)
        with pytest.raises(InvalidData):
            panel.refresh().result(WAIT)
    assert "The library cannot be read." in text(panel)
    panel.verify("a/one").result(WAIT)
    assert "The library cannot be read." not in text(panel)


def test_an_unknown_name_is_refused_and_the_panel_goes_on(cache: Path) -> None:
    panel = opened()
    for call in (panel.verify, panel.remove):
        with pytest.raises(ModelNotFound):
            call("no/such").result(WAIT)
        assert "no/such" in text(panel)
    assert panel.remove("a/one", revision="2222").result(WAIT) > 0


def test_an_added_folder_is_only_taken_off_the_list(tmp_home: Path, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    Library().add(folder)
    panel = opened()
    row = panel._list._rows[0]
    asked(panel, "Remove mine")
    assert row.question.layout.display == ""
    assert "Its folder stays as it is" in text(panel)
    button(panel, "Remove mine for good").click()
    assert panel._job.future.result(WAIT) == 0
    assert names(panel) == []
    assert (folder / "config.json").exists()


def test_unknown_keywords_raise() -> None:
    with pytest.raises(TypeError, match="does not know the keyword colour"):
        LibraryPanel(colour="red")
