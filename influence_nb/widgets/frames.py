"""DataFrames as HTML tables that keep to JupyterLab's colours, all text in them escaped.

It does not know what the rows are.
"""

from __future__ import annotations

import pandas as pd

from influence_nb.widgets.base import MUTED, escape

FRAME_STYLE = """<style>
.inb-explorer { max-width: 78em; }
.inb-explorer .inb-find { flex: 3 1 22em; min-width: 12em; flex-direction: column; height: auto; align-items: stretch; }
.inb-explorer .inb-find > .widget-label { font-size: 12px; opacity: .8; text-align: left; width: auto; }
.inb-explorer .inb-find > input { height: 30px; }
.inb-explorer .inb-title { font-size: 12px; opacity: .8; padding-top: 4px; }
.inb-explorer .inb-map { border: 1px solid var(--jp-border-color2, rgba(128,128,128,.35)); border-radius: 4px;
  overflow: visible; margin: 2px 0; }
body:not([data-jp-theme-light="false"]) .inb-explorer .inb-map canvas[style*="pointer-events: none"] {
  filter: invert(1); } /* the names of clusters: white with a dark rim, as the dark theme wants them */
.inb-explorer .inb-legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; line-height: 1.7; }
.inb-explorer .inb-legend i { display: inline-block; width: 10px; height: 10px; border-radius: 5px;
  margin-right: 5px; }
.inb-explorer .widget-html-content { line-height: 1.5; }
.inb-explorer .inb-rooms { margin-top: 6px; }
.jupyter-widgets.inb-rooms > .lm-TabBar { height: auto; min-height: 0; }
.jupyter-widgets.inb-rooms > .lm-TabBar > .lm-TabBar-content { flex-wrap: wrap; }
.jupyter-widgets.inb-rooms > .lm-TabBar .lm-TabBar-tab { flex: 0 1 auto; min-width: max-content; }
.inb-explorer .inb-row > .widget-checkbox { width: auto; }
.inb-explorer .widget-slider > .widget-label, .inb-explorer .widget-text > .widget-label { width: auto; }
</style>"""

_TABLE = "border-collapse:collapse;width:100%;font-size:12px;line-height:1.45;margin:0"
_CELL = (
    "text-align:left;vertical-align:top;padding:3px 12px 3px 0;border-top:1px solid rgba(128,128,128,.25);"
    "overflow-wrap:break-word"  # so that narrow columns keep their words whole
)


def rows_html(
    title: str, frame: pd.DataFrame, index: bool = True, most: int = 100, scrolls: bool = True
) -> str:
    """A titled table.

    Args:
        title: plain text; it is escaped here, as all cells are.
        frame: what to show.
        index: whether to show the index, under its name.
        most: how many rows are written out; a line says how many are not.
        scrolls: whether it scrolls when it is long, and so cuts a row at its edge; else it is as long as it is.
    """
    shown = frame.head(most)
    heads = [*([str(frame.index.name or "")] if index else []), *map(str, frame.columns)]
    lines = (
        [*([key] if index else []), *values]
        for key, values in zip(shown.index, shown.itertuples(index=False, name=None), strict=True)
    )
    head = "".join(f'<th scope="col" style="{_CELL};border-top:0">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(value)}</td>' for value in line) + "</tr>"
        for line in lines
    )
    high = "max-height:300px;" if scrolls else ""
    more = f'<p style="{MUTED}">and {len(frame) - most:,} more</p>' if len(frame) > most else ""
    return (
        f'<div class="inb-table" style="margin:8px 0 2px"><strong>{escape(title)}</strong>'
        f'<div style="{high}overflow:auto"><table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}</div>"
    )
