"""What two panels of maps share: the style of things that stand side by side.

It does not know the panels.
"""

from __future__ import annotations

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
