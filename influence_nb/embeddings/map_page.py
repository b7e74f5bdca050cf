"""A map as one HTML file to look around in: no network, no kernel, nothing beside it.

It knows maps; the page's script is `widgets/map_page/`. Texts and names are data to the page, never markup; its own
policy forbids it to load anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.embeddings.columns import can_colour, categories, colours, is_continuous, numbers

if TYPE_CHECKING:
    import pandas

    from influence_nb.embeddings.export import Job
    from influence_nb.embeddings.map import EmbeddingMap

STATIC = Path(__file__).parent / "static"
MEASURED = 20_000
"""Of a map of more texts it is not measured how far it can be trusted, unless it was already."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src '{script_sum}'; style-src '{style_sum}'">
<title>{title}</title>
<style>{style}</style>
<body>
<script type="application/json" id="map">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def page(job: Job) -> str:
    """The page of some rows of a map, see `export.Job`."""
    map, points = job.map, job.points
    middle, span = (points.max(axis=0) + points.min(axis=0)) / 2, np.maximum(np.ptp(points, axis=0), 1e-6)
    data = {
        "title": job.title,
        "trust": _trust(map, job.projection),
        "axes": list(map.project(job.projection).axes),
        "points": _packed((points - middle) / span * 2),
        "texts": [str(text) for text in job.frame[map.text]],
        "rows": job.rows.tolist(),
        "columns": [_column(job.frame[name]) for name in job.columns],
        "color": job.color,
    }
    # No text can end the script: "<" is written as JSON's own escape.
    written = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    script, style = ((STATIC / f"map_page.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    sums = {"script_sum": _sum(script), "style_sum": _sum(style)}
    return _PAGE.format(title=html.escape(job.title), data=written, script=script, style=style, **sums)


def _trust(map: EmbeddingMap, projection: str | None) -> dict[str, str] | None:
    known = map.measured(projection)
    if known is None and 3 <= len(map) <= MEASURED:
        known = map.quality(projection=projection)
    if known is None:
        return {"words": "It was not measured how far this map can be trusted.", "warning": ""}
    return {"words": known.words, "warning": known.warning}


def _column(values: pandas.Series[Any]) -> dict[str, Any]:
    """A column for the page: numbers on a scale, categories with colours, or words only."""
    name = str(values.name)
    if is_continuous(values):
        return {"name": name, "kind": "numbers", "values": _packed(numbers(values))}
    codes, names = categories(values)
    found = {"name": name, "kind": "categories" if can_colour(values) else "words", "names": names}
    tones = colours(names) if found["kind"] == "categories" else {}
    return found | {"colours": [tones[name] for name in names if name in tones], "codes": _packed(codes)}


def _packed(values: NDArray[Any]) -> str:
    """Numbers as base64 of float32, little end first."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _sum(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
