"""Settings: where each value comes from, what is said of one that cannot be, `.env` and where it is looked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from influence_nb.api import defaults
from influence_nb.cli import app
from influence_nb.cli.config import sample
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData, InvalidSampling, SettingsError
from influence_nb.settings import Settings, dotenv, explained, settings

VARIABLES = [f"INFLUENCE_{name.upper()}" for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder two below a home directory, and an environment without settings."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "people" / "me"))
    folder = tmp_path / "people" / "me" / "work" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def origins() -> dict[str, str]:
    settings.cache_clear()
    return {one.variable: one.origin for one in explained() if one.origin != "default"}


def influence(*args: str) -> Result:
    settings.cache_clear()
    return CliRunner().invoke(app, ["config", *args])


def test_all_that_the_issue_names_are_there() -> None:
    names = (
        "MODEL_PATH TEMPERATURE TOP_P TOP_K REPEAT_PENALTY MAX_TOKENS DEVICE DEVICE_INDEX PORT WARMUP_TOKENS"
    )
    for name in (*names.split(), "MIRROR", "OUTPUT_DIR", "HOME", "API_KEY", "LOG"):
        assert f"INFLUENCE_{name}" in VARIABLES


def test_the_environment_over_dotenv_over_defaults(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("INFLUENCE_TOP_K=7\nINFLUENCE_PORT=1234\nINFLUENCE_LOG=\n")
    monkeypatch.setenv("INFLUENCE_PORT", "4321")
    monkeypatch.setenv("INFLUENCE_TOP_P", "")
    assert origins() == {"INFLUENCE_TOP_K": str(folder / ".env"), "INFLUENCE_PORT": "environment"}
    assert (settings().top_k, settings().port, settings().log, settings().top_p) == (7, 4321, "warning", None)


def test_where_dotenv_is_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder.parents[1]
    assert dotenv() is None
    (home.parent / ".env").write_text("INFLUENCE_PORT=1\n")
    assert dotenv() is None, "of a parent of the home directory"
    (home / ".env").write_text("INFLUENCE_PORT=2\n")
    assert dotenv() == home / ".env"
    (folder / ".env").write_text("INFLUENCE_PORT=3\n")
    assert dotenv() == folder / ".env"
    monkeypatch.chdir(home.parent)
    assert dotenv() is None, "a parent of the home directory, though it is the working folder"
    outside = home.parents[1] / "elsewhere" / "below"
    outside.mkdir(parents=True)
    (outside.parent / ".env").write_text("INFLUENCE_PORT=4\n")
    monkeypatch.chdir(outside)
    assert dotenv() is None, "above the working folder, and not below home"
    (outside / ".env").write_text("INFLUENCE_PORT=5\n")
    assert dotenv() == outside / ".env"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEMPERATURE", "-1"),
        ("TEMPERATURE", "nan"),
        ("TOP_P", "1.5"),
        ("TOP_P", "0"),
        ("TOP_K", "2.5"),
        ("REPEAT_PENALTY", "much"),
        ("MAX_TOKENS", "0"),
        ("DEVICE_INDEX", "-1"),
        ("PORT", "99999"),
        ("LOG", "loud"),
        ("OFFLINE", "perhaps"),
        ("MEMORY_BUDGET", "8 bananas"),
    ],
)
def test_a_bad_value_names_the_variable_and_where_it_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (folder / ".env").write_text(f"INFLUENCE_{name}={value}\n")
    done = influence()
    assert done.exit_code == 1
    assert f"INFLUENCE_{name} cannot be read" in done.stderr
    assert repr(value) in done.stderr
    assert str(folder / ".env") in done.stderr
    monkeypatch.setenv(f"INFLUENCE_{name}", value)
    settings.cache_clear()
    with pytest.raises(SettingsError) as caught:
        settings()
    assert caught.value.hint == f"Change or unset INFLUENCE_{name} in the environment."


def test_dotenv_that_is_no_text(folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xff\xfeI")
    done = influence()
    assert done.exit_code == 1
    assert f"{folder / '.env'} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_dotenv_that_may_not_be_read(folder: Path) -> None:
    (folder / ".env").write_text("INFLUENCE_PORT=1\n")
    (folder / ".env").chmod(0)
    assert influence().exit_code == 1


def test_config_shows_each_setting_where_it_came_from_and_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("INFLUENCE_API_KEY=open-sesame\nINFLUENCE_TEMPRATURE=1\n")
    monkeypatch.setenv("INFLUENCE_OUTPUT_DIR", "/somewhere")
    done = influence()
    assert done.exit_code == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert list(lines) == ["setting", *VARIABLES]
    assert lines["INFLUENCE_API_KEY"].split() == ["INFLUENCE_API_KEY", "set", str(folder / ".env")]
    assert lines["INFLUENCE_OUTPUT_DIR"].split() == ["INFLUENCE_OUTPUT_DIR", "/somewhere", "environment"]
    assert lines["INFLUENCE_PORT"].split() == ["INFLUENCE_PORT", "11434", "default"]
    assert "INFLUENCE_TEMPRATURE" in done.stderr
    assert "Did you mean INFLUENCE_TEMPERATURE?" in done.stderr
    rows = json.loads(influence("--json").stdout)
    assert [row["variable"] for row in rows] == VARIABLES
    assert all(row["description"] for row in rows)
    assert "open-sesame" not in done.output + influence("--json").output + influence("--example").output


def test_the_example_is_true(folder: Path) -> None:
    example = Path(__file__).parents[1] / ".env.example"
    assert example.read_text(encoding="utf-8") == sample(), "run: influence config --example > .env.example"
    assert influence("--example").stdout == sample()
    kept = settings()
    every = [line[2:] for line in sample().splitlines() if line.startswith("# INFLUENCE_")]
    assert [line.partition("=")[0] for line in every] == VARIABLES
    (folder / ".env").write_text("\n".join(every))  # each at what it is when nothing is set
    settings.cache_clear()
    assert settings() == kept


def test_sampling_settings_are_for_commands_and_the_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("TEMPERATURE", "0.25"),
        ("TOP_K", "5"),
        ("REPEAT_PENALTY", "1.5"),
        ("MAX_TOKENS", "9"),
    ):
        monkeypatch.setenv(f"INFLUENCE_{name}", value)
    settings.cache_clear()
    assert Sampling() == Sampling(0.7, None, 0.9)
    made = defaults.sampling(top_k=3)
    assert (made.temperature, made.top_k, made.top_p) == (0.25, 3, 0.9)
    assert (made.repetition_penalty, made.max_new_tokens) == (1.5, 9)
    with pytest.raises(InvalidSampling):
        defaults.sampling(temperature=-1)


def test_which_model_and_which_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert defaults.model() == "starter/chat"
    assert (defaults.device(), defaults.device("cuda", 1), defaults.device(None, 2)) == (
        "auto",
        "cuda:1",
        "cuda:2",
    )
    monkeypatch.setenv("INFLUENCE_MODEL_PATH", "./mine")
    monkeypatch.setenv("INFLUENCE_DEVICE", "CUDA")
    monkeypatch.setenv("INFLUENCE_DEVICE_INDEX", "3")
    settings.cache_clear()
    assert (defaults.model(), defaults.model("other")) == ("./mine", "other")
    assert (defaults.device(), defaults.device("cpu"), defaults.device("cuda:0")) == (
        "cuda:3",
        "cpu",
        "cuda:0",
    )
    with pytest.raises(InvalidData, match="has no index 1"):
        defaults.device("cpu", 1)
