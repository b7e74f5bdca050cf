"""`inb.evaluate`: numbers that can be worked out by hand, runs that are kept, taken up and refused."""

from __future__ import annotations

import math
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.api import as_recorded
from influence_nb.errors import CapabilityMissing, InfluenceError, InvalidData, NotEnoughDisk, OutOfMemory
from influence_nb.evaluation import run as running
from influence_nb.evaluation import runs
from influence_nb.evaluation.judging import Answer
from tests.chat_server import ChatServer

CHOICES: list[dict[str, Any]] = [
    {"q": "The quick brown", "choices": ["fox", "dog jumps", "Zwölf"], "answer": place % 3}
    for place in range(5)
]


def choosing(**more: Any) -> inb.Task:
    return inb.Task([{**row, **more} for row in CHOICES], "{{ q }}", inb.MultipleChoice(), "choosing")


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def test_multiple_choice_by_hand(model: inb.Model) -> None:
    found = inb.evaluate(model, choosing())
    logprobs = [
        one.logprob
        for one in model.likelihoods([("The quick brown", " " + c) for c in CHOICES[0]["choices"]])
    ]
    normed = [one / len(c) for one, c in zip(logprobs, CHOICES[0]["choices"], strict=True)]
    best, best_normed = logprobs.index(max(logprobs)), normed.index(max(normed))
    for item, row in zip(found.items, CHOICES, strict=True):
        assert item["detail"]["logprobs"] == pytest.approx(logprobs, abs=1e-5)
        assert item["values"]["acc"] == (row["answer"] == best)
        assert item["values"]["acc_norm"] == (row["answer"] == best_normed)
        assert item["output"] == row["choices"][best]
    assert found.metrics["acc"].value == pytest.approx(sum(r["answer"] == best for r in CHOICES) / 5)
    assert found.metrics["acc"].low < found.metrics["acc"].value < found.metrics["acc"].high
    frame = found.to_frame()
    assert list(frame["acc"]) == [item["values"]["acc"] for item in found.items]
    assert found.run.id in found._repr_html_()


def test_generated_text_is_matched(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"a": "The answer is 1,200.", "b": "I think 7, no, 8!", "c": "No idea."}

    def batch(prompts: Any, sampling: Any, cancel: Any) -> Any:
        made = type(model).batch(model, prompts, sampling, cancel=cancel, max_new_tokens=1)
        return [replace(one, text=said[prompt]) for one, prompt in zip(made, prompts, strict=True)]

    monkeypatch.setattr(model, "batch", batch, raising=False)
    rows = [{"q": "a", "answer": 1200}, {"q": "b", "answer": ["8", "9"]}, {"q": "c", "answer": "no idea"}]
    number = r"(\d[\d,]*)"
    last = inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.Matches(number, last=True)))
    assert [item["values"] for item in last.items] == [
        {"exact_match": 1.0, "found": 1.0},
        {"exact_match": 1.0, "found": 1.0},
        {"exact_match": 0.0, "found": 0.0},
    ]
    first = inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.Matches(number)))
    assert [item["values"]["exact_match"] for item in first.items] == [1.0, 0.0, 0.0]
    exact = inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.ExactMatch()))
    assert [item["values"]["exact_match"] for item in exact.items] == [0.0, 0.0, 1.0]
    strict = inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.ExactMatch(strict=True)))
    assert strict.metrics["exact_match"].value == 0
    assert exact.items[2]["receipt"]["model"] == model.name


def test_perplexity_is_of_all_texts_together(model: inb.Model) -> None:
    texts = ["The quick brown fox jumps.", "hello world"]
    found = inb.evaluate(model, inb.Task([{"t": text} for text in texts], "{{ t }}", inb.Perplexity()))
    scores = [model.score(text) for text in texts]
    nll = sum(one.negative_log_likelihood for one in scores)
    assert found.metrics["perplexity"].value == pytest.approx(
        math.exp(nll / sum(one.scored for one in scores))
    )
    bits = nll / math.log(2) / sum(one.bytes for one in scores)
    assert found.metrics["bits_per_byte"].value == pytest.approx(bits)
    assert found.metrics["perplexity"].better == "lower"


def test_what_was_run_is_not_run_again(model: inb.Model) -> None:
    first = inb.evaluate(model, choosing())
    passes = model.forwards
    again = inb.evaluate(model, choosing())
    assert model.forwards == passes
    assert (again.run, again.metrics) == (first.run, first.metrics)
    assert inb.evaluate(model, choosing(), again=True).metrics == first.metrics
    assert model.forwards > passes
    other = inb.evaluate(model, choosing(), seed=1)
    assert other.run.id != first.run.id
    assert inb.evaluate(model, choosing(), limit=2).run.id != first.run.id
    frame = inb.runs()
    assert len(frame) == 3
    assert frame.loc[first.run.id, "acc"] == first.metrics["acc"].value
    assert frame.loc[inb.evaluate(model, choosing(), limit=2).run.id, "p.limit"] == 2


