"""SearchPanel without a browser: what Python asks for, pages, problems, what the page may ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_papermill import executed, read
from on_page import controls, field
from search_page import WAIT, page, shown, until

from influence_nb import api
from influence_nb.errors import HubUnreachable, InfluenceError, InvalidData
from influence_nb.widgets.search import SearchPanel
from influence_nb.widgets.state import State
from tests.loopback import LoopbackHub

API = "/api/models"
ROOT = Path(__file__).parents[2]


def test_python_searches_and_the_table_shows_it(search_hub: LoopbackHub, panels: Callable[..., SearchPanel]):
    panel = panels()
    assert "Type part of a name" in panel.table.note
    found = panel.search("chat", limit=3).result(WAIT)
    assert [hit.id for hit in found] == shown(panel) == ["acme/chat-0", "acme/chat-1", "acme/chat-2"]
    assert [hit.fits for hit in found] == ["yes"] * 3
    assert panel.table.note == "3 models for “chat”, most downloaded first, and there are more."
    assert panel.table.more == 3
    assert panel.table.status == "done"
    row = panel.table.rows[0]
    assert (row["parameters"], row["size"], row["fits"], row["gate"]) == ("1B", "2 GB", "yes", "open")
    assert row["page"] == f"{search_hub.endpoint}/acme/chat-0"
    assert list(panel.results) == list(found)


def test_what_python_asks_for_stands_in_the_form_and_the_rest_of_the_form_counts(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel]
):
    panel = panels()
    field(panel, "Author or organisation").value = " acme "
    panel.search(
        "chat", min_params=2_000_000_000, gated=False, sort="likes", limit=7, library="transformers"
    ).result(WAIT)
    query = search_hub.requests(API)[-1].query
    assert query["author"] == ["acme"]
    assert query["num_parameters"] == ["min:2B"]
    assert query["gated"] == ["false"]
    assert query["filter"] == ["transformers"]
    assert query["limit"] == ["7"]
    assert [field(panel, label).value for label in ("Name", "Gate", "Sort by", "On a page")] == [
        "chat", "Open to all", "likes", 7]  # fmt: skip
    assert field(panel, "Filters (4)")
    field(panel, "Clear filters").click()
    panel.search().result(WAIT)
    assert "author" not in search_hub.requests(API)[-1].query
    assert search_hub.requests(API)[-1].query["search"] == ["chat"]
    with pytest.raises(InvalidData, match="sorted"):
        panel.search(sort="newest")


def test_more_adds_a_page_until_there_is_none(search_hub: LoopbackHub, panels: Callable[..., SearchPanel]):
    panel = panels()
    panel.search("chat", limit=5).result(WAIT)
    page(panel, {"type": "more"})
    until(panel, "rows", lambda rows: len(rows) == 10)
    assert len(panel.more().result(WAIT)) == 12
    assert panel.table.more == 0
    assert panel.table.note == "12 models for “chat”, most downloaded first."
    assert len(search_hub.requests(API)) == 3
    assert len(panel.more().result(WAIT)) == 12
    assert len(search_hub.requests(API)) == 3


def test_more_waits_for_an_answer(search_hub: LoopbackHub, panels: Callable[..., SearchPanel]):
    panel = panels()
    silence = search_hub.fault(API, "silent")
    searched = panel.search("chat")
    assert silence.happened.wait(WAIT)
    with pytest.raises(InfluenceError, match="still being asked"):
        panel.more()
    assert len(searched.result(WAIT)) == 12  # it is asked again


@pytest.mark.parametrize("then", [{"type": "retry"}, {"type": "more"}])
def test_a_hub_that_cannot_be_reached_is_told_and_asked_again(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], then: dict[str, str]
):
    panel = panels()
    panel.search("chat", limit=5).result(WAIT)
    fault = search_hub.fault(API, "drop", times=1000)
    failed = panel.more() if then["type"] == "more" else panel.search("chat-7")
    assert isinstance(failed.exception(WAIT), HubUnreachable)
    until(panel, "problem", lambda problem: problem is not None)
    assert panel.table.problem["retry"]
    assert panel.table.problem["hint"]
    assert len(panel.table.rows) == 5
    other = then["type"] == "retry"  # another question: what is shown does not answer it
    assert panel.table.stale == other
    assert ("“chat”" in panel.table.note) != other
    fault.lift()
    page(panel, {"type": "retry"})
    until(panel, "rows", lambda rows: len(rows) == (10 if then["type"] == "more" else 1))
    assert panel.table.problem is None
    assert not panel.table.stale
    assert panel.table.note


def test_what_cannot_be_searched_for_is_told_beside_the_last_answer(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel]
):
    panel = panels()
    panel.search("chat-7").result(WAIT)
    with pytest.raises(InvalidData):
        panel.search(min_params="a lot").result(WAIT)
    assert '"135M"' in panel.table.problem["hint"]
    assert not panel.table.problem["retry"]
    assert shown(panel) == ["acme/chat-7"]
    assert panel.table.stale
    assert panel.search(min_params="1M").result(WAIT)
    assert panel.table.problem is None


def test_nothing_found_is_said_in_words(search_hub: LoopbackHub, panels: Callable[..., SearchPanel]):
    panel = panels()
    assert not panel.search("zzz").result(WAIT)
    assert panel.table.note == "No model found for “zzz”. Fewer letters find more."
    panel.search(author="nobody").result(WAIT)
    assert "with these filters" in panel.table.note
    assert shown(panel) == []


def test_a_click_asks_for_a_plan_as_often_as_it_is_clicked(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel]
):
    state, wanted = State(), []
    panel = panels(state=state)
    panel.search("chat").result(WAIT)
    state.observe(lambda change: wanted.append(change["new"]), "wanted")
    page(panel, {"type": "plan", "id": "acme/chat-3"})
    assert state.wanted == panel.table.wanted == "acme/chat-3"
    page(panel, {"type": "plan", "id": "acme/chat-3"})
    assert [id for id in wanted if id] == ["acme/chat-3"] * 2
    panel.plan("other/embedder")
    assert state.wanted == panel.table.wanted == "other/embedder"
    state.wanted = ""
    assert panel.table.wanted == ""


@pytest.mark.parametrize(
    "content",
    [None, 5, "plan", [], {}, {"type": "plan"}, {"type": "plan", "id": 5}, {"type": "plan", "id": "never/found"},
     {"type": "more", "id": "acme/chat-1"}, {"type": "close"}, {"type": ["plan"]}],
)  # fmt: skip
def test_what_the_page_may_not_ask_is_refused_and_the_panel_goes_on(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], content: Any
):
    panel = panels()
    panel.search("chat").result(WAIT)
    page(panel, content)
    assert "unknown" in panel.table.problem["message"]
    assert panel.state.wanted == ""
    assert panel.search("chat-7").result(WAIT)
    assert panel.table.problem is None


def test_hits_are_shown_before_it_is_known_what_fits(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], monkeypatch: pytest.MonkeyPatch
):
    gate, quick = threading.Event(), api.judge

    def slow(device: str = "auto") -> Any:
        assert gate.wait(WAIT)
        return quick(device)

    monkeypatch.setattr(api, "judge", slow)
    panel = panels()
    searched = panel.search("chat")
    until(panel, "judging", bool)
    until(panel, "rows", lambda rows: len(rows) == 12)
    assert {row["fits"] for row in panel.table.rows} == {""}
    newer = panel.search("chat-5")  # does not wait for it either
    until(panel, "rows", lambda rows: len(rows) == 1)
    gate.set()
    assert [hit.fits for hit in newer.result(WAIT)] == ["nf4"]
    assert panel.table.rows[0]["fits"] == "nf4"
    assert not panel.table.judging
    searched.exception(WAIT)


def test_a_device_that_cannot_be_asked_leaves_what_fits_unknown(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel], monkeypatch: pytest.MonkeyPatch
):
    def broken(device: str = "auto") -> Any:
        raise RuntimeError("no driver")

    monkeypatch.setattr(api, "judge", broken)
    panel = panels()
    assert [hit.fits for hit in panel.search("chat-7").result(WAIT)] == [None]
    assert panel.table.problem is None


def test_a_token_goes_to_the_hub_and_into_no_widget(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel]
):
    panel = panels(token="good")
    panel.search("chat-7").result(WAIT)
    assert [request.token for request in search_hub.requests(API)] == ["good"]
    assert "good" not in str([one.get_state() for one in controls(panel)]) + panel.static_html()


def test_the_static_rendering_holds_the_last_results_and_no_markup_of_the_hubs(
    search_hub: LoopbackHub, panels: Callable[..., SearchPanel]
):
    search_hub.add("acme/<b>bold</b>", {"config.json": b"{}"}, license="<i>")
    panel = panels()
    assert "Nothing was searched for" in panel.static_html()
    told: list[str] = []
    panel.on_static_change(lambda: told.append(panel.static_html()))
    panel.search("bold").result(WAIT)
    assert "acme/&lt;b&gt;bold&lt;/b&gt;" in told[-1]
    assert "“bold”" in told[-1]
    assert "<b>bold" not in told[-1]
    assert "<i>" not in told[-1]


def test_unknown_keywords_are_refused():
    with pytest.raises(TypeError, match="mirror"):
        SearchPanel(hub="x")


def test_papermill_waits_for_the_results_and_keeps_them(search_hub: LoopbackHub, tmp_path: Path):
    cells = [
        f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\nos.environ['INFLUENCE_MIRROR'] = {search_hub.endpoint!r}\n"
        "from influence_nb.widgets import SearchPanel\npanel = SearchPanel()\npanel",
        "[hit.id for hit in panel.search('chat-7').result(60)]",
    ]
    first, second = read(executed(tmp_path, *cells)).cells
    assert second.outputs[0]["data"]["text/plain"] == "['acme/chat-7']"
    live, static = first.outputs
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert "acme/chat-7" in static["data"]["text/html"]
