"""What panels of maps share: the columns that colour points, what may be chosen, the style of things side by side.

It does not know the panels.
"""

from __future__ import annotations

from collections.abc import Sequence

from influence_nb.errors import InvalidData

ONE_COLOUR = "(one colour)"

COLUMN_STYLE = """<style>
.inb-explorer .inb-sides { display: flex; flex-wrap: wrap; gap: 0 12px; overflow: visible; }
.inb-explorer .inb-side { flex: 1 1 340px; min-width: 300px; overflow: visible; }
.inb-explorer .inb-beside { display: flex; flex-wrap: wrap; gap: 0 20px; }
.inb-explorer .inb-beside > div { flex: 1 1 320px; min-width: 0; }
.inb-explorer .inb-movers { flex-direction: column; align-items: stretch; height: auto; }
.inb-explorer .inb-movers > .widget-label { font-size: 12px; opacity: .8; text-align: left; width: auto; }
.inb-explorer .inb-movers > select { box-sizing: border-box; width: 100%; }
.inb-explorer .inb-layer { align-items: center; }
.inb-explorer .inb-layer .widget-slider { flex: 1 1 320px; }
.inb-explorer .inb-layer .noUi-handle:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px; }
</style>"""


def expect_column(name: str | None, columns: Sequence[str], what: str = "colour") -> str | None:
    """The column, or None, once it is sure that points can be coloured by it, or whatever `what` says.

    Raises:
        InvalidData: it is none of them.
    """
    if name is not None and name not in columns:
        raise InvalidData(
            f"There is no column {name!r} to {what} by.", f"There are: {', '.join(columns) or 'none'}."
        )
    return name


def expect_rows(rows: Sequence[int], count: int) -> list[int]:
    """Row numbers, once it is sure that they are.

    Raises:
        InvalidData: one is none.
    """
    if wrong := [row for row in rows if not 0 <= row < count]:
        raise InvalidData(f"There is no row {wrong[0]}.", f"Rows go from 0 to {count - 1}.")
    return list(rows)
