"""`inb.tokenizer`: texts, vocabularies and chats taken apart, through the public API."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import influence_nb as inb
from influence_nb.engine.tokenizer import Tokenizer
from influence_nb.errors import BrokenModel, CapabilityMissing, InvalidData, ModelNotFound, UnsupportedModel
from tests import tiny
from tests.engine.gguf import bare
from tests.engine.test_token_text import sentencepiece, wordpiece

TEXT = "Zwölf  words\n\t\N{SLIGHTLY SMILING FACE} 世界 <|im_end|>"


@pytest.fixture
def words() -> inb.Tokenizer:
    return Tokenizer("tiny", tiny.tokenizer())


def pieces(tokens: inb.Tokens) -> list[str]:
    assert tokens.source is not None
    return [tokens.source[token.start : token.end] for token in tokens]


@pytest.mark.parametrize("make", [tiny.tokenizer, sentencepiece])
@settings(max_examples=40)
@given(st.text(alphabet="athe c\n\N{SLIGHTLY SMILING FACE}世é", max_size=20))
def test_every_token_lies_where_its_bytes_are(make: Callable[[], object], text: str):
    tokens = Tokenizer("x", make()).tokenize(text, special=False)
    last = 0
    for token in tokens:
        assert token.start is not None
        assert token.end is not None
        assert last >= token.start >= 0
        covered = text[token.start : token.end].encode()
        assert token.bytes.removeprefix(b" ") in covered or token.bytes in b" " + covered
        last = token.end
    assert last == len(text)


def test_ids_bytes_and_places(words: inb.Tokenizer):
    tokens = words.tokenize(TEXT)
    assert tokens.ids == words.raw(TEXT)["input_ids"]
    assert b"".join(token.bytes for token in tokens).decode() == TEXT
    assert words.decode(tokens.ids) == TEXT
    assert [token.special for token in tokens][-1]
    parrot = words.tokenize("a\N{PARROT}b")
    assert [(one.start, one.end) for one in parrot][1:-1] == [(1, 2)] * (len(parrot) - 2)
    assert parrot[1].text.startswith("\ufffd")
    frame = tokens.to_frame()
    assert list(frame.columns) == ["token", "id", "piece", "bytes", "start", "end", "special", "role"]
    assert frame["token"][0] == tokens[0].visible


def test_the_pictures_escape_what_they_show(words: inb.Tokenizer):
    evil = "<img src=x onerror=alert(1)>"
    assert "<img" not in words.tokenize(evil)._repr_html_()
    other = Tokenizer("<b>", wordpiece())
    drawn = words.tokenize(evil).compare(other.tokenize(evil))._repr_html_()
    assert "<img" not in drawn
    assert "<b>" not in drawn
    assert "<b>" not in other.costs({"<b>": "a b"})._repr_html_()


def test_two_tokenizers_over_one_text(words: inb.Tokenizer):
    text = "tokenization ab"
    other = Tokenizer("wordpiece", wordpiece())
    compared = words.tokenize(text).compare(other.tokenize(text))
    assert "".join(one.text for one in compared.stretches) == text
    assert [pieces(compared.second)[at] for one in compared.stretches for at in one.second] == [
        "token", "ization", "a", "b",
    ]  # fmt: skip
    assert compared.differences
    assert len(compared.to_frame()) == len(compared.differences)
    same = words.tokenize(text).compare(words.tokenize(text))
    assert same.differences == ()
    with pytest.raises(InvalidData, match="same text"):
        words.tokenize("a").compare(other.tokenize("b"))


def test_a_mark_that_is_added_is_no_difference(tiny_folder: Callable[..., Path]):
    from tokenizers.processors import TemplateProcessing

    raw = tiny.tokenizer()
    plain = Tokenizer("plain", tiny.tokenizer())
    raw.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A <|im_end|>", special_tokens=[("<|endoftext|>", 0), ("<|im_end|>", 2)]
    )
    marked = Tokenizer("marked", raw).tokenize("over the dog")
    assert [(one.start, one.end) for one in (marked[0], marked[-1])] == [(0, 0), (12, 12)]
    assert marked.compare(plain.tokenize("over the dog")).differences == ()
    assert Tokenizer("marked", raw).tokenize("over", special=False)[0].start == 0


def test_the_vocabulary_is_searched(words: inb.Tokenizer):
    found = words.find("he")
    assert found[0].bytes == b"he"
    assert all(b"he" in token.bytes for token in found)
    assert found.total == len(found)
    assert words.find("e", limit=2).total > 2
    assert [one.text for one in words.find(re.compile(r"^ [a-z]$"))]
    half = words.find(bytes([0xF0]))
    assert half[0].bytes == b"\xf0"
    assert words.find(0)[0].piece == "<|endoftext|>"
    assert len(words.find("no such token, surely")) == 0


@pytest.mark.parametrize("query", ["", b"", None, 1.5, True, 10**9, -1, "\ud800"])
def test_what_cannot_be_searched_for_is_refused(words: inb.Tokenizer, query: object):
    with pytest.raises(InvalidData) as caught:
        words.find(query)
    assert caught.value.hint
    with pytest.raises(InvalidData):
        words.find("a", limit=0)
    assert len(words.find("a"))


def test_special_tokens_say_what_they_are_for(words: inb.Tokenizer):
    assert [one.piece for one in words.special_tokens] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert all(one.special for one in words.special_tokens)
    assert words.special_tokens[2].role is None
    words.raw.eos_token = "<|im_end|>"
    assert Tokenizer("tiny", words.raw).special_tokens[2].role == "eos"


def test_a_chats_tokens_are_told_apart(words: inb.Tokenizer):
    messages = [
        {"role": "system", "content": "user"},
        {"role": "user", "content": " hello user\n"},
        {"role": "assistant", "content": "user"},
    ]
    tokens = words.chat(messages)
    said = {
        role: "".join(one.text for one in tokens if one.role == role)
        for role in ("system", "user", "assistant", "template")
    }
    assert said["system"] == said["assistant"] == "user"
    assert said["user"] == " hello user\n"
    assert said["template"].endswith("<|im_start|>assistant\n")
    assert tokens.ids == words.raw(tokens.source, add_special_tokens=False)["input_ids"]
    assert len(words.chat(messages, answering=False)) < len(tokens)
    assert "".join(one.text for one in words.chat(messages, switches={"enable_thinking": False})).endswith(
        "</think>"
    )


def test_a_template_that_changes_what_is_said(words: inb.Tokenizer):
    words.raw.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'].split('#')[-1] | trim }}\n{% endfor %}"
    )
    tokens = words.chat([{"role": "user", "content": " hello "}, {"role": "assistant", "content": "x # you"}])
    assert "".join(one.text for one in tokens if one.role == "user") == "hello"
    assert "".join(one.text for one in tokens if one.role == "assistant") == ""


def test_chats_that_are_none_are_refused(words: inb.Tokenizer):
    with pytest.raises(InvalidData):
        words.chat([])
    with pytest.raises(CapabilityMissing):
        Tokenizer("none", wordpiece()).chat([{"role": "user", "content": "a"}])


def test_costs_of_languages(words: inb.Tokenizer):
    costs = words.costs()
    frame = costs.to_frame()
    assert len(frame) >= 16
    assert frame["times"]["English"] == 1
    assert frame["tokens"]["German"] == len(words.tokenize(costs[3].text))
    assert frame["words"].isna()[["Chinese", "Japanese"]].all()
    assert frame["words"]["Python"] > 0
    mine = words.costs({"a": "one two", "b": "one"})
    assert [one.words for one in mine] == [2, 1]
    for wrong in ({}, {"a": ""}, {"a": 1}, ["text"]):
        with pytest.raises(InvalidData):
            words.costs(wrong)


@pytest.mark.parametrize("text", [None, b"bytes", "\ud800", ["a"]])
def test_what_is_no_text_is_refused(words: inb.Tokenizer, text: object):
    with pytest.raises(InvalidData):
        words.tokenize(text)
    assert len(words.tokenize("a")) == 1


# -- where tokenizers come from ----------------------------------------------------------------------------------------


def test_from_a_folder_and_from_a_loaded_model(tiny_folder: Callable[..., Path], model: inb.Model):
    folder = inb.tokenizer(tiny_folder())
    assert folder.tokenize(TEXT).ids == inb.tokenizer(model).tokenize(TEXT).ids == model.encode(TEXT)
    model.unload()
    assert inb.tokenizer(model).tokenize(TEXT).ids == folder.tokenize(TEXT).ids


def test_what_has_no_tokenizer_here_is_refused(tiny_folder: Callable[..., Path], tmp_path: Path):
    with pytest.raises(ModelNotFound):
        inb.tokenizer("no/such")
    with pytest.raises(ModelNotFound):
        inb.tokenizer(7)
    broken = shutil.copytree(tiny_folder(), tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(BrokenModel, match="tokenizer"):
        inb.tokenizer(broken)
    slow = shutil.copytree(tiny_folder(), tmp_path / "slow")
    (slow / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    with pytest.raises(UnsupportedModel, match="ByT5Tokenizer"):
        inb.tokenizer(slow)


@pytest.mark.starter
def test_the_starter_and_its_gguf_file_cut_alike(tmp_path: Path):
    starter = inb.tokenizer()
    file = inb.tokenizer(bare(tmp_path / "model"))
    assert file.tokenize(TEXT).ids == starter.tokenize(TEXT).ids
    assert [one.bytes for one in file.tokenize(TEXT)] == [one.bytes for one in starter.tokenize(TEXT)]
    assert b"".join(one.bytes for one in file.tokenize(TEXT)).decode() == TEXT
    assert [one.role for one in starter.chat([{"role": "user", "content": "Hello"}])].count("user") == 1
    assert starter.costs().to_frame()["times"]["Hindi"] > 2
