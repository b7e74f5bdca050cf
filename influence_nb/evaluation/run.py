"""Evaluating: a model answers a task item by item, and everything that decided the outcome is kept.

    result = inb.evaluate(model, "facts")
    result.metrics["acc"]

Items run in chunks, always the same ones, so that a run which was interrupted goes on with the chunks that are missing
and gives what it would have given. It does not know where runs are kept on the disk (`runs.py`).
"""

from __future__ import annotations

import html
import json
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_bool, expect_call, expect_event, quoted, whole
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.engine.machine import machine
from influence_nb.engine.model import Model
from influence_nb.engine.receipts import package_versions
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InfluenceError, InvalidData, NotEnoughDisk
from influence_nb.evaluation import runs
from influence_nb.evaluation.intervals import Metric, metric
from influence_nb.evaluation.judging import Answer, Scorer, beside
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.tasks import Task

if TYPE_CHECKING:
    import pandas

OnItems = Callable[[int, int], object]
"""Called with how many items are done, and how many there are."""

CHUNK = 64
"""Items that are asked together, and kept together: what is stopped loses so many at most.

Fewer would lose less and be slower: 16 take a fifth more time than 64 on the starter model. It is the same for every
task and machine, since batches of other shapes round otherwise.
"""


@dataclass(frozen=True, repr=False)
class Result:
    """What a model made of a task. `influence_nb` gives it from `evaluate`.

    Attributes:
        run: what was run, on what; `inb.runs()` lists it.
        task: the task.
        metrics: {name: Metric}, each with its interval.
        items: what became of each item, in the task's order: id, values, output, detail, receipt, error.
    """

    run: Run
    task: Task
    metrics: Mapping[str, Metric]
    items: Sequence[Mapping[str, Any]]

    def to_frame(self) -> pandas.DataFrame:
        """A row for each item: its columns, `output`, its values, `error`; the index is its id.

        A column of the data that is called like one of the others stands there as `data.NAME`.
        """
        import pandas as pd

        taken = {"output", "error", *(name for item in self.items for name in item["values"])}
        rows = [
            {**beside(row, taken), "output": item["output"], **item["values"], "error": item["error"]}
            for row, item in zip(self.task.rows, self.items, strict=True)
        ]
        return pd.DataFrame(rows).set_index("id")

    def __repr__(self) -> str:
        told = "; ".join(map(str, self.metrics.values()))
        return f"Result({self.task.name} by {self.run.model}, run {self.run.id}: {told})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(one.name)}</th><td>{one.value:.3f}</td><td>{one.low:.3f} to {one.high:.3f}</td>"
            f"<td>{one.count:,}</td><td>{one.missing:,}</td></tr>"
            for one in self.metrics.values()
        )
        return (
            f"<p><b>{html.escape(self.task.name)}</b>, {len(self.task):,} items, by {html.escape(self.run.model)} "
            f"({html.escape(str(self.run.determined_by.get('dtype')))}); run <code>{self.run.id}</code></p>"
            "<table><thead><tr><th></th><th>value</th><th>95% interval</th><th>items</th><th>without a value</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>"
        )


