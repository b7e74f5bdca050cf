"""Tool calls: told to the template, read out of what the model writes, whole and in streams, by both packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import ollama
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import influence_nb as inb
from influence_nb.server.tools import Reader, read
from tests import tiny

CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Köln", "days": [1, 2]}}\n</tool_call>'
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
SAID: Any = [{"role": "user", "content": "Is it raining?"}]
TEMPLATE = (
    "{% if tools %}<|im_start|>system\nTools: {{ tools | tojson }} Answer <tool_call>...</tool_call>"
    "<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }} "
    "{{ call.function.arguments | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Script:
    """Makes a network write a given text: its logits are replaced, whatever it was asked."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._ids: list[int] = []
        self.prompts: list[str] = []
        model.network.register_forward_hook(self._rewrite, with_kwargs=True)

    def writes(self, text: str) -> None:
        self._ids = [*self._model.encode(text, special=False), 2]

    def _rewrite(self, network: Any, args: Any, named: dict[str, Any], output: Any) -> Any:
        ids = named["input_ids"]
        if ids.shape[1] > 1:
            self.prompts.append(self._model.decode(ids[0].tolist(), special=True))
        output.logits[:] = 0
        output.logits[..., self._ids.pop(0)] = 100
        return output


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    folder = tiny.build(tmp_path_factory.mktemp("tools") / "caller", "llama", max_position_embeddings=4096)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return Script(inb.load(folder, device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def calling(script: Script) -> Iterator[inb.Server]:
    with inb.serve(script._model, port=0) as server:
        yield server


def test_a_call_by_openai_s_client(script: Script, calling: inb.Server) -> None:
    direct = httpx.Client(trust_env=False, timeout=60)
    client = openai.OpenAI(base_url=f"{calling.url}/v1", api_key="none", max_retries=0, http_client=direct)
    script.writes(f"Let me see. {CALL}")
    choice = client.chat.completions.create(model="caller", messages=SAID, tools=TOOLS).choices[0]
    assert '"name": "weather"' in script.prompts[-1]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see. "
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Köln", "days": [1, 2]},
    )

    script.writes("Yes.")
    answered = [*SAID, choice.message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    final = client.chat.completions.create(model="caller", messages=answered, tools=TOOLS).choices[0]
    assert (final.message.content, final.finish_reason, final.message.tool_calls) == ("Yes.", "stop", None)
    assert '<tool_call>weather {"city": "Köln", "days": [1, 2]}</tool_call>' in script.prompts[-1]
    assert "<|im_start|>tool\nrain" in script.prompts[-1]

    script.writes(f"{CALL}\n{CALL}")
    chunks = list(client.chat.completions.create(model="caller", messages=SAID, tools=TOOLS, stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [(call.index, call.function and call.function.name) for call in calls] == [
        (0, "weather"),
        (1, "weather"),
    ]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ""
    assert chunks[-1].choices[0].finish_reason == "tool_calls"

    script.writes(CALL)
    told = client.chat.completions.create(
        model="caller", messages=SAID, tools=TOOLS, tool_choice="none"
    ).choices[0]
    assert told.message.content == CALL
    assert "weather" not in script.prompts[-1]


def test_a_call_by_ollama_s_client(script: Script, calling: inb.Server) -> None:
    client = ollama.Client(calling.url, trust_env=False, timeout=60)
    options: Any = {"temperature": 0}
    script.writes(CALL)
    said = client.chat("caller", SAID, tools=TOOLS, options=options)
    (call,) = said.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", {"city": "Köln", "days": [1, 2]})
    script.writes("Yes.")
    answered = [*SAID, said.message, {"role": "tool", "tool_name": "weather", "content": "rain"}]
    assert client.chat("caller", answered, tools=TOOLS, options=options).message.content == "Yes."
    assert "<tool_call>weather" in script.prompts[-1]
    script.writes(f"So: {CALL}")
    parts = list(client.chat("caller", SAID, tools=TOOLS, options=options, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "So: "
    assert len([call for part in parts for call in part.message.tool_calls or []]) == 1


def test_a_model_whose_template_knows_no_tools(http: httpx.Client) -> None:
    for path in ("/v1/chat/completions", "/api/chat"):
        answer = http.post(path, json={"model": "llama", "messages": SAID, "tools": TOOLS})
        assert answer.status_code == 400
        assert "knows no tools" in answer.text


@given(
    st.lists(st.sampled_from(["a", " ", "<", "<tool", CALL, "<tool_call>", "{", "</tool_call>", "\n"])),
    st.data(),
)
def test_a_text_is_read_the_same_however_it_is_cut(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    reader = Reader(True)
    bounds = [0, *cuts, len(text)]
    said = "".join(reader.push(text[a:b]) for a, b in pairwise(bounds)) + reader.rest()
    whole, calls = read(text, True)
    assert said == whole
    assert [(call.name, call.arguments) for call in reader.calls] == [
        (call.name, call.arguments) for call in calls
    ]
    if "<tool_call>" not in text:
        assert (whole, calls) == (text, [])
