"""What a `RunBrowser` says, as HTML: a run in a row, its facts and metrics, its items, and how it differs from another.

It knows runs and their records; it does not know controls.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from influence_nb.evaluation.facts import FactDifferences, flat
from influence_nb.evaluation.runs import Run
from influence_nb.widgets.amounts import many
from influence_nb.widgets.base import MUTED, escape, static_table
from influence_nb.widgets.form import message
from influence_nb.widgets.frames import rows_html

LONG = 160
"""Characters of a text in a table."""
_LONG_PROMPT = 80
"""Characters of a prompt, which stands beside what came of it."""
_LONG_VALUE = 24
"""Characters of a parameter's value in the list."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What was asked in an item.

    Attributes:
        prompt: a text or messages.
        answer: the right one, or several; None where the scorer knows none.
        choices: what could be chosen; none where nothing was.
    """

    prompt: Any
    answer: Any = None
    choices: Sequence[str] = ()


STARTED = "started (UTC)"


def row_html(row: Row) -> str:
    """A run as a row of the list."""
    metric = headline(row)
    cells = {
        "name": _titled(row["name"]),
        "model": _titled(row["model"] or "–"),
        "status": f'<span class="inb-run-word" data-kind="{escape(row["status"])}">{escape(row["status"])}</span>',
        "metric": _titled(metric),
        "started": escape(moment(row["started"])),
        "id": f"<code>{escape(row['id'][:8])}</code>",
    }
    if told := given(row):
        cells["given"] = _titled(told)
    inside = "".join(f'<span class="inb-run-{name}">{cell}</span>' for name, cell in cells.items())
    return f'<div class="inb-run" data-id="{escape(row["id"])}">{inside}</div>'


def _titled(text: str) -> str:
    """A text that may be cut off, whole where the pointer rests on it."""
    return f'<span title="{escape(text)}">{escape(text)}</span>'


def heads() -> str:
    """The names of the columns."""
    names = {
        "name": "task",
        "model": "model",
        "status": "status",
        "metric": "metric",
        "started": STARTED,
        "id": "id",
    }
    inside = "".join(f'<span class="inb-run-{name}">{text}</span>' for name, text in names.items())
    return f'<div class="inb-run inb-run-heads" aria-hidden="true">{inside}</div>'


def static_cells(row: Row) -> list[str]:
    """A run in the static rendering."""
    return [
        escape(one)
        for one in (
            row["name"],
            row["model"],
            given(row),
            row["status"],
            headline(row),
            moment(row["started"]),
            row["id"],
        )
    ]


STATIC_HEADS = {
    "task": False,
    "model": False,
    "parameters": False,
    "status": False,
    "metric": False,
    STARTED: False,
    "id": False,
}


def headline(row: Row) -> str:
    """The first metric of a run; "" for none."""
    for name, found in json.loads(row["metrics"]).items():
        return f"{name} {number(found['value'])}"
    return ""


def given(row: Row) -> str:
    """The parameters of a run, by which those of a sweep are told apart: "temperature 0.7, seed 1"."""
    told = json.loads(row["parameters"]).items()
    return ", ".join(f"{name} {_value_in_row(value)}" for name, value in told if value is not None)


def _value_in_row(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else short(_value(value), _LONG_VALUE)


def searched(row: Row) -> str:
    """What a part of is looked for, to find a run."""
    return plain(f"{row['name']} {row['model']} {row['id']} {given(row)}")


def plain(text: str) -> str:
    """A text as it is compared: "Seed=1" is "seed 1"."""
    return text.lower().replace("=", " ")


def label(row: Row) -> str:
    """A run in a few words."""
    return f"{row['name']} {origin(row['kind'], row['model'])}, {row['id'][:8]}"


def origin(kind: str, model: str) -> str:
    """Whose run it is, behind its name."""
    return "(a notebook)" if kind == "notebook" else f"by {model or 'no model'}"


def moment(text: str) -> str:
    """A time as it is read, in UTC."""
    return text[:16].replace("T", " ")


def number(value: float | None) -> str:
    """A number with three digits; a dash where there is none."""
    return (
        "–" if value is None or math.isnan(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    )


def run_html(run: Run) -> str:
    """What a run was, how it ended, its metrics and parameters; all that is recorded folded away."""
    head = f'<p class="inb-run-title"><strong>{escape(run.name)}</strong> {escape(origin(run.kind, run.model))}</p>'
    took = "" if math.isnan(run.seconds) else f", took {run.seconds:,.1f} s"
    about = f'<p style="{MUTED}">Run <code>{run.id}</code>, {run.status}, begun {moment(run.started)} UTC{took}</p>'
    failed = message(run.error, kind="problem") if run.error else ""
    return head + about + failed + _metrics(run) + _parameters(run) + _facts(run)


def _metrics(run: Run) -> str:
    heads = {"metric": False, "value": True, "95% interval": False, "items": True, "without a value": True}
    rows = (
        [escape(one.name), number(one.value), _span(one.low, one.high), f"{one.count:,}", f"{one.missing:,}"]
        for one in run.metrics.values()
    )
    return wide(static_table(heads, rows)) if run.metrics else ""


def wide(table: str) -> str:
    """A table that keeps its words whole, and is scrolled where it does not fit."""
    return f'<div style="overflow-x:auto;overflow-wrap:normal">{table}</div>'


def _span(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


def _parameters(run: Run) -> str:
    if not run.parameters:
        return ""
    told = ", ".join(f"<code>{escape(name)}={escape(value)}</code>" for name, value in run.parameters.items())
    return f'<p class="inb-run-parameters">Asked for: {told}</p>'


def _facts(run: Run) -> str:
    def table(values: Mapping[str, Any]) -> str:
        return static_table(
            {"fact": False, "value": False}, ([escape(a), escape(b)] for a, b in flat(values))
        )

    return (
        "<details><summary>What determined it</summary>" + table(run.determined_by) + "</details>"
        "<details><summary>What it ran on</summary>" + table(run.facts) + "</details>"
    )


def items_html(shown: Sequence[Row], asked: Mapping[str, Asked], count: int, of: int) -> str:
    """A page of the table of items.

    Args:
        shown: what became of those on the page.
        asked: what was asked, by the item's id; of those of which it is known.
        count: how many are on all pages.
        of: how many there are in all.
    """
    told = many(of, "item") if count == of else f"{count:,} of {many(of, 'item')}"
    if not shown:
        return f"<p>{told}</p>" if of else ""
    rows = []
    for one in shown:
        known = asked.get(one["id"])
        before = (
            {}
            if known is None
            else {"prompt": short(prompt_text(known.prompt), _LONG_PROMPT), **_answer(known)}
        )
        values = {"output": short(one["output"]), **_numbers(one["values"]), "error": one["error"]}
        rows.append({"id": one["id"], **before, **values})
    frame = pd.DataFrame(rows).fillna("–")
    if not frame["error"].astype(bool).any():
        frame = frame.drop(columns="error")
    return rows_html(told, frame, index=False, scrolls=False)


def _answer(asked: Asked) -> dict[str, str]:
    """The right answer's column; none where the scorer knows none."""
    right = asked.answer
    if right is None:
        return {}
    several = not isinstance(right, str) and isinstance(right, Iterable)
    return {"answer": short(", ".join(map(str, right)) if several else str(right))}


