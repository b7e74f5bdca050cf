"""`influence search`, `fit` and `download` against a loopback Hub: output, exit codes, Ctrl-C and going on."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants

import influence_nb as inb
from tests.commands import Influence, in_terminal, shown
from tests.hub.on_disk import wait_for_bytes
from tests.loopback import LoopbackHub
from tests.loopback.models import gguf, made_up, running, stock

WEIGHTS = "*/model.safetensors"


def test_search(hub: LoopbackHub, influence: Influence) -> None:
    stock(hub)
    done = influence("search", "talker", "--limit", "2", "--device", "cpu")
    assert done.exit_code == 0, done.output
    head, *rows = done.stdout.splitlines()
    assert head.startswith("Model")
    assert [row.split()[:2] for row in rows] == [["vast/talker-400B", "400B"], ["large/talker-70B", "70B"]]
    assert "There are more" in done.stderr
    hits = json.loads(influence("search", "talker", "--max-params", "2B", "--json").stdout)
    assert [(hit["id"], hit["fits"], hit["license"]) for hit in hits] == [
        ("small/talker-1B", "yes", "apache-2.0")
    ]
    gated = json.loads(influence("search", "--gated", "--json").stdout)
    assert [hit["id"] for hit in gated] == ["locked/gated"]
    done = influence("search", "nothing-like-it")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No model found.\n")
    assert json.loads(influence("search", "nothing-like-it", "--json").stdout) == []
    done = influence("search", "--sort", "beauty")
    assert done.exit_code == 1
    assert "beauty" in done.stderr


def test_search_without_a_hub(hub: LoopbackHub, influence: Influence) -> None:
    done = influence("search", "x", INFLUENCE_OFFLINE="1")
    assert done.exit_code == 1
    assert "INFLUENCE_OFFLINE forbids" in done.stderr


def test_fit(hub: LoopbackHub, influence: Influence) -> None:
    hub.add("tiny/talker", running("llama"))
    args = ("fit", "tiny/talker", "--device", "cpu", "--dtype", "float32", "--context", "64")
    done = influence(*args)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("tiny/talker in float32 on cpu: fits")
    report = json.loads(influence(*args, "--json").stdout)
    assert (report["fits"], report["context"]) == ("yes", 64)
    assert report["total"] == report["weights"] + report["cache"] + report["activations"]
    assert not hub.requests(WEIGHTS, host="cdn") or all(
        one.range for one in hub.requests(WEIGHTS, host="cdn")
    )
    assert influence("fit", "tiny/talker", "--batch", "0").exit_code == 1
    assert influence("fit", "no/such-model").exit_code == 1


def test_download_and_its_alias(hub: LoopbackHub, influence: Influence) -> None:
    commit = hub.add("tiny/talker", made_up())
    done = influence("download", "tiny/talker")
    assert done.exit_code == 0, done.output
    model = inb.library()["tiny/talker"]
    assert done.stdout == f"tiny/talker: {model.path}\n"
    said = json.loads(influence("pull", "tiny/talker", "--revision", commit, "--json").stdout)
    assert (said["name"], said["revision"], said["verified"], said["kind"]) == (
        "tiny/talker",
        commit,
        True,
        "chat",
    )


def test_what_a_download_would_do(hub: LoopbackHub, influence: Influence) -> None:
    hub.add("tiny/packed", gguf())
    done = influence("download", "tiny/packed", "--plan", "--quantization", "Q8_0")
    assert done.exit_code == 0, done.output
    assert "model.Q8_0.gguf" in done.stdout
    plan = json.loads(influence("download", "tiny/packed", "--plan", "--include", "*.md", "--json").stdout)
    assert [file["name"] for file in plan["files"]] == ["README.md"]
    assert plan["total"] == plan["remaining"] > 0
    assert list(inb.library()) == []


def test_where_a_download_goes(hub: LoopbackHub, influence: Influence, tmp_path: Path) -> None:
    hub.add("tiny/talker", made_up())
    below = str(tmp_path / "models")
    done = influence("download", "tiny/talker", INFLUENCE_OUTPUT_DIR=below)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "models" / "tiny" / "talker" / "model.safetensors").exists()
    done = influence("download", f"{hub.endpoint}/tiny/talker", "--output-dir", "mine")
    assert (tmp_path / "mine" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["no/such-model"], "has no model 'no/such-model'"),
        (["not a name"], "is not the name of a model"),
        (["locked/gated"], "locked/gated"),
        (["tiny/talker", "--revision", "elsewhere"], "has no revision 'elsewhere'"),
        (["starter/chat", "--revision", "x"], "cannot be given beside a starter"),
        (["starter/chaat"], "There is no starter model"),
    ],
)
def test_what_cannot_be_fetched(hub: LoopbackHub, influence: Influence, args: list[str], words: str) -> None:
    hub.add("tiny/talker", made_up())
    hub.add("locked/gated", made_up(), gated="manual")
    done = influence("download", *args)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


def interrupt(reached: threading.Event) -> None:
    """Ctrl-C, once some of what the hub has sent is on the disk."""
    if reached.wait(60):
        wait_for_bytes(Path(constants.HF_HUB_CACHE), 1)
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(hub: LoopbackHub, influence: Influence) -> None:
    hub.add("tiny/talker", made_up(2_000_000))
    with hub.hold(WEIGHTS, 1_000_000, "cdn") as hold:
        threading.Thread(target=interrupt, args=(hold.reached,)).start()
        done = influence("download", "tiny/talker")
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr
    assert "Traceback" not in done.output
    assert list(inb.library()) == []
    done = influence("download", "tiny/talker", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verified"]
    ranges = [request.range for request in hub.requests(WEIGHTS, host="cdn")]
    assert ranges[-1] is not None
    assert ranges[-1][0] > 0, "from where it stopped"


def test_a_terminal_shows_a_bar(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add("tiny/talker", made_up(2_000_000))
    around = {"INFLUENCE_MIRROR": hub.endpoint, "HF_HUB_CACHE": str(tmp_path / "cache"), **hub.environment}
    child = in_terminal(
        "download", "tiny/talker", cwd=tmp_path, INFLUENCE_HOME=str(tmp_path / "home"), **around
    )
    text = shown(child.read())
    child.wait()
    assert child.exitstatus == 0
    assert "tiny/talker: ready ━" in text
    assert "2.0/2.0 MB" in text
    assert "tiny/talker: /" in text
