"""A metric of runs over one of their parameters, drawn: what a sweep by hand has come to.

    inb.plot_runs("acc", "temperature")

It knows the list of runs; it does not know their items.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidData
from influence_nb.evaluation import runs as kept
from influence_nb.picture import GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "model"
"""May stand in place of a parameter: the model's name."""


def plot_runs(metric: str, over: str = MODEL, runs: Sequence[str] | None = None) -> Figure:
    """Each run's value of a metric with its interval, over a parameter; a line for each task and model.

    Args:
        metric: its name, such as "acc".
        over: a parameter, such as "temperature", or "model".
        runs: their ids; None for all that are done on this machine.

    Raises:
        InvalidData: no run, or none that has both.
    """
    rows = [row for row in kept.listed() if runs is None or row["id"] in runs]
    return drawn(rows, metric, over)


def drawn(rows: Sequence[Mapping[str, Any]], metric: str, over: str) -> Figure:
    """As `plot_runs`, of rows as `listed` gives them."""
    groups: dict[str, list[tuple[Any, Mapping[str, float]]]] = {}
    for row in rows:
        place, found = _over(row, over), json.loads(row["metrics"]).get(metric)
        if place is not None and found is not None and _known(found["value"]):
            groups.setdefault(
                row["name"] if over == MODEL else f"{row['name']} by {row['model']}", []
            ).append((place, found))
    if not groups:
        raise InvalidData(
            f"None of {len(rows):,} runs has both a metric {quoted(metric)} and {quoted(over)}.",
            "Choose others: inb.runs() has a column for each metric, and p.name for each parameter.",
        )
    return lines(groups, metric, over)


def lines(groups: Mapping[str, Sequence[tuple[Any, Mapping[str, float]]]], metric: str, over: str) -> Figure:
    """A line for each group, by its label: values with their intervals (value, low, high) over places.

    Places that are not all numbers stand beside each other, in the order in which they come.
    """
    everything = [place for group in groups.values() for place, _ in group]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in everything)
    names = list(dict.fromkeys(map(str, everything)))
    figure = new_figure(6, 3.2)
    ax = figure.add_subplot()
    for label, group in sorted(groups.items()):
        at = [(place if numbers else names.index(str(place)), found) for place, found in group]
        points = sorted(at, key=lambda point: point[0])
        x, y = [at for at, _ in points], [found["value"] for _, found in points]
        spread = [
            [found["value"] - found["low"] for _, found in points],
            [found["high"] - found["value"] for _, found in points],
        ]
        ax.errorbar(x, y, yerr=np.nan_to_num(spread), fmt="o-" if numbers else "o", capsize=4, label=label)
    if not numbers:
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xlabel(over, color=GREY)
    ax.set_ylabel(metric, color=GREY)
    ax.tick_params(colors=GREY)
    for spine in ax.spines.values():
        spine.set_color(GREY)
    if any(groups):
        ax.legend(frameon=False, fontsize=8, labelcolor=GREY)
    return figure


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _over(row: Mapping[str, Any], over: str) -> Any:
    return (row["model"] or None) if over == MODEL else json.loads(row["parameters"]).get(over)
