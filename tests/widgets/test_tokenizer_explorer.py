"""The tokenizer explorer without a browser: what the page is told, what it may ask, what goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, ModelNotFound
from influence_nb.widgets.state import State
from influence_nb.widgets.tokenizer import TokenizerExplorer
from tests import tiny

WAIT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("tiny") / "llama", "llama")


@pytest.fixture(scope="module")
def other(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model without a chat template, and with words that are single tokens."""
    made = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "llama")
    (made / "chat_template.jinja").unlink(missing_ok=True)
    raw = inb.tokenizer(made).raw
    raw.chat_template = None
    raw.add_tokens(["happy"])
    raw.save_pretrained(made)
    return made


@pytest.fixture
def explorer(folder: Path) -> Iterator[TokenizerExplorer]:
    made = TokenizerExplorer(model=str(folder), text="over the dog")
    yield made
    made.close()


def say(explorer: TokenizerExplorer, number: int = 1, **values: Any) -> None:
    """What the page sends, as JSON."""
    message = {"type": "set", "values": values, "number": number}
    explorer._on_page(None, json.loads(json.dumps(message)), [])


def until(explorer: TokenizerExplorer, holds: Callable[[], bool], *traits: str) -> None:
    """Wait for a change of `traits` after which it holds."""
    import threading

    seen = threading.Event()

    def look(_: Any = None) -> None:
        if holds():
            seen.set()

    explorer.observe(look, list(traits))
    look()
    assert seen.wait(WAIT)
    explorer.unobserve(look, list(traits))


def texts(side: dict[str, Any]) -> str:
    return "".join(token["text"] for token in side["tokens"])


def test_a_text_is_cut_as_it_is_typed(explorer: TokenizerExplorer, folder: Path):
    say(explorer, 3, text="the dög\n")
    until(explorer, lambda: explorer.answered == 3 and explorer.status == "idle", "answered", "status")
    (side,) = explorer.view["sides"]
    expected = inb.tokenizer(folder).tokenize("the dög\n")
    assert [token["id"] for token in side["tokens"]] == expected.ids
    assert [(token["start"], token["end"]) for token in side["tokens"]] == list(expected.spans)
    assert bytes.fromhex("".join(token["bytes"] for token in side["tokens"])).decode() == "the dög\n"
    assert side["tokens"][-1]["line"]
    assert explorer.view["characters"] == 8
    assert explorer.problem is None
    json.dumps(explorer.get_state(), allow_nan=False, default=str)


def test_two_side_by_side(explorer: TokenizerExplorer, folder: Path, other: Path):
    explorer.choose(str(folder), str(other)).result(WAIT)
    view = explorer.tokenize("so happy").result(WAIT)
    assert [side["count"] for side in view["sides"]] == [
        len(inb.tokenizer(one).tokenize("so happy")) for one in (folder, other)
    ]
    assert view["differences"] == 1
    assert [token["text"] for token in view["sides"][1]["tokens"] if token["apart"]] == ["happy"]
    assert explorer.tokenize("so").result(WAIT)["differences"] == 0


def test_of_a_long_text_a_part_is_drawn(explorer: TokenizerExplorer):
    text = "over the lazy dog \N{PARROT} " * 50_000
    view = explorer.tokenize(text).result(WAIT)
    assert len(text) == 10**6
    assert (view["characters"], view["start"], view["end"]) == (len(text), 0, 2000)
    (side,) = view["sides"]
    assert side["count"] == len(explorer._open[explorer.chosen[0]].tokenize(text))
    assert side["tokens"][-1]["start"] < 2000 <= side["tokens"][-1]["end"] + 20
    say(explorer, 9, start=2000)
    until(explorer, lambda: explorer.view["start"] == 2000, "view")
    assert explorer.view["sides"][0]["tokens"][0]["index"] == side["tokens"][-1]["index"] + 1
    say(explorer, 10, start=10**9)
    until(explorer, lambda: explorer.view["end"] == len(text), "view")
    say(explorer, 11, text="dog")
    until(explorer, lambda: explorer.view["characters"] == 3, "view")
    assert texts(explorer.view["sides"][0]) == "dog"


def test_an_empty_text(explorer: TokenizerExplorer):
    view = explorer.tokenize("").result(WAIT)
    assert (view["characters"], view["sides"][0]["tokens"]) == (0, [])
    assert "0 tokens" in explorer.static_html()


