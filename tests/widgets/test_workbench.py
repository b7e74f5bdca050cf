"""The Workbench without a browser: one selection for all panels, and texts that go from the lab to the chat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_model import FakeModel
from waiting import WAIT, until

import influence_nb as inb
from influence_nb.errors import InfluenceError
from influence_nb.widgets.workbench import Workbench

TABS = ("Search", "Download", "Library", "Load", "Chat", "Sampling", "Tokens", "Embeddings", "Runs")


@pytest.fixture
def workbench() -> Iterator[Workbench]:
    made = Workbench()
    yield made
    made.close()


def test_the_panels_share_one_selection(workbench: Workbench):
    assert workbench.titles == TABS
    assert workbench.titles[workbench.selected_index] == "Load"
    model = FakeModel("shared")
    assert workbench.chat.model is workbench.state.selected is model
    assert workbench.sampling.tree.model == "shared"
    workbench.chat.send("Hi").result(WAIT)
    assert "Hello there." in workbench.static_html()
    model.unload()
    assert workbench.chat.model is None
    assert workbench.sampling.tree.model == ""
    assert "Hello there." in workbench.static_html()


def test_a_branch_of_the_lab_goes_on_in_the_chat(workbench: Workbench, model: inb.Model):
    lab = workbench.sampling
    assert "not shown" not in workbench.static_html()
    tree = lab.tree.grow("Once upon").result(WAIT)
    assert lab.used == [lab.tree]
    assert "not shown" in workbench.static_html()
    branch = lab.tree.adopt(tree.root.children[0].ids).result(WAIT)
    assert workbench.titles[workbench.selected_index] == "Chat"
    assert [one["content"] for one in workbench.chat.messages] == ["Once upon", branch.text]


def test_an_answer_of_the_chat_is_looked_at_in_the_lab(workbench: Workbench, model: inb.Model):
    completion = workbench.chat.send("Hi", max_new_tokens=4, seed=1).result(WAIT)
    workbench.chat.open_in("Inspector")
    lab = workbench.sampling
    assert workbench.titles[workbench.selected_index] == "Sampling"
    assert lab.titles[lab.selected_index] == "Inspector"
    assert lab.inspector.inspected.ids == completion.ids
    workbench.chat.open_in("X-ray")
    assert lab.titles[lab.selected_index] == "X-ray"
    until(lab.xray, lambda: len(lab.xray.tokens) == len(completion.ids), "tokens")


def test_a_branch_that_the_chat_does_not_take_leaves_the_tab(workbench: Workbench, model: inb.Model):
    lab = workbench.sampling
    tree = lab.tree.grow([5, 6, 7]).result(WAIT)
    with pytest.raises(InfluenceError, match="token ids"):
        lab.tree.adopt(tree.root.children[0].ids).result(WAIT)
    assert workbench.titles[workbench.selected_index] == "Load"
    assert lab.tree.problem is not None