def test_a_run_that_is_stopped_goes_on(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    stop, seen = threading.Event(), []

    def told(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            stop.set()

    with pytest.raises(InfluenceError, match="Stopped after 2 of 5 items"):
        inb.evaluate(model, choosing(), cancel=stop, on_progress=told)
    [kept] = inb.runs().index
    assert inb.runs().loc[kept, "status"] == "stopped"
    with pytest.raises(InvalidData, match="is stopped"):
        running.result(kept)
    items = runs.find(kept).folder / "items.jsonl"
    with items.open("a") as file:
        file.write('{"id": "2", "val')  # cut off
    asked: list[int] = []
    answers = inb.MultipleChoice.answers

    def counted(self: Any, model: Any, prompts: Any, *rest: Any) -> list[Answer]:
        asked.append(len(prompts))
        return answers(self, model, prompts, *rest)

    monkeypatch.setattr(inb.MultipleChoice, "answers", counted)
    found = inb.evaluate(model, choosing())
    assert asked == [2, 1]
    assert [item["id"] for item in found.items] == ["0", "1", "2", "3", "4"]
    assert seen[:2] == [(0, 5), (2, 5)]
    assert found.run.id == kept


def test_a_full_disk_records_nothing_as_done(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    real, calls = runs.os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(runs.os, "fsync", full)
    with pytest.raises(NotEnoughDisk, match="cannot be kept"):
        inb.evaluate(model, choosing())
    [kept] = inb.runs().index
    assert [item["id"] for item in runs.find(kept).items()] == ["0", "1"]
    assert (runs.find(kept).status, "No space left" in runs.find(kept).error) == ("failed", True)
    assert len(inb.evaluate(model, choosing()).items) == 5


def test_a_value_that_is_none_is_counted_and_not_averaged(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = inb.MultipleChoice.answers

    def some(self: Any, *given: Any) -> list[Answer]:
        found = answers(self, *given)
        return [Answer({"acc": math.nan, "acc_norm": 1.0, "margin": 0.0}), *found[1:]]

    monkeypatch.setattr(inb.MultipleChoice, "answers", some)
    found = inb.evaluate(model, choosing(kind="none"))
    assert (found.metrics["acc"].count, found.metrics["acc"].missing) == (4, 1)
    assert "1 without a value" in repr(found)
    assert "NaN" not in (found.run.folder / "items.jsonl").read_text()


def test_the_list_is_made_again_from_the_folders(model: inb.Model, tmp_home: Path) -> None:
    found = inb.evaluate(model, choosing())
    for file in tmp_home.glob("influence.sqlite*"):
        file.unlink()
    assert list(inb.runs().index) == [found.run.id]
    shutil.rmtree(found.run.folder)
    assert not len(inb.runs())
    with pytest.raises(InvalidData, match="no run"):
        runs.find(found.run.id)


def test_what_is_refused(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData, match="no loaded model"):
        inb.evaluate("starter/chat", choosing())
    with pytest.raises(InvalidData, match="no task"):
        inb.evaluate(model, 7)
    with pytest.raises(InvalidData, match="no task 'nonsense'"):
        inb.evaluate(model, "nonsense")
    chat = inb.Task([{"q": "a", "answer": "b"}], "{{ q }}", inb.ExactMatch(), chat=True)
    monkeypatch.setattr(model.tokenizer, "chat_template", None)
    with pytest.raises(CapabilityMissing):
        inb.evaluate(model, chat)
    assert len(inb.evaluate(model, choosing()).items) == 5


def test_a_model_on_a_server_is_evaluated_too() -> None:
    with ChatServer() as server:
        model = inb.load(endpoint=server.url)
        try:
            rows = [{"q": "Hi", "answer": "Hello there"}, {"q": "Hi again", "answer": "Goodbye"}]
            task = inb.Task(rows, "{{ q }}", inb.ExactMatch(), chat=True)
            found = inb.evaluate(model, task)
            assert [item["values"]["exact_match"] for item in found.items] == [1.0, 0.0]
            assert found.items[0]["receipt"]["endpoint"] == server.url
            assert found.run.determined_by["endpoint"] == server.url
            assert inb.repeat(found, model).identical
            again = inb.load(found.run.model, **as_recorded(found.run.determined_by))
            assert again.arguments == model.arguments
            again.unload()
            with pytest.raises(CapabilityMissing, match="how probable"):
                inb.evaluate(model, choosing())
        finally:
            model.unload()


def test_what_is_kept_is_what_came(model: inb.Model) -> None:
    task = inb.Task([{"q": "The quick", "answer": "x"}], "{{ q }}", inb.ExactMatch())
    found = inb.evaluate(model, task)
    assert running.result(found.run.id).items == found.items


def test_an_error_fails_the_run_and_the_next_call_goes_on(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    answers, asked = inb.MultipleChoice.answers, []

    def second_fails(self: Any, model: Any, prompts: Any, *rest: Any) -> list[Answer]:
        asked.append(len(prompts))
        if len(asked) == 2:
            raise OutOfMemory("There is no room for the cache.", "Take a smaller model.")
        return answers(self, model, prompts, *rest)

    monkeypatch.setattr(inb.MultipleChoice, "answers", second_fails)
    with pytest.raises(OutOfMemory):
        inb.evaluate(model, choosing())
    [row] = inb.runs().itertuples()
    assert row.status == "failed"
    assert runs.find(row.Index).error == "There is no room for the cache."
    found = inb.evaluate(model, choosing())
    assert asked == [2, 2, 2, 1], "the two that were kept are not asked again"
    assert (found.run.status, found.run.error) == ("done", "")


def test_an_interrupt_stops_the_run(model: inb.Model) -> None:
    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inb.evaluate(model, choosing(), on_progress=interrupted)
    [row] = inb.runs().itertuples()
    assert (row.status, runs.find(row.Index).error) == ("stopped", "")


def test_a_run_is_running_while_somebody_works_on_it(model: inb.Model, tmp_home: Path) -> None:
    seen: list[tuple[str, str]] = []

    def told(done: int, total: int) -> None:
        [row] = inb.runs().itertuples()
        seen.append((row.status, runs.find(row.Index).status))

    found = inb.evaluate(model, choosing(), on_progress=told)
    assert set(seen) == {("running", "running")}
    # What a process leaves that was killed: it could not write how it ended.
    replace(found.run, status="running").save()
    assert inb.runs().loc[found.run.id, "status"] == runs.find(found.run.id).status == "stopped"
    shutil.rmtree(tmp_home / "runs")
    replace(found.run, status="running").save()
    assert runs.find(found.run.id).status == "stopped", "where nobody ever worked on it, too"


def test_a_damaged_line_is_named(model: inb.Model) -> None:
    found = inb.evaluate(model, choosing())
    items = found.run.folder / "items.jsonl"
    lines = items.read_text().splitlines(keepends=True)
    items.write_text("".join([lines[0], "{\n", *lines[2:]]))
    with pytest.raises(InvalidData, match=r"Line 2 of .* is damaged"):
        inb.evaluate(model, choosing())
    assert len(inb.evaluate(model, choosing(), again=True).items) == 5


def test_a_cancel_while_items_are_asked_says_how_many_are_kept(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    likelihoods = type(model).likelihoods

    def stopped(pairs: Any, cancel: Any = None, on_progress: Any = None) -> Any:
        stop.set()
        return likelihoods(model, pairs, cancel, on_progress)

    monkeypatch.setattr(model, "likelihoods", stopped, raising=False)
    with pytest.raises(InfluenceError, match="Stopped after 0 of 5 items"):
        inb.evaluate(model, choosing(), cancel=stop)


def test_an_item_that_is_too_long_fails_alone(model: inb.Model) -> None:
    rows = [*CHOICES[:2], {"q": "hello " * 5000, "choices": ["a", "b"], "answer": 0}]
    found = inb.evaluate(model, inb.Task(rows, "{{ q }}", inb.MultipleChoice()))
    assert [bool(item["error"]) for item in found.items] == [False, False, True]
    assert "tokens" in found.items[2]["error"]
    assert (found.metrics["acc"].count, found.metrics["acc"].missing) == (2, 1)
    alone = inb.evaluate(model, inb.Task(CHOICES[:2], "{{ q }}", inb.MultipleChoice()))
    assert [item["output"] for item in found.items[:2]] == [item["output"] for item in alone.items]


def test_a_seed_may_be_in_the_sampling(model: inb.Model) -> None:
    task = inb.Task([{"q": "hello", "answer": "x"}], "{{ q }}", inb.ExactMatch())
    warm = inb.Sampling(temperature=1, max_new_tokens=4)
    one = inb.evaluate(model, task, warm.replace(seed=3)).run
    assert one.id == inb.evaluate(model, task, warm, seed=3).run.id
    assert one.parameters["seed"] == 3
    assert one.id != inb.evaluate(model, task, warm).run.id


def test_a_run_that_is_done_stays_until_the_new_one_is(
    model: inb.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = inb.evaluate(model, choosing())

    def broken(*_: Any) -> Any:
        raise KeyboardInterrupt

    def full(*_: Any) -> Any:
        raise NotEnoughDisk("There is no room.", "Free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(inb.MultipleChoice, "answers", broken)
        with pytest.raises(KeyboardInterrupt):
            inb.evaluate(model, choosing(), again=True)
    with monkeypatch.context() as patched:
        patched.setattr(runs, "put", full)
        with pytest.raises(NotEnoughDisk):
            inb.evaluate(model, choosing(), again=True)
    kept = running.result(first.run.id)
    assert (kept.run, kept.items) == (first.run, first.items)
    assert inb.runs().loc[first.run.id, "status"] == "done"
    again = inb.evaluate(model, choosing(), again=True)
    assert again.run.started > first.run.started
    assert not [one for one in first.run.folder.iterdir() if one.name.endswith(".before")]


def test_a_done_run_that_lost_items_is_not_taken_for_whole(model: inb.Model) -> None:
    run = inb.evaluate(model, choosing()).run
    path = run.folder / "items.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    for call in (lambda: running.result(run.id), lambda: inb.repeat(run.id, model)):
        with pytest.raises(InvalidData, match="has lost items"):
            call()
    assert len(inb.evaluate(model, choosing()).items) == 5
    assert inb.repeat(run.id, model).identical
