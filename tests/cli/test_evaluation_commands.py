"""`influence evaluate`, `runs`, `run`, `compare`, `notebook run`: what they keep is the API's, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.evaluation import run as running
from influence_nb.settings import settings
from tests.chat_server import ChatServer
from tests.commands import Influence
from tests.evaluation.notebook import write

ROWS = [{"q": "The quick brown", "choices": ["fox", "dog jumps"], "answer": place % 2} for place in range(6)]


@pytest.fixture
def here(influence: Influence, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> Influence:
    """A home of its own, and task.json in the working folder; a command that needs a model is given the tiny one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    inb.Task(ROWS, "{{ q }}", inb.MultipleChoice(), "choosing").save(tmp_path / "task.json")
    around = {
        "INFLUENCE_HOME": str(tmp_path / "home"),
        "INFLUENCE_MODEL_PATH": folder,
        "INFLUENCE_DEVICE": "cpu",
    }

    def run(*args: str, **more: Any) -> Any:
        return influence(*args, **around, **more)

    return run


def read(here: Influence, *args: str) -> Any:
    done = here(*args, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_task_is_evaluated_kept_and_listed(here: Influence, folder: str) -> None:
    done = here("evaluate", "task.json", "--dtype", "float32")
    assert done.exit_code == 0, done.output
    first, head, *rows = done.stdout.splitlines()
    assert first.startswith("choosing by ")
    assert head.split()[:4] == ["metric", "value", "low", "high"]
    [listed] = read(here, "runs")
    assert listed["id"] in first
    model = inb.load(folder, device="cpu", dtype="float32")
    found = inb.evaluate(model, inb.Task.load("task.json"))
    model.unload()
    assert found.run.id == listed["id"], "the same run"
    assert len(inb.runs()) == 1
    assert [row.split()[0] for row in rows] == list(found.metrics)
    assert listed["metrics"]["acc"]["value"] == found.metrics["acc"].value
    shown = read(here, "run", "show", listed["id"][:6])
    assert (shown["status"], shown["metrics"]["acc"]["low"]) == ("done", found.metrics["acc"].low)
    assert Path(shown["folder"]).is_dir()
    assert here("run", "show", listed["id"][:6]).stdout.splitlines()[0] == first
    lines = here("runs").stdout.splitlines()
    assert lines[0].split()[0] == "id"
    assert "choosing" in lines[1]
    assert inb.loaded() == []


def test_sampling_and_a_limit(here: Influence) -> None:
    said = ["-s", "temperature=0.5", "-s", "max-new-tokens=3"]
    done = read(here, "evaluate", "arithmetic", "--limit", "2", "--seed", "3", *said)
    assert done["parameters"] == {"seed": 3, "limit": 2, "temperature": 0.5, "max_new_tokens": 3}
    assert len(Path(done["folder"], "items.jsonl").read_text().splitlines()) == 2


def test_two_runs_are_compared(here: Influence) -> None:
    one = read(here, "evaluate", "task.json", "--dtype", "float32")["id"]
    other = read(here, "evaluate", "task.json", "--dtype", "bfloat16")["id"]
    found = read(here, "compare", one, other, "--flipped")
    tests = inb.compare_runs(one, other).tests
    assert [(one["metric"], one["p"]) for one in found["tests"]] == [(one.metric, one.p) for one in tests]
    assert len(found["flipped"]) == tests[0].better + tests[0].worse
    said = here("compare", one, other, "--flipped").stdout
    assert f"Against run {one}" in said
    assert "McNemar" in said
    limited = read(here, "evaluate", "task.json", "--limit", "4")["id"]
    refused = here("compare", one, limited)
    assert refused.exit_code == 1
    assert "different data" in refused.stderr
    assert "in common with --other-data." in refused.stderr
    assert read(here, "compare", one, limited, "--other-data")["same_data"] is False
    assert here("compare", one).exit_code == 1


def test_a_run_is_carried_elsewhere(here: Influence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read(here, "evaluate", "task.json")
    assert f"Wrote run {run['id']}" in here("run", "export", run["id"], "run.zip").stdout
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "away"))
    settings.cache_clear()
    assert len(inb.runs()) == 0
    assert inb.import_run("run.zip").metrics["acc"].value == run["metrics"]["acc"]["value"]
    assert read(here, "run", "import", "run.zip")["id"] == run["id"]