def prompt_text(prompt: Any) -> str:
    """A prompt, which is a text or messages, as a text."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{one['role']}: {one['content']}" for one in prompt or ())


def _numbers(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: "–" if one is None else f"{one:.4g}" for name, one in values.items()}


def item_html(item: Row, asked: Asked | None) -> str:
    """An item opened: what was asked, what came, its values, and its receipt folded away.

    Args:
        item: what became of it.
        asked: what was asked; None where it is not known.
    """
    parts = [] if asked is None else [_text("Prompt", prompt_text(asked.prompt) or "(empty)")]
    detail = dict(item["detail"])
    if asked is not None and asked.choices:
        parts.append(_choices(detail, asked.choices))
    else:
        parts.append(_text("Output", item["output"]))
        parts += [_text("Details", json.dumps(detail, ensure_ascii=False, indent=1))] if detail else []
    values = ", ".join(f"{escape(name)} <code>{one}</code>" for name, one in _numbers(item["values"]).items())
    parts.append(f"<p>Values: {values}</p>" if values else "")
    parts.append(message(item["error"], kind="problem") if item["error"] else "")
    if item["receipt"] is not None:
        table = static_table(
            {"fact": False, "value": False}, ([escape(a), escape(b)] for a, b in flat(item["receipt"]))
        )
        parts.append(f"<details><summary>Receipt</summary>{table}</details>")
    return f'<div class="inb-run-item" data-id="{escape(item["id"])}">{"".join(parts)}</div>'


def _choices(detail: Row, choices: Sequence[str]) -> str:
    """The choices with their log-probabilities, the chosen and the right one marked."""
    rows = []
    for place, (text, logprob) in enumerate(zip(choices, detail["logprobs"], strict=True)):
        marks = [
            word for word, at in (("chosen", detail["chosen"]), ("right", detail["right"])) if at == place
        ]
        rows.append([escape(text), f"{logprob:.3f}", ", ".join(marks)])
    return static_table({"choice": False, "log-probability (nats)": True, "": False}, rows)


def _text(title: str, text: str) -> str:
    return f'<p class="inb-run-label">{title}</p><pre class="inb-run-text">{escape(text)}</pre>'


def short(text: str, most: int = LONG) -> str:
    """A text in a cell: its beginning and its end, where prompts differ and answers stand."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def differences_html(first: str, second: str, found: FactDifferences) -> str:
    """The first recorded fact in which two runs differ, in a sentence, and all of them folded away."""
    if not found:
        return message(f"All that was recorded of {first} and {second} is the same.")
    one = found[0]
    told = (
        f"<code class='inb-fact'>{escape(one.name)}</code> is <code>{escape(_value(one.first))}</code> in "
        f"{escape(first)} and <code>{escape(_value(one.second))}</code> in {escape(second)}."
    )
    table = static_table(
        {"fact": False, "first": False, "second": False, "decides what comes": False},
        (
            [
                escape(each.name),
                escape(_value(each.first)),
                escape(_value(each.second)),
                "yes" if each.decides else "",
            ]
            for each in found
        ),
    )
    return (
        f'<p class="inb-run-first" role="status">First recorded difference: {told}</p>'
        f"<details><summary>{many(len(found), 'differing fact')}</summary>{table}</details>"
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def tests_html(rows: Iterable[Any]) -> str:
    """The tests of a comparison as a table."""
    heads = {"run": False, "metric": False, "difference": True, "95% interval": False, "p": True, "test": False,
             "better": True, "worse": True, "items": True}  # fmt: skip
    cells = (
        [f"<code>{one.second[:8]}</code>", escape(one.metric), f"{one.difference:+.3f}",
         f"{one.low:+.3f} to {one.high:+.3f}", f"{one.adjusted:.3g}", one.method,
         f"{one.better:,}", f"{one.worse:,}", f"{one.count:,}"]
        for one in rows
    )  # fmt: skip
    return wide(static_table(heads, cells))


def flips_html(flips: pd.DataFrame, metric: str) -> str:
    """The items on which two runs differ, as `Comparison.flipped` gives them."""
    told = f"{many(len(flips), 'item')} with another {metric}"
    if not len(flips):
        return f"<p>{told}</p>"
    shown = flips.astype(object)
    for name in ("prompt", "first", "second"):
        shown[name] = [short(one) for one in shown[name]]
    for name in shown.columns[3:]:
        sign = "+" if name == "change" else ""
        shown[name] = ["–" if math.isnan(one) else f"{one:{sign}.4g}" for one in shown[name]]
    return rows_html(told, shown)
