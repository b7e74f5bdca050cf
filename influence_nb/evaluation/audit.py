"""Whether a run comes out again, and which items hang on numeric noise.

    inb.repeat(result)                     the same once more: identical, or where it first differs
    inb.audit(model, task)                 the same in other batches, threads and dtypes

It claims nothing about settings that were not run.
"""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted, real, whole
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.engine import device, registry
from influence_nb.engine.model import Model
from influence_nb.engine.receipts import package_versions
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.evaluation.facts import differing
from influence_nb.evaluation.run import OnItems, Result, asked, facts_of, hardware, metrics_of, result
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.tasks import Task

if TYPE_CHECKING:
    import pandas

    from influence_nb.evaluation.intervals import Metric

Item = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Repeat:
    """What came of running a run again.

    Attributes:
        identical: whether every item came out the same: output, values and what led to them, bit for bit.
        within: whether every value and log-probability came within `tolerance`, and every output the same.
        tolerance: what was asked for.
        largest: the largest difference of a value or log-probability; inf where one is NaN and the other is not.
        first: the id of the first item that differs, None without one.
        recorded, now: what became of that item, then and now.
        changed_facts: what differs in how it was run: {fact: (recorded, now)}.
        metrics: {name: (recorded, now)}.
    """

    identical: bool
    within: bool
    tolerance: float
    largest: float
    first: str | None
    recorded: Item | None
    now: Item | None
    changed_facts: Mapping[str, tuple[Any, Any]]
    metrics: Mapping[str, tuple[Metric, Metric]]

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        if self.identical:
            return "identical: every item came out the same, bit for bit"
        how = f"the largest difference is {self.largest:.3g}"
        if self.within:
            return f"within {self.tolerance:g}: {how}, and every output is the same"
        changed = f"; changed: {', '.join(self.changed_facts)}" if self.changed_facts else ""
        return f"differs from item {self.first} on; {how}{changed}"

    def __repr__(self) -> str:
        return f"Repeat({self.summary})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(quoted(then))}</td><td>{html.escape(quoted(now))}</td></tr>"
            for name, (then, now) in self.changed_facts.items()
        )
        table = f"<table><tr><th>changed</th><th>recorded</th><th>now</th></tr>{rows}</table>" if rows else ""
        return f"<div>{html.escape(self.summary[0].upper() + self.summary[1:])}.</div>{table}"


@dataclass(frozen=True, repr=False)
class Audit:
    """A task under several settings that should not matter.

    Attributes:
        settings: what was run, the reference first, such as "64 together, 2 threads, float32".
        metrics: {setting: {name: Metric}}.
        noise: the largest change of a log-probability that any setting brought, in nats; 0 where nothing changed. Of
            scorers that generate, NaN.
        items: a row for each item, by id: `margin` (reference; nats), `change` (the largest of a log-probability),
            `flips` (settings under which the outcome is another), `hangs` (it flips, or its margin is below the noise).
    """

    settings: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, Metric]]
    noise: float
    items: pandas.DataFrame

    @property
    def hanging(self) -> pandas.DataFrame:
        """The items whose outcome hangs on noise, the nearest first."""
        return self.items[self.items["hangs"]].sort_values("margin", kind="stable")

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        flipped, hanging = int((self.items["flips"] > 0).sum()), int(self.items["hangs"].sum())
        noise = "" if math.isnan(self.noise) else f"; log-probabilities moved by up to {self.noise:.3g} nats"
        return (
            f"Of {len(self.items)} items under {len(self.settings)} settings, {flipped} came out otherwise in one at "
            f"least, {hanging} hang on noise{noise}"
        )

    def __repr__(self) -> str:
        return f"Audit({self.summary})"

    def _repr_html_(self) -> str:
        names = list(next(iter(self.metrics.values())))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        rows = "".join(
            f"<tr><td>{html.escape(setting)}</td>"
            + "".join(f"<td>{found[name].value:.4f}</td>" for name in names)
            + "</tr>"
            for setting, found in self.metrics.items()
        )
        return f"<p>{html.escape(self.summary)}.</p><table><tr><th></th>{head}</tr>{rows}</table>"