def test_the_vocabulary_is_searched(explorer: TokenizerExplorer):
    assert explorer.find("").result(WAIT)["asked"] is False
    view = explorer.find("he").result(WAIT)
    (side,) = view["sides"]
    assert side["tokens"][0]["text"] == "he"
    assert side["total"] >= len(side["tokens"])
    assert [one["text"] for one in side["special"]][2] == "<|im_end|>"
    assert explorer.find("e4", "bytes").result(WAIT)["sides"][0]["tokens"][0]["bytes"] == "e4"
    assert explorer.find("2", "id").result(WAIT)["sides"][0]["tokens"][0]["text"] == "<|im_end|>"
    assert explorer.find("^ ?[a-c]$", "regex").result(WAIT)["sides"][0]["total"] >= 3
    beyond = explorer.find("99999", "id").result(WAIT)["sides"][0]
    assert "no token 99999" in beyond["problem"]["message"]


@pytest.mark.parametrize(("query", "kind"), [("xyz", "bytes"), ("one", "id"), ("(", "regex")])
def test_a_search_that_is_none_is_told(explorer: TokenizerExplorer, query: str, kind: str):
    say(explorer, 1, tab="vocabulary", query=query, kind=kind)
    until(explorer, lambda: explorer.problem is not None and explorer.answered == 1, "problem", "answered")
    assert explorer.problem["hint"]
    explorer.find("a").result(WAIT)
    assert explorer.problem is None


def test_a_chat_by_role_and_a_model_without_a_template(
    explorer: TokenizerExplorer, folder: Path, other: Path
):
    explorer.choose(str(folder), str(other)).result(WAIT)
    view = explorer.chat([{"role": "user", "content": "hello"}], answering=False).result(WAIT)
    first, second = view["sides"]
    assert "".join(one["text"] for one in first["tokens"] if one["role"] == "user") == "hello"
    assert first["count"] == sum(first["by_role"].values()) == len(first["tokens"])
    assert "chat template" in second["problem"]["message"]
    assert first["problem"] is None


def test_languages(explorer: TokenizerExplorer):
    view = explorer.languages().result(WAIT)
    costs = {one["name"]: one for one in view["sides"][0]["costs"]}
    assert costs["English"]["times"] == 1
    assert costs["Chinese"]["per_word"] is None
    assert "Hindi" in explorer.static_html()


@pytest.mark.parametrize(
    "values",
    [
        {"tab": "no"},
        {"text": 7},
        {"text": "x" * 4_000_001},
        {"start": "1"},
        {"kind": "no"},
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"chosen": []},
        {"chosen": ["a", "b", "c"]},
        {"answering": 1},
        {"view": {}},
    ],
)
def test_what_the_page_may_not_say_is_refused_and_the_panel_goes_on(
    explorer: TokenizerExplorer, values: dict[str, Any]
):
    say(explorer, 5, **values)
    assert explorer.problem is not None
    assert explorer.answered == 5
    explorer.tokenize("still").result(WAIT)
    assert explorer.problem is None
    assert texts(explorer.view["sides"][0]) == "still"


def test_a_model_that_is_not_there_is_told(explorer: TokenizerExplorer, folder: Path):
    with pytest.raises(ModelNotFound):
        explorer.choose("no/such").result(WAIT)
    assert "no/such" in explorer.problem["message"]
    assert explorer.problem["fetch"] is False
    explorer.choose(str(folder)).result(WAIT)
    assert explorer.problem is None
    with pytest.raises(InvalidData):
        explorer.choose(7)
    with pytest.raises(TypeError, match="modle"):
        TokenizerExplorer(modle="x")


def test_nothing_is_fetched_that_nobody_asked_for(tmp_home: Path):
    explorer = TokenizerExplorer()
    try:
        until(explorer, lambda: explorer.problem is not None, "problem")
        assert explorer.problem["fetch"] is True
        assert explorer.chosen == ["starter/chat"]
        assert not list(tmp_home.rglob("*.gguf"))
    finally:
        explorer.close()


def test_it_follows_the_selected_model_until_one_is_chosen(folder: Path, other: Path):
    state = State()
    explorer = TokenizerExplorer(state=state)
    try:
        assert explorer.view == {}  # in a Workbench nothing is opened before somebody looks
        model = inb.load(folder, device="cpu", dtype="float32")
        assert explorer.chosen == [model.name]
        assert explorer.tokenize("over").result(WAIT)["sides"][0]["name"] == model.name
        explorer.choose(str(other)).result(WAIT)
        model.unload()
        inb.load(folder, device="cpu", dtype="float32")
        assert explorer.chosen == [str(other)]
    finally:
        explorer.close()
        state.close()


def test_a_reader_sees_tokens_and_no_markup(explorer: TokenizerExplorer):
    explorer.tokenize("<script>alert(1)</script>").result(WAIT)
    drawn = explorer.static_html()
    assert "<script" not in drawn
    assert "Tokenizers · text" in drawn
    assert "as a table" in drawn
