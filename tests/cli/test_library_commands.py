"""`influence list`, `show`, `verify` and `rm`: output and exit code, on a library of the test's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import influence_nb as inb
from tests.commands import Influence
from tests.loopback import LoopbackHub
from tests.loopback.models import running

NAME = "tiny/talker"


@pytest.fixture
def talker(hub: LoopbackHub) -> inb.LocalModel:
    """A model that came from the hub."""
    hub.add(NAME, running("llama"), license="apache-2.0")
    return inb.download(NAME)


def test_an_empty_library(tmp_home: Path, influence: Influence) -> None:
    done = influence("list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "influence starters" in done.stderr
    assert json.loads(influence("list", "--json").stdout) == {"models": [], "broken": []}


def test_list(talker: inb.LocalModel, influence: Influence) -> None:
    done = influence("list")
    assert done.exit_code == 0
    head, row = done.stdout.splitlines()
    assert head.split()[:3] == ["name", "for", "parameters"]
    assert row.split()[:2] == [NAME, "chat"]
    assert row.endswith("yes")
    said = json.loads(influence("list", "--json").stdout)
    assert said["broken"] == []
    (model,) = said["models"]
    assert (model["name"], model["size"], model["verified"]) == (NAME, talker.size, True)
    (talker.path / "config.json").unlink()
    done = influence("list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"{NAME} is not whole: It has no config.json." in done.stderr
    assert [one["name"] for one in json.loads(influence("list", "--json").stdout)["broken"]] == [NAME]


def test_show(talker: inb.LocalModel, influence: Influence) -> None:
    done = influence("show", NAME)
    assert done.exit_code == 0
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith("file"))
    assert facts["architecture"] == "LlamaForCausalLM"
    assert facts["context"] == "256 tokens"
    assert facts["folder"] == str(talker.path)
    said = json.loads(influence("show", str(talker.path), "--json").stdout)
    assert (said["context"], said["kind"], said["dtype"]) == (256, "chat", "float32")
    assert said["files"]["model.safetensors"] == (talker.path / "model.safetensors").stat().st_size
    done = influence("show", "tiny/walker")
    assert done.exit_code == 1
    assert "Did you mean tiny/talker" in done.stderr


def test_verify(talker: inb.LocalModel, influence: Influence) -> None:
    done = influence("verify", NAME)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{NAME} is whole (")
    (row,) = json.loads(influence("verify", "--all", "--json").stdout)
    assert (row["name"], row["verified"]) == (NAME, True)
    weights = (talker.path / "model.safetensors").resolve()
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = influence("verify", NAME, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["verified"] is False
    assert "model.safetensors" in done.stderr
    for args in (("verify",), ("verify", NAME, "--all")):
        assert influence(*args).exit_code == 2


def test_rm(talker: inb.LocalModel, influence: Influence, hub: LoopbackHub) -> None:
    done = influence("rm", NAME)
    assert done.exit_code == 2, "nobody can be asked"
    assert "--yes" in done.stderr
    assert talker.path.exists()
    done = influence("rm", NAME, "--yes", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"name": NAME, "bytes": talker.size}
    assert not talker.path.exists()
    done = influence("rm", NAME, "--yes")
    assert done.exit_code == 1
    assert "There is no model called" in done.stderr
    for args in ((), (NAME, "--leftovers"), ("--leftovers", "--revision", "abc")):
        assert influence("rm", *args, "--yes").exit_code == 2


def test_rm_of_leftovers(talker: inb.LocalModel, influence: Influence) -> None:
    shutil.rmtree(talker.path)
    done = influence("rm", "--leftovers", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Freed ")
    assert inb.library().leftovers() == []
    assert json.loads(influence("rm", "--leftovers", "--yes", "--json").stdout) == {"name": None, "bytes": 0}