def evaluate(
    model: Model | TextEncoder,
    task: Task | str,
    sampling: Sampling | None = None,
    seed: int = 0,
    limit: int | None = None,
    again: bool = False,
    cancel: threading.Event | None = None,
    on_progress: OnItems | None = None,
) -> Result:
    """Have a model answer a task, and keep what came of every item.

    What has been run already is not run again: the same task, model files, sampling, seed and versions on the same kind
    of device give the run that is there. One that was interrupted goes on where it was.

    Args:
        model: from `inb.load()`; for a task whose scorer is `Retrieves` an encoder, from `inb.load_encoder()`.
        task: a `Task`, or the name of one that comes with the package: "facts", "arithmetic", "grammar", "sentiment".
        sampling: how text is generated, where it is; None takes the task's own.
        seed: of that sampling; 0 leaves the one that the sampling has. Each item draws by a seed of its own, made of
            this one and its id.
        limit: only so many items, the first ones.
        again: run it anew although it is there; what is there stays until the new one is done.
        cancel: set it, from any thread, to stop; what is done is kept, and the next call goes on.
        on_progress: called with the items done and in all, in the calling thread.

    Raises:
        InvalidData: no such task, or no model.
        NotEnoughDisk: what was done cannot be kept; what was kept before stays.
        CapabilityMissing: the model's runtime cannot do what the scorer asks.
        InfluenceError: it was cancelled.
    """
    if not isinstance(model, Model | TextEncoder):
        raise InvalidData(f"{quoted(model)} is no loaded model.", "Give one: inb.evaluate(inb.load(), task).")
    expect_bool(again=again)
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    task = Task.named(task) if isinstance(task, str) else task
    if not isinstance(task, Task):
        raise InvalidData(f"{quoted(task)} is no task.", "Give a Task, or the name of one: 'facts'.")
    _expect_asked(model, task)
    if limit is not None:
        task = task.head(whole("limit", limit, 1))
    chosen = checked(task.sampling if sampling is None else sampling, {})
    seed = whole("seed", seed, 0) or chosen.seed or 0
    chosen = chosen.replace(seed=seed)
    determined = determined_by(model, task, chosen)
    identifier = runs.identity(determined)
    with alone(identifier):
        before = runs.known(identifier)
        done = before if before is not None and before.status == "done" else None
        if done is not None and not again and (found := _recorded(done)) is not None:
            return found
        parameters = {
            "seed": seed,
            **_told(chosen, task.sampling),
            **({} if limit is None else {"limit": limit}),
        }
        facts = hardware(model)
        run = Run(
            identifier, "task", task.name, model.name, "running", now(), math.nan, determined, facts, parameters
        )  # fmt: skip
        items, kept = run.folder / runs.ITEMS, run.folder / f".{runs.ITEMS}.before"
        if done is not None:
            with suppress(FileNotFoundError):
                os.replace(items, kept)
        elif again or before is None:
            items.unlink(missing_ok=True)
        try:
            runs.put(run.folder / runs.TASK, task.to_dict())
            return _finish(run.save(), task, model, chosen, cancel, on_progress)
        except BaseException:
            if done is not None:
                with suppress(FileNotFoundError):
                    os.replace(kept, items)
                with suppress(NotEnoughDisk):
                    done.save()
            raise
        finally:
            kept.unlink(missing_ok=True)


def determined_by(model: Model | TextEncoder, task: Task, sampling: Sampling) -> dict[str, Any]:
    """Everything that decides what an evaluation gives; its digest is the id of the run."""
    determined = {"kind": "task", "task": task.sha256, "data": task.data_sha256} | facts_of(model)
    return determined | {"sampling": sampling.to_dict(), "versions": dict(package_versions())}


def result(run: Run | str | Path) -> Result:
    """The result of a run that was done.

    Raises:
        InvalidData: no such run, one of a notebook, or one that did not end.
    """
    run = runs.find(run)
    if run.kind != "task" or run.status != "done":
        hint = "Run it again: it goes on where it was."
        raise InvalidData(
            f"Run {run.id} is {'a notebook' if run.kind != 'task' else run.status}.",
            hint if run.kind == "task" else "Only tasks have items to compare and to repeat.",
        )
    if (found := _recorded(run)) is None:
        raise InvalidData(f"Run {run.id} has lost items: its files were changed.", "Evaluate the task again.")
    return found


def _recorded(run: Run) -> Result | None:
    """What is kept of a task that was done; None where items were lost."""
    task, items = run.task(), run.items()
    whole = {row["id"] for row in task.rows} <= {item["id"] for item in items}
    return Result(run, task, run.metrics, items) if whole else None


def metrics_of(scorer: Scorer, items: Sequence[Mapping[str, Any]]) -> dict[str, Metric]:
    """The scorer's figures over some items.

    Raises:
        InvalidData: none of them could be judged.
    """
    if items and all(item["error"] for item in items):
        raise InvalidData(
            f"No item could be judged. Item {items[0]['id']}: {items[0]['error']}",
            "task.to_frame() shows what the model is given.",
        )
    return {
        one.name: metric(
            one.name,
            values(items, one.part or one.name),
            None if one.over is None else values(items, one.over),
            one.of,
            one.better,
        )
        for one in scorer.figures
    }


