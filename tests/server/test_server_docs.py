"""docs/server.md: every curl example is run as it stands, against a tiny model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

import influence_nb as inb
from influence_nb.server.ollama import bodies as ollama
from influence_nb.server.openai import chat, completions, embeddings

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
TEXT = PAGE.read_text(encoding="utf-8")
# Those that fetch and remove models are shown as sh, and driven by test_ollama.py.
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    found = [one for block in BLOCKS for one in re.split(r"^(?=curl )", block, flags=re.MULTILINE)]
    return [one.strip() for one in found if one.strip()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("command", commands(), ids=lambda command: re.findall(r"11434(\S*)", command)[0])
def test_curl_examples_run(command: str, server: inb.Server) -> None:
    here = command.replace("http://127.0.0.1:11434", server.url).replace("starter/chat", "llama")
    done = subprocess.run(["bash", "-c", here], capture_output=True, timeout=120)
    said = done.stdout.decode()
    assert done.returncode == 0
    assert said
    assert '"error":{' not in said
    assert '{"error":' not in said
    if said.startswith("{") and said.count("\n") < 2:
        json.loads(said)


def rows(heading: str) -> list[tuple[list[str], str]]:
    """The table below a heading: the names in a row's first cell, and what is said of them."""
    part = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ", 1) for line in part.splitlines() if line.startswith("| ")]
    return [(re.findall(r"`([^`]+)`", names), said) for names, said in cells]


@pytest.mark.parametrize(
    ("heading", "bodies"),
    [
        ("OpenAI's API", (chat.Chat, completions.Complete, embeddings.Embed)),
        ("Ollama's API", (ollama.Generate, ollama.Chat, ollama.Options)),
    ],
)
def test_every_field_is_in_the_table(heading: str, bodies: tuple[type[BaseModel], ...]) -> None:
    told = {name.partition(".")[0] for names, _ in rows(heading) for name in names}
    plain = {"prompt", "input", "messages", "stream"}  # what the call is about
    without_effect = {"num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap"}
    assert {name for body in bodies for name in body.model_fields} - told - plain - without_effect == set()


def test_what_the_tables_refuse_is_refused(http: httpx.Client) -> None:
    refused = {
        heading: [
            name for names, said in rows(heading) for name in names if said.startswith("refused by name")
        ]
        for heading in ("OpenAI's API", "Ollama's API")
    }
    assert len(refused["OpenAI's API"]) > 5
    assert refused["Ollama's API"] == ["images"]
    messages = [{"role": "user", "content": "a"}]
    values = {
        "images": ["a"],
        "modalities": ["audio"],
        "best_of": 3,
        "functions": [{}],
        "suffix": "a",
    }
    for name in refused["OpenAI's API"]:
        path, body = "/v1/chat/completions", {"messages": messages}
        if name in ("suffix", "best_of"):
            path, body = "/v1/completions", {"prompt": "a"}
        answer = http.post(path, json={**body, name: values.get(name, "high")})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)
    for name in refused["Ollama's API"]:
        answer = http.post("/api/generate", json={"prompt": "a", name: values.get(name, "a")})
        assert answer.status_code == 400
        assert name in answer.json()["error"]


def test_every_endpoint_has_an_example(server: inb.Server) -> None:
    paths = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()["paths"]
    missing = [
        path for path in paths if f"http://127.0.0.1:11434{path.partition('{')[0].rstrip('/')}" not in TEXT
    ]
    assert missing == []
