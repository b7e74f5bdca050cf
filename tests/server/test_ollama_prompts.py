"""Ollama's `think`, `template` and `suffix`: what the model is given, and how its answer is put."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

import influence_nb as inb
from influence_nb.engine import prompts
from influence_nb.server.ollama import prompting
from influence_nb.server.ollama.bodies import Generate
from influence_nb.server.ollama.go_template import rendered
from influence_nb.server.refusals import Refused
from influence_nb.server.thinking import Reader
from tests import tiny
from tests.server.test_tools import TEMPLATE as CALLING
from tests.server.test_tools import Script

SAID: Any = [{"role": "user", "content": "Why?"}]
THINKING = CALLING.replace(
    "<|im_start|>assistant\n{% endif %}",
    "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% endif %}{% if reasoning_effort %}[{{ reasoning_effort }}]{% endif %}{% endif %}",
)
ALWAYS = CALLING.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
GREEDY: Any = {"temperature": 0}


def scripted(folder: Path, template: str) -> Script:
    """A tiny model that writes what it is told to, with that chat template."""
    tiny.build(folder, "llama", max_position_embeddings=4096)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return Script(inb.load(folder, device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Script]:
    place = tmp_path_factory.mktemp("thinking")
    templates = {"thinker": THINKING, "always": ALWAYS, "caller": CALLING}
    return {name: scripted(place / name, template) for name, template in templates.items()}


@pytest.fixture(scope="module")
def client(scripts: dict[str, Script]) -> Iterator[ollama.Client]:
    with inb.serve(scripts["thinker"]._model, port=0) as server:
        yield ollama.Client(server.url, trust_env=False, timeout=60)


def test_thoughts_come_apart_from_the_answer(client: ollama.Client, scripts: dict[str, Script]) -> None:
    script = scripts["thinker"]
    script.writes("<think>\nBecause <b>.\n</think>\n\nSo.")
    said = client.chat("thinker", SAID, think=True, options=GREEDY)
    assert (said.message.thinking, said.message.content) == ("Because <b>.\n", "So.")
    assert script.prompts[-1].endswith("assistant\n")
    script.writes("<think>\nBecause.\n</think>\n\nSo.")
    parts = list(client.chat("thinker", SAID, options=GREEDY, stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == "Because.\n"
    assert "".join(part.message.content or "" for part in parts) == "So."
    script.writes("<think>Because.</think>So.")
    whole = client.generate("thinker", "Why?", think="high", options=GREEDY)
    assert (whole.thinking, whole.response) == ("Because.", "So.")
    assert script.prompts[-1].endswith("[high]")


def test_a_model_can_be_told_not_to_think(client: ollama.Client, scripts: dict[str, Script]) -> None:
    script = scripts["thinker"]
    script.writes("So.")
    said = client.chat("thinker", SAID, think=False, options=GREEDY)
    assert (said.message.thinking, said.message.content) == (None, "So.")
    assert script.prompts[-1].endswith("<think>\n\n</think>\n\n")
    script.writes("{")
    held = client.chat("thinker", SAID, format="json", options={**GREEDY, "num_predict": 1})
    assert (held.message.thinking, held.message.content) == (None, "{")
    assert script.prompts[-1].endswith("<think>\n\n</think>\n\n")


def test_a_template_that_opens_the_thought_itself(client: ollama.Client, scripts: dict[str, Script]) -> None:
    scripts["always"].writes("Because.</think>So.")
    said = client.generate("always", "Why?", options=GREEDY)
    assert (said.thinking, said.response) == ("Because.", "So.")
    scripts["always"].writes("<think> stands there raw")
    raw = client.generate("always", "Why?", raw=True, options=GREEDY)
    assert (raw.thinking, raw.response) == (None, "<think> stands there raw")


def test_thoughts_and_calls(client: ollama.Client, scripts: dict[str, Script]) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    call = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>'
    scripts["thinker"].writes(f"<think>It may rain. {call}</think>Let me see. {call}")
    said = client.chat("thinker", SAID, tools=[tool], think=True, options=GREEDY).message
    assert said.thinking == f"It may rain. {call}"
    assert said.content == "Let me see. "
    assert len(said.tool_calls or []) == 1


def test_a_model_that_does_not_think(client: ollama.Client, scripts: dict[str, Script]) -> None:
    for ask in (
        lambda: client.chat("caller", SAID, think=True),
        lambda: client.generate("caller", "Why?", think="low"),
    ):
        with pytest.raises(ollama.ResponseError, match='"caller" does not support thinking') as caught:
            ask()
        assert caught.value.status_code == 400
    scripts["caller"].writes("So.")
    assert client.chat("caller", SAID, think=False, options=GREEDY).message.content == "So."
    assert client.show("thinker").capabilities == ["completion", "tools", "thinking"]
    assert client.show("caller").capabilities == ["completion", "tools"]


@given(
    st.lists(st.sampled_from(["a", " ", "<", "<think>", "</think>", "</th", "\n"])), st.booleans(), st.data()
)
def test_a_text_is_read_the_same_however_it_is_cut(
    pieces: list[str], begun: bool, data: st.DataObject
) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    reader = Reader(True, begun)
    found = [reader.push(text[a:b]) for a, b in pairwise([0, *cuts, len(text)])] + [reader.rest()]
    whole = Reader(True, begun).whole(text)
    assert ("".join(one for one, _ in found), "".join(one for _, one in found)) == whole
    if not begun and not text.lstrip().startswith("<think>"):
        assert whole == ("", text)
    assert Reader(False).whole(text) == ("", text)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ .System }} USER: {{ .Prompt }} ASSISTANT:", "S USER: P ASSISTANT:"),
        ("{{- if .System }}<s>{{ .System }}</s>{{ end }}{{ .Prompt }}", "<s>S</s>P"),
        ("{{ if .Suffix }}x{{ else if .Prompt }}y{{ else }}z{{ end }}", "y"),
        ("{{ if not .Suffix }}a{{ end }}{{ if and .System .Suffix }}b{{ end }}", "a"),
        ("{{ if or .System .Suffix }}c{{ end }}", "c"),
        ("a  {{- .Prompt -}}  b", "aPb"),
        ("{{ .Prompt }}<a>{{ .Response }}<end>", "P<a>"),
        ("{{ if .Suffix }}{{ .Response }}{{ end }}{{/* a word */}}{{ .Prompt }}", "P"),
        ("a{{/*a word*/}}{{if\t.System}}b{{else\tif  .Prompt}}c{{end}}{{/**/}}", "ab"),
        ("a \n{{-\n.Prompt\t-}}\u2003 b", "aP\u2003 b"),
        ("{{ if .Suffix }}{{ if .Prompt }}a{{ else }}b{{ end }}{{ else }}c{{ end }}", "c"),
        ("{{ if .Suffix }}{{ if .Suffix }}a{{ else }}b{{ end }}{{ end }}c", "c"),
        ("{{ if .Prompt }}" * 100 + "a" + "{{ end }}" * 100, "a"),
        ("{{ if .Prompt }}a{{ end }}" * 101, "a" * 101),
        ("no braces } { at all", "no braces } { at all"),
    ],
)  # fmt: skip
def test_templates(template: str, said: str) -> None:
    assert rendered(template, {".System": "S", ".Prompt": "P"}) == said


@pytest.mark.parametrize(
    "template",
    ["{{ range .Messages }}", "{{ .Tools }}", "{{ if }}", "{{ if .A }}{{ end }}", "{{ end }}", "{{ else }}",
     "{{ .Prompt", "{{ if .Prompt }}", "{{ if eq .Prompt 1 }}{{ end }}",
     "{% for m in messages %}{{ m.content }}{% endfor %}",
     "{{ if and }}{{ end }}", "{{ if not .Prompt .System }}{{ end }}",
     "{{ else if .Prompt }}",
     "{{ if .System }}a{{ else if .Messages }}b{{ end }}", "{{ if .System }}a{{ else .Prompt }}b{{ end }}",
     "{{ if .System }}{{ end x }}", "{{ if .System }}{{ else }}{{ else }}{{ end }}",
     "{{ if .System }}{{ else }}{{ else if .Prompt }}{{ end }}", "{{ .Response x }}", "{{/* a */ b */}}", "{{/*/}}",
     "{{-}}",
     "{{ if .Prompt }}" * 101 + "{{ end }}" * 101],
)  # fmt: skip
@pytest.mark.parametrize("values", [{}, {".System": "S", ".Prompt": "P"}])
def test_templates_that_are_not_understood(template: str, values: dict[str, str]) -> None:
    with pytest.raises(Refused, match="is not understood here") as caught:
        rendered(template, values)
    assert ".Prompt" in caught.value.hint


def test_a_template_that_repeats_a_long_text_is_refused() -> None:
    with pytest.raises(Refused, match="more than 16,777,216 characters"):
        rendered("{{ .Prompt }}" * 20, {".Prompt": "x" * 2**20})
    assert len(rendered("{{ .Prompt }}" * 16, {".Prompt": "x" * 2**20})) == 2**24


def test_a_template_nested_without_end() -> None:
    with pytest.raises(Refused, match="more than 100 stand in one another"):
        rendered("{{if .System}}" * 200_000, {})


def test_a_client_s_own_template(client: ollama.Client, scripts: dict[str, Script]) -> None:
    script = scripts["caller"]
    script.writes("Yes.")
    said = client.generate(
        "caller", "Why?", system="Be short.", template="{{ .System }}|{{ .Prompt }}|", options=GREEDY
    )
    assert (script.prompts[-1], said.response) == ("Be short.|Why?|", "Yes.")
    assert said.context
    script.writes("Yes.")
    client.generate("caller", "a", suffix="b", template="{{ .Prompt }}_{{ .Suffix }}", options=GREEDY)
    assert script.prompts[-1] == "a_b"


def coder(folder: Path) -> Path:
    """A tiny model that has tokens for filling in, and no chat template."""
    tiny.build(folder, "llama")
    marks = {"<|im_start|>": "<fim_prefix>", "<|im_end|>": "<fim_suffix>", "<|endoftext|>": "<fim_middle>"}
    for file in folder.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        for old, new in marks.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    (folder / "chat_template.jinja").unlink()
    return folder


def test_filling_in(client: ollama.Client, tmp_path: Path) -> None:
    folder = coder(tmp_path / "coder")
    script = Script(inb.load(folder, device="cpu", dtype="float32"))
    script.writes("return n")
    options = {**GREEDY, "num_predict": len(script._model.encode("return n", special=False))}
    said = client.generate("coder", "def f(n):", suffix="\nprint(f(1))", options=options)
    assert said.response == "return n"
    assert script.prompts[-1] == "<fim_prefix>def f(n):<fim_suffix>\nprint(f(1))<fim_middle>"
    with pytest.raises(ollama.ResponseError, match='"caller" does not support insert') as caught:
        client.generate("caller", "a", suffix="b")
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"prompt": "a"}, "a"),
        ({"prompt": "a", "system": "b"}, "b\n\na"),
        ({"prompt": "a", "template": "{{ .Prompt }}!"}, "a!"),
        ({"prompt": "a", "suffix": "b"}, "<fim_prefix>a<fim_suffix>b<fim_middle>"),
    ],
)
def test_no_text_begins_after_a_context(body: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = coder(tmp_path / "coder")
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    begin = {"id": "<fim_middle>", "ids": [0], "tokens": ["<fim_middle>"]}
    first = {"SpecialToken": {"id": "<fim_middle>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    found["post_processor"] = {"type": "TemplateProcessing", "single": [first, text],
                               "pair": [first, text], "special_tokens": {"<fim_middle>": begin}}  # fmt: skip
    file.write_text(json.dumps(found), encoding="utf-8")
    model: Any = inb.load(folder, device="cpu", dtype="float32")
    assert model.encode("a")[0] == 0

    def ids(**more: Any) -> list[int]:
        return prompts.ids(prompting.of_text(Generate(**body, **more), model), model)

    assert ids() == [0, *model.encode(said, special=False)]
    assert ids(context=[5, 6]) == [5, 6, *model.encode(said, special=False)]
