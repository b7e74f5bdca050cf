"""docs/server.md: every curl example is run as it stands, against a tiny model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import influence_nb as inb

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


def test_every_endpoint_has_an_example(server: inb.Server) -> None:
    import httpx

    paths = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()["paths"]
    missing = [
        path for path in paths if f"http://127.0.0.1:11434{path.partition('{')[0].rstrip('/')}" not in TEXT
    ]
    assert missing == []