def repeat(
    given: Result | Run | str | Path,
    model: Model | TextEncoder | None = None,
    tolerance: float = 0.0,
    cancel: threading.Event | None = None,
    on_progress: OnItems | None = None,
) -> Repeat:
    """Run a run again, in the same chunks, and hold it against what was recorded. Nothing recorded changes.

    Args:
        given: a result, a run, its id or folder.
        model: who answers; None takes the loaded model of that name. An encoder has to be given.
        tolerance: how far values and log-probabilities may lie apart, from 0 on.
        cancel: set it to stop.
        on_progress: called with the items done and in all.

    Raises:
        InvalidData: a run that did not end or is a notebook's; no model of that name is loaded.
        InfluenceError: it was cancelled.
    """
    tolerance = real("tolerance", tolerance, 0, math.inf)
    recorded = given if isinstance(given, Result) else result(given)
    if model is None and recorded.task.scorer.asks == "model":
        model = registry.named(recorded.run.model)
    if model is None:
        raise InvalidData(
            f"No model {recorded.run.model!r} is loaded.",
            f"Load it: inb.load({recorded.run.model!r}), or give the one that is to answer."
            if recorded.task.scorer.asks == "model"
            else f"Give the encoder: model=inb.load_encoder({recorded.run.model!r}).",
        )
    sampling = Sampling.from_dict(recorded.run.determined_by["sampling"])
    now = [
        one for items in asked(model, recorded.task, sampling, (), None, cancel, on_progress) for one in items
    ]
    pairs = list(zip(recorded.items, now, strict=True))
    differing = [(then, one) for then, one in pairs if _essence(then) != _essence(one)]
    largest = max((_distance(then, one) for then, one in pairs), default=0.0)
    same = all(then["output"] == one["output"] for then, one in pairs)
    first = differing[0] if differing else None
    metrics = metrics_of(recorded.task.scorer, now)
    return Repeat(
        identical=not differing,
        within=same and largest <= tolerance,
        tolerance=tolerance,
        largest=largest,
        first=None if first is None else str(first[0]["id"]),
        recorded=None if first is None else first[0],
        now=None if first is None else first[1],
        changed_facts=_changed(recorded.run, model),
        metrics={name: (recorded.metrics[name], one) for name, one in metrics.items()},
    )


