"""`influence serve`: it prints its address, answers at once, takes settings, and ends by Ctrl-C; what it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from influence_nb.settings import settings
from tests.commands import RUN, Influence

KEY = "open-sesame"


def ask(url: str, body: Any = None, key: str | None = KEY) -> Any:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
        return json.loads(answer.read())


def test_it_answers_with_the_settings_and_ends_by_ctrl_c(folder: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"INFLUENCE_API_KEY={KEY}\nINFLUENCE_MAX_TOKENS=3\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["INFLUENCE_HOME"] = str(settings().home)
    args = ["serve", folder, "--port", "0", "--device", "cpu", "--dtype", "float32"]
    args += ["--temperature", "0", "--repetition-penalty", "1.1", "--verbose"]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"Serving {folder} at http://127.0.0.1:")
        url = line.split()[-1]
        assert "status" in ask(f"{url}/health", key=None)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"{url}/v1/generate", {"prompt": "Hello"}, key=None)
        said = ask(f"{url}/v1/generate", {"prompt": "Hello", "receipt": True})
        assert said["usage"]["completion_tokens"] <= 3
        sampling = said["receipt"]["sampling"]
        assert (sampling["max_new_tokens"], sampling["temperature"]) == (3, 0)
        written = ask(f"{url}/v1/completions", {"prompt": "Hello"})
        assert written["choices"][0]["text"] == said["text"]
        body = {"prompt": "Hello", "raw": True, "stream": False, "options": {"num_predict": 2}}
        assert ask(f"{url}/api/generate", body)["eval_count"] <= 2
        assert (said["receipt"]["device"], said["receipt"]["dtype"]) == ("cpu", "float32")
    finally:
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert rest == ""
    assert "Traceback" not in errors
    assert KEY not in errors
    assert all(json.loads(one) for one in errors.splitlines())


def test_a_port_in_use(influence: Influence, folder: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        done = influence("serve", folder, INFLUENCE_PORT=str(port))
    assert done.exit_code == 1
    assert f"Port {port} is in use by" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--host", "0.0.0.0"], 1, "there is no api_key"),
        (["no-such-model"], 1, "There is no model called 'no-such-model'"),
        (["--port", "70000"], 2, "less than or equal to 65535"),
        (["--top-p", "2"], 2, "top_p=2 is out of range"),
        (["--keep-alive", "soon"], 1, "keep_alive='soon' is not a time"),
        (["--time-limit", "0"], 1, "time_limit=0.0 cannot be."),
    ],
)
def test_what_cannot_be(influence: Influence, folder: str, args: list[str], code: int, words: str) -> None:
    done = influence("serve", *args, INFLUENCE_MODEL_PATH=folder)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
