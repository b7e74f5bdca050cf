from __future__ import annotations

from typing import Any

import pytest

from influence_nb.engine import template
from influence_nb.errors import InvalidData
from tests import tiny

QWEN = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}{% endif %}"
)
GRANITE = (
    "{% if thinking %}Think aloud.{% endif %}{% for m in messages %}{{ m.content }}<|endoftext|>{% endfor %}"
)
EACH = "{% for m in messages %}{{ m.content }}{% endfor %}"
PLAIN = "{% set x = 1 %}{% if x %}{% endif %}{% if tools %}{{ tools }}{% endif %}" + EACH
MARKED = "{% generation %}" + EACH + "{% endgeneration %}{% if not quick %}slow{% endif %}"


@pytest.fixture
def words() -> Any:
    return tiny.tokenizer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (QWEN, {"enable_thinking": True}),
        (GRANITE, {"thinking": False}),
        (PLAIN, {}),
        (MARKED, {"quick": False}),
    ],
)
def test_switches_are_those_the_template_asks_about(words: Any, text: str, expected: dict[str, bool]) -> None:
    words.chat_template = text
    assert template.switches(words) == expected


def test_a_template_that_cannot_be_parsed_has_none(words: Any) -> None:
    words.chat_template = "{% if %}"
    assert template.switches(words) == {}


@pytest.mark.parametrize(("text", "end"), [(QWEN, "<|im_end|>"), (GRANITE, "<|endoftext|>")])
def test_the_end_of_a_turn_is_what_the_template_puts_there(words: Any, text: str, end: str) -> None:
    words.chat_template = text
    assert template.end_of_turn(words) == {words.convert_tokens_to_ids(end)}


def test_a_template_without_an_end_adds_none(words: Any) -> None:
    words.chat_template = PLAIN
    assert template.end_of_turn(words) == set()
    words.chat_template = None
    assert template.end_of_turn(words) == set()


def test_messages_that_the_template_refuses_are_bad_data(words: Any) -> None:
    words.chat_template = "{{ raise_exception('no system message, please') }}"
    with pytest.raises(InvalidData, match="no system message, please"):
        template.render(words, [{"role": "system", "content": "x"}])
