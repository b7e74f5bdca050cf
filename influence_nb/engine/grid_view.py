"""A grid as a table in HTML that can be read without a script, on a light and on a dark page.

It does not know how cells came about.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence_nb.engine.grid import Cell, Grid

_MOST = 64
"""Cells that are shown."""
_LONGEST = 400
"""Characters of a text that are shown."""
_LINE = "border:1px solid color-mix(in srgb, currentColor 25%, transparent)"
_HEAD = f"{_LINE};text-align:left;vertical-align:top;padding:.4em"
_TEXT = f"{_HEAD};white-space:pre-wrap;overflow-wrap:anywhere;min-width:11em"
_TABLE = "border-collapse:collapse;font-size:.9em"


def table(grid: Grid) -> str:
    """Two axes as rows and columns, else a row for each cell."""
    body = _crossed(grid) if len(grid.axes) == 2 and grid.total <= _MOST else _listed(grid)
    left_out = max(len(grid) - _MOST, 0) if len(grid.axes) != 2 or grid.total > _MOST else 0
    notes = [f"{len(grid):,} of {grid.total:,} cells"] if len(grid) < grid.total else []
    notes += [f"{left_out:,} cells more are in to_frame()"] if left_out else []
    said = f'<div style="opacity:.7;font-size:.85em">{html.escape(" · ".join(notes))}</div>' if notes else ""
    return f'<div style="overflow-x:auto"><table style="{_TABLE}">{body}</table>{said}</div>'


def _crossed(grid: Grid) -> str:
    (down, rows), (across, columns) = grid.axes.items()
    here = {cell.place: cell for cell in grid}
    head = "".join(_head(f"{across} {shown(one)}") for one in columns)
    lines = [f"<tr>{_head('')}{head}</tr>"]
    for row, value in enumerate(rows):
        cells = (here.get(row * len(columns) + column) for column in range(len(columns)))
        lines.append(f"<tr>{_head(f'{down} {shown(value)}')}{''.join(map(_cell, cells))}</tr>")
    return "".join(lines)


def _listed(grid: Grid) -> str:
    lines = [f"<tr>{''.join(map(_head, (*grid.axes, 'text')))}</tr>"]
    for cell in grid.cells[:_MOST]:
        values = "".join(_head(shown(cell.values[name]), "td") for name in grid.axes)
        lines.append(f"<tr>{values}{_cell(cell)}</tr>")
    return "".join(lines)


def _head(text: str, tag: str = "th") -> str:
    return f'<{tag} style="{_HEAD}">{html.escape(text)}</{tag}>'


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return f'<td style="{_TEXT};opacity:.6">not run</td>'
    done = cell.completion
    text = html.escape(cell.text[:_LONGEST]) + ("…" if len(cell.text) > _LONGEST else "")
    facts = f"{done.usage.completion_tokens} tokens · {done.finish_reason}"
    return f'<td style="{_TEXT}">{text}<div style="opacity:.7;font-size:.85em">{facts}</div></td>'


def shown(value: Any) -> str:
    """A value of an axis in few words."""
    if value is None:
        return "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