def test_a_run_is_repeated_as_it_was_loaded(here: Influence, folder: str) -> None:
    run = read(here, "evaluate", "task.json", "--dtype", "bfloat16")["id"]
    done = here("run", "repeat", run[:6], "--model", folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Run {run}, choosing by ")
    assert "identical: every item came out the same" in done.stdout
    other = here("run", "repeat", run, "--model", folder, "--dtype", "float32")
    assert other.exit_code == 1, other.output
    assert "differs from item " in other.stdout
    assert "dtype: 'bfloat16' then, 'float32' now" in other.stdout
    near = read(here, "run", "repeat", run, "--model", folder, "--dtype", "float32", "--tolerance", "1000")
    assert (near["identical"], near["within"], near["id"]) == (False, True, run)
    assert [row["id"] for row in read(here, "runs")] == [run], "nothing that was recorded changes"
    refused = here("run", "repeat", run)
    assert refused.exit_code == 1, "the model is a folder's, not the library's"
    assert "--model" in refused.stderr


def test_a_run_of_a_model_on_a_server_asks_that_server_again(here: Influence) -> None:
    rows = [{"q": "Hi", "answer": "Hello there"}]
    inb.Task(rows, "{{ q }}", inb.ExactMatch(), "greeting", chat=True).save("greeting.json")
    with ChatServer() as server:
        run = read(here, "evaluate", "greeting.json", "--endpoint", server.url, "--model", "talker")["id"]
        done = here("run", "repeat", run)
        assert done.exit_code == 0, done.output
        assert "identical" in done.stdout
        assert len(server.posts) == 2


def test_a_judge_is_loaded_beside_the_model(here: Influence) -> None:
    rows = [{"question": "hello", "answer": "world"}]
    short = inb.Sampling(temperature=0, max_new_tokens=2)
    inb.Task(rows, "{{ question }}", inb.Judge("starter/chat"), "judged", sampling=short).save("judged.json")
    done = read(here, "evaluate", "judged.json")
    assert done["model"] != "starter/chat"
    [item] = [json.loads(line) for line in Path(done["folder"], "items.jsonl").read_text().splitlines()]
    assert item["detail"]["judge"] == "starter/chat"
    assert inb.loaded() == []


def test_a_notebook_is_run_and_kept(here: Influence, tmp_path: Path) -> None:
    write(
        tmp_path / "study.ipynb",
        "import influence_nb as inb\ninb.record('twice', 2 * seed)\nprint(name, on)",
        parameters="seed = 1\nname = 'x'\non = True",
    )
    done = read(
        here, "notebook", "run", "study.ipynb", "-p", "seed=7", "-p", "name=starter/chat", "-p", "on=None"
    )
    assert done["parameters"] == {"seed": 7, "name": "starter/chat", "on": None}
    assert done["metrics"]["twice"]["value"] == 14
    assert "starter/chat None" in Path(done["folder"], "notebook.ipynb").read_text()
    said = here("notebook", "run", "study.ipynb", "--parameter", "seed=8").stdout.splitlines()
    assert said[0].startswith("study: done in ")
    assert said[2].split() == ["twice", "16", "1", "0"]
    assert {row["kind"] for row in read(here, "runs")} == {"notebook"}


def test_a_notebook_that_fails(here: Influence, tmp_path: Path) -> None:
    write(tmp_path / "a.ipynb", "1", "1 / 0")
    done = here("notebook", "run", "a.ipynb")
    assert done.exit_code == 1
    assert "cell [2], which begins '1 / 0': ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.output
    [row] = read(here, "runs")
    assert row["status"] == "failed"
    assert "ZeroDivisionError" in here("run", "show", row["id"]).stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["evaluate", "nothing"], 1, "There is no task 'nothing'"),
        (["evaluate", "none.json"], 1, "There is no file none.json"),
        (["evaluate", "task.json", "-s", "temperature"], 2, "is not NAME=VALUE"),
        (["evaluate", "task.json", "-s", "heat=1"], 1, "heat"),
        (["evaluate", "task.json", "--limit", "0"], 2, "--limit"),
        (["notebook", "run", "none.ipynb"], 1, "There is no notebook"),
        (["notebook", "run", "task.json"], 1, "is no notebook"),
        (["notebook", "run", "a.ipynb", "-p", "seed"], 2, "is not NAME=VALUE"),
        (["notebook", "walk"], 2, "No such command"),
        (["run", "show", "abc"], 1, "There is no run 'abc'"),
        (["run", "show", "abc"], 1, "`influence runs` lists them"),
        (["run", "export", "abc", "no/such/a.zip"], 2, "There is no folder"),
        (["run", "import", "task.json"], 1, "cannot be read"),
        (["compare", "abc", "def"], 1, "There is no run 'abc'"),
    ],
)
def test_what_cannot_be(here: Influence, args: list[str], code: int, words: str) -> None:
    done = here(*args)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_no_runs_yet(here: Influence) -> None:
    done = here("runs")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "influence evaluate" in done.stderr


def test_ctrl_c_keeps_the_items_that_are_done(
    here: Influence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    asked = inb.MultipleChoice.answers
    calls: list[int] = []

    def interrupted(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return asked(*given)

    with monkeypatch.context() as patched:
        patched.setattr(inb.MultipleChoice, "answers", interrupted)
        done = here("evaluate", "task.json")
    assert done.exit_code == 130, done.output
    assert "the items that are done are kept" in done.stderr
    [row] = read(here, "runs")
    assert row["status"] == "stopped"
    assert len((tmp_path / "home" / "runs" / row["id"] / "items.jsonl").read_text().splitlines()) == 2
    assert read(here, "evaluate", "task.json")["id"] == row["id"]


def test_a_task_of_retrieval_is_for_an_encoder(here: Influence, tmp_path: Path) -> None:
    texts = ["It rained.", "She scored."]
    rows = [{"q": "weather", "answer": 0}]
    inb.Task(rows, "{{ q }}", inb.Retrieves(texts, k=1), "finding").save(tmp_path / "finding.json")
    done = here("evaluate", "finding.json", "--model", "starter/embedding", "--dtype", "float32")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("finding by starter/embedding")
    assert "ndcg" in done.stdout
    refused = here("evaluate", "finding.json", "--quantization", "int8")
    assert refused.exit_code == 2
    assert "leave --quantization out" in " ".join(refused.stderr.replace("│", " ").split())
