"""SearchPanel while somebody types: asked when typing pauses, one question at a time, the newest is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import pytest
from clock import Clock
from on_page import field
from search_page import WAIT, until

from influence_nb.errors import InfluenceError
from influence_nb.hub import search as searching
from influence_nb.hub.hits import ModelHit
from influence_nb.hub.query import Query
from influence_nb.hub.results import SearchResults
from influence_nb.widgets.search import SETTLED, SearchPanel
from tests.loopback import LoopbackHub

API = "/api/models"


def test_the_hub_is_asked_once_when_typing_pauses(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], typed: Clock
):
    panel = panels()
    for text in ("c", "ch", "cha", "chat-1"):
        field(panel, "Name").value = text
    assert typed.counting(0.3) == 1
    assert not search_hub.log
    typed.pass_by(0.3)
    until(panel, "rows", lambda rows: len(rows) == 3)
    assert [request.query["search"] for request in search_hub.requests(API)] == [["chat-1"]]


def test_enter_and_the_button_do_not_wait_for_the_pause(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], typed: Clock
):
    panel = panels()
    name = field(panel, "Name")
    name.value = "chat-7"
    name._handle_msg(
        {"content": {"data": {"method": "custom", "content": {"event": "submit"}}}, "buffers": []}
    )
    until(panel, "rows", lambda rows: [row["id"] for row in rows] == ["acme/chat-7"])
    assert not typed.counting(0.3)
    name.value = "embedder"
    field(panel, "Search").click()
    until(panel, "rows", lambda rows: [row["id"] for row in rows] == ["other/embedder"])
    assert not typed.counting(0.3)
    assert len(search_hub.requests(API)) == 2


def test_what_was_asked_is_not_asked_again_after_a_pause(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], typed: Clock
):
    panel = panels()
    name = field(panel, "Name")
    name.value = "chat-7"
    field(panel, "Search").click()
    until(panel, "rows", lambda rows: [row["id"] for row in rows] == ["acme/chat-7"])
    for text in ("chat-", "chat-7"):
        name.value = text
    typed.pass_by(0.3)
    assert panel.table.status == "done"
    assert len(search_hub.requests(API)) == 1


def test_never_two_questions_at_once_and_only_the_newest_is_shown(
    panels: Callable[..., SearchPanel], monkeypatch: pytest.MonkeyPatch
):
    entered, gate, lock = threading.Event(), threading.Event(), threading.Lock()
    asked: list[str] = []
    both = []

    def search(query: Query, **_: Any) -> SearchResults:
        text = str(query.text)
        with lock:
            both.append(text)
            assert len(both) == 1
        asked.append(text)
        entered.set()
        assert gate.wait(WAIT)
        both.remove(text)
        return SearchResults([ModelHit(f"found/{text}")])

    monkeypatch.setattr(searching, "search", search)
    panel = panels()
    seen: list[list[str]] = []
    panel.table.observe(lambda change: seen.append([row["id"] for row in change["new"]]), "rows")
    first = panel.search("a")
    assert entered.wait(WAIT)
    second, third = panel.search("b"), panel.search("c")
    assert panel.table.status == "searching"
    gate.set()
    assert [hit.id for hit in third.result(WAIT)] == ["found/c"]
    assert [hit.id for hit in first.result(WAIT)] == ["found/a"]
    with pytest.raises(CancelledError):
        second.result(WAIT)
    assert asked == ["a", "c"]
    assert seen == [["found/c"]]
    assert panel.table.status == "done"


def test_a_question_that_the_hub_sits_on_gives_way_to_the_next(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "PATIENCE", replace(searching.PATIENCE, answer_seconds=600))
    silence = search_hub.fault(API, "silent")
    panel = panels()
    first = panel.search("embedder")
    assert silence.happened.wait(WAIT)
    assert len(panel.search("chat-7").result(WAIT)) == 1
    assert isinstance(first.exception(WAIT), InfluenceError)
    assert panel.table.problem is None


def test_a_typed_search_is_painted_before_the_static_rendering_follows(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], typed: Clock
):
    panel = panels()
    told: list[str] = []
    panel.on_static_change(lambda: told.append(panel.static_html()))
    field(panel, "Name").value = "chat-7"
    typed.pass_by(0.3)
    until(panel, "rows", lambda rows: len(rows) == 1)
    assert not told
    typed.pass_by(SETTLED)
    assert "acme/chat-7" in told[-1]


def test_a_closed_panel_asks_nothing_any_more(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], typed: Clock
):
    panel = panels()
    field(panel, "Name").value = "chat"
    assert typed.running
    panel.close()
    assert not typed.running
    assert not search_hub.log
