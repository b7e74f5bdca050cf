"""What the page of a `GridPanel` draws of a grid: which cell stands where, and each cell's text and figures.

It knows grids; it does not know the panel. The page is `widgets/grid/`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from influence_nb.engine.axes import combinations
from influence_nb.engine.grid import Cell, Grid
from influence_nb.engine.grid_view import shown
from influence_nb.evaluation.differences import differences
from influence_nb.evaluation.diversity import diversity

FIGURES = ("tokens", "perplexity", "logprob_raw_mean", "words", "distinct_1", "distinct_2", "repetition_4")
"""What each cell is measured by as it comes, columns of `diversity`."""
MOST_COLUMNS = 8
"""Values of an axis that stand beside each other without being asked to."""


def usual_across(axes: Mapping[str, Sequence[Any]]) -> str:
    """The axis whose values are columns where nobody chose: the last of several, if it is short; "" for none."""
    several = [name for name, values in axes.items() if len(values) > 1]
    return several[-1] if len(several) > 1 and len(axes[several[-1]]) <= MOST_COLUMNS else ""


def layout(axes: Mapping[str, Sequence[Any]], across: str) -> dict[str, Any]:
    """Which cell stands where.

    Args:
        axes: as `Grid.axes`.
        across: the axis whose values are the columns; "" for a row a cell.

    Returns:
        {"down": names of the axes of the rows, "heads": the columns' labels, "rows": [{"labels", "places"}]}.
    """
    down = [name for name in axes if name != across]
    columns = list(axes[across]) if across else [None]
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for place, values in enumerate(combinations(axes)):
        key = tuple(repr(values[name]) for name in down)
        row = rows.setdefault(
            key, {"labels": [shown(values[name]) for name in down], "places": [0] * len(columns)}
        )
        row["places"][columns.index(values[across]) if across else 0] = place
    heads = [f"{across} {shown(one)}" for one in columns] if across else ["text"]
    return {"down": down, "heads": heads, "rows": list(rows.values())}


def figures(one: Cell) -> dict[str, float]:
    """A cell's `FIGURES`, NaN where one cannot be told."""
    frame = diversity(Grid({}, "", (one,)), encoder=False)
    return {name: float(frame[name].iloc[0]) for name in FIGURES}


def worded(prompt: Any) -> str:
    """A prompt in words."""
    if isinstance(prompt, str):
        return prompt
    last = prompt[-1] if prompt else ""
    return str(last["content"]) if isinstance(last, Mapping) else f"{len(prompt)} tokens"


def cell(one: Cell, measured: Mapping[str, float], reference: Cell | None) -> dict[str, Any]:
    """One cell: {"place", "pieces", "facts", "label", "measured"}.

    Args:
        one: what is drawn.
        measured: its figures by name; what is no number becomes None.
        reference: the cell that it is compared with, whose words that it has too are marked in "pieces".
    """
    done = one.completion
    pieces = [(one.text, True)]
    if reference is not None and reference.place != one.place:
        pieces = list(differences(one.text, reference.text))
    count = done.usage.completion_tokens
    return {
        "place": one.place,
        "pieces": [[text, same] for text, same in pieces],
        "facts": f"{count} token{'s' if count != 1 else ''} · {done.finish_reason}",
        "label": ", ".join(f"{name} {shown(value)}" for name, value in one.values.items()),
        "measured": {
            name: float(value) if math.isfinite(value) else None for name, value in measured.items()
        },
    }