def values(items: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A value of each item; NaN where there is none."""
    found = (item["values"].get(name) for item in items)
    return [math.nan if one is None else float(one) for one in found]


def facts_of(model: Model | TextEncoder) -> dict[str, Any]:
    """What of a model decides its answers: its files' hashes and how it was loaded."""
    if isinstance(model, TextEncoder):
        return {"device": getattr(model, "device", None), "dtype": None} | model.facts()
    made = getattr(model, "receipt", None)
    if made is None:  # elsewhere: no more is known
        where = model.arguments.get("endpoint", model.device)
        return {"model": model.name, "endpoint": where, "runtime": model.runtime, "dtype": model.dtype}
    attention = getattr(model, "attention", "")
    receipt = made((), Sampling(), (), None, attention, {})
    names = (
        "revision",
        "files",
        "template_sha256",
        "dtype",
        "quantization",
        "device",
        "attention",
        "runtime",
    )
    return {"model": receipt.model} | {name: getattr(receipt, name) for name in names}


def hardware(model: Model | TextEncoder) -> dict[str, Any]:
    """What a model runs on; of one on a server, what asks it."""
    if isinstance(model, TextEncoder):
        return machine(getattr(model, "device", "cpu"))
    return machine("cpu" if model.local is None else model.device)


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def asked(
    model: Model | TextEncoder,
    task: Task,
    sampling: Sampling,
    done: Collection[str] = (),
    chunk: int | None = None,
    cancel: threading.Event | None = None,
    on_progress: OnItems | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """What became of the items, a chunk at a time; nothing is kept.

    Args:
        model: who is asked.
        task: the task.
        sampling: with its seed.
        done: ids of items that are not asked any more, where all of their chunk are.
        chunk: how many items are asked together; `CHUNK` by default.
        cancel: set it to stop.
        on_progress: called with the items done and in all.

    Raises:
        InvalidData: an encoder for a task that is for models, or the other way round.
        InfluenceError: it was cancelled.
    """
    _expect_asked(model, task)
    size = CHUNK if chunk is None else chunk
    count = len(done)
    if on_progress is not None:
        on_progress(count, len(task))
    for begin in range(0, len(task), size):
        rows = task.rows[begin : begin + size]
        if all(row["id"] in done for row in rows):
            continue
        answers: Sequence[Answer] = ()
        try:
            if cancel is None or not cancel.is_set():
                answers = task.scorer.answers(
                    model, [task.prompt(row) for row in rows], rows, sampling, cancel
                )
        except InfluenceError:
            if cancel is None or not cancel.is_set():
                raise
        if cancel is not None and cancel.is_set():  # what was cut short is no answer
            raise InfluenceError(
                f"Stopped after {count} of {len(task)} items.", "Run it again: what is kept stays."
            )
        count += sum(row["id"] not in done for row in rows)
        yield [_item(row, answer) for row, answer in zip(rows, answers, strict=True)]
        if on_progress is not None:
            on_progress(count, len(task))


def _expect_asked(model: Model | TextEncoder, task: Task) -> None:
    wants = task.scorer.asks
    if (wants == "encoder") != isinstance(model, TextEncoder):
        raise InvalidData(
            f"The task {task.name} is for {'encoders' if wants == 'encoder' else 'models that generate'}, and "
            f"{model.name} is none.",
            f"Give one from inb.{'load_encoder' if wants == 'encoder' else 'load'}().",
        )


def _finish(
    run: Run,
    task: Task,
    model: Model | TextEncoder,
    sampling: Sampling,
    cancel: threading.Event | None,
    on_progress: OnItems | None,
) -> Result:
    path = run.folder / runs.ITEMS
    begun = time.perf_counter()
    try:
        done = {item["id"]: item for item in runs.lines(path)}
        for items in asked(model, task, sampling, frozenset(done), None, cancel, on_progress):
            runs.append(path, items)
            done |= {item["id"]: item for item in items}
        found = [done[row["id"]] for row in task.rows]
        metrics = metrics_of(task.scorer, found)
    except BaseException as error:
        ended = replace(run, status="failed", error=runs.words(error), seconds=time.perf_counter() - begun)
        if not isinstance(error, Exception) or (cancel is not None and cancel.is_set()):
            ended = replace(ended, status="stopped", error="")
        with suppress(NotEnoughDisk):
            ended.save()
        raise
    seconds = time.perf_counter() - begun
    run = replace(run, status="done", seconds=seconds, metrics=metrics).save()
    return Result(run, task, run.metrics, found)


def _item(row: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """As it is read from the file later: of JSON's kinds alone."""
    numbers = {name: None if math.isnan(one) else one for name, one in answer.values.items()}
    made: dict[str, Any] = json.loads(json.dumps({"id": row["id"], **vars(answer), "values": numbers}))
    return made


def _told(sampling: Sampling, usual: Sampling) -> dict[str, Any]:
    """What of a sampling is not the task's own."""
    base = usual.to_dict()
    return {name: one for name, one in sampling.to_dict().items() if one != base[name] and name != "seed"}


@contextmanager
def alone(identifier: str) -> Iterator[None]:
    """While another process runs the same, wait for it."""
    from filelock import FileLock

    folder = runs.home() / identifier
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfluenceError(
            f"{folder} cannot be written: {error}.", "Set INFLUENCE_HOME to another folder."
        ) from error
    with FileLock(folder / runs.LOCK):
        yield