def audit(
    model: Model | TextEncoder,
    task: Task | str,
    together: Sequence[int] = (1, 8, 64),
    threads: Sequence[int] | None = None,
    others: Sequence[Model | TextEncoder] = (),
    limit: int | None = None,
    seed: int = 0,
    cancel: threading.Event | None = None,
    on_progress: OnItems | None = None,
) -> Audit:
    """Have a task answered under settings that should not matter, and list the items for which they do.

    Args:
        model: who is asked; the first setting, with the last of `together`, is the reference.
        task: a task, or the name of one that comes with the package.
        together: how many items are asked at once; it decides the shapes of the batches.
        threads: numbers of CPU threads; None takes 1 and as many as there are now.
        others: the same model loaded otherwise, such as in another dtype.
        limit: only so many items, the first ones.
        seed: of the sampling; 0 leaves the task's own.
        cancel: set it to stop.
        on_progress: called with the items done and in all, over all settings.

    Raises:
        InvalidData: no such task; a number that cannot be.
        InfluenceError: it was cancelled.
    """
    import pandas as pd

    for one in (model, *others):
        if not isinstance(one, Model | TextEncoder):
            raise InvalidData(f"{quoted(one)} is no loaded model.", "Give those of inb.load().")
    if not isinstance(together, Sequence):
        raise InvalidData(f"together={quoted(together)} are no numbers.", "Give several, such as (1, 8, 64).")
    task = Task.named(task) if isinstance(task, str) else task
    task = task if limit is None else task.head(whole("limit", limit, 1))
    sizes = [whole("together", size, 1) for size in dict.fromkeys(together)] or [64]
    usual = hardware(model)["threads"]
    counts = dict.fromkeys([usual, 1] if threads is None else [whole("threads", one, 1) for one in threads])
    ways = [
        (which, one, size, count)
        for which, one in enumerate((model, *others), 1)
        for count in counts
        for size in sorted(sizes, reverse=True)
    ]
    found: dict[str, list[dict[str, Any]]] = {}
    with _threads_kept(usual):
        for place, (which, one, size, count) in enumerate(ways):
            device.use_threads(count)
            told = _onward(on_progress, place, len(ways), len(task))
            sampling = task.sampling.replace(seed=seed or task.sampling.seed or 0)
            items = [item for some in asked(one, task, sampling, (), size, cancel, told) for item in some]
            facts = facts_of(one)
            packed = f" {facts['quantization']}" if facts.get("quantization") else ""
            label = f"{size} together, {count} thread{'s' if count != 1 else ''}, {facts['dtype']}{packed}"
            found[label if label not in found else f"{label}, model {which}"] = items
    reference, *rest = found.values()
    changes = [
        max((_moved(item, other[at]) for other in rest), default=0.0) for at, item in enumerate(reference)
    ]
    noise = max((one for one in changes if not math.isnan(one)), default=math.nan)
    margins = [_number(item["values"].get("margin")) for item in reference]
    flips = [
        sum(_outcome(item) != _outcome(other[at]) for other in rest) for at, item in enumerate(reference)
    ]
    frame = pd.DataFrame(
        {
            "output": [item["output"] for item in reference],
            "margin": margins,
            "change": changes,
            "flips": flips,
            "hangs": [flip > 0 or margin < noise for flip, margin in zip(flips, margins, strict=True)],
        },
        index=pd.Index([item["id"] for item in reference], name="id"),
    )
    metrics = {setting: metrics_of(task.scorer, items) for setting, items in found.items()}
    return Audit(tuple(found), metrics, noise, frame)


def _changed(run: Run, model: Model | TextEncoder) -> dict[str, tuple[Any, Any]]:
    before = {**run.determined_by, **run.facts}
    now = before | facts_of(model) | hardware(model) | {"versions": dict(package_versions())}
    return {one.name: (one.first, one.second) for one in differing(before, now, True)}


def _essence(item: Item) -> Any:
    """What has to come again: all but the receipt's facts of where it ran."""
    receipt = item["receipt"] or {}
    return item["output"], item["values"], item["detail"], receipt.get("output_ids"), item["error"]


def _distance(then: Item, now: Item) -> float:
    pairs = [(then["values"].get(name), now["values"].get(name)) for name in then["values"]]
    moved = _moved(then, now)
    apart = [0.0 if a == b else math.inf if a is None or b is None else abs(a - b) for a, b in pairs]
    return max([*apart, 0.0 if math.isnan(moved) else moved])


def _moved(then: Item, now: Item) -> float:
    """The largest change of a log-probability; NaN where none is known."""
    pairs = zip(then["detail"].get("logprobs", ()), now["detail"].get("logprobs", ()), strict=False)
    return max((abs(a - b) for a, b in pairs), default=math.nan)


def _outcome(item: Item) -> Any:
    receipt = item["receipt"]
    return item["output"] if receipt is None else receipt["output_ids"]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _onward(told: OnItems | None, place: int, ways: int, count: int) -> Callable[[int, int], object] | None:
    return None if told is None else lambda done, _: told(place * count + done, ways * count)


@contextmanager
def _threads_kept(usual: int) -> Iterator[None]:
    try:
        yield
    finally:
        device.use_threads(usual)
