"""`SearchResults`: the hits of one page, list-like, as a data frame, as text and as an HTML table.

It does not know where the next page comes from: it is handed a callable for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from html import escape
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import quote

from influence_nb.hub.hits import ModelHit

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.memory.budget import Fits

HEADINGS = {
    "id": "Model",
    "parameters": "Parameters",
    "fits": "Fits here",
    "size": "Size on Hub",
    "license": "Licence",
    "gated": "Gate",
    "downloads": "Downloads",
    "likes": "Likes",
    "updated": "Updated",
    "task": "Task",
}
"""The columns of a table of hits, and what stands above each."""

NUMBERS = ("parameters", "size", "downloads", "likes")
"""The columns that are aligned to the right."""

FITS = {"yes": "yes", "int8": "as int8", "nf4": "as nf4", "no": "no", None: ""}
GATES = {False: "open", "auto": "gated", "manual": "on request"}

_CELL = "padding:3px 8px;text-align:{};vertical-align:baseline;white-space:nowrap;background:none"
_LINE = "border-bottom:1px solid rgba(128,128,128,.3);background:none"


Turn = Callable[[threading.Event | None], "SearchResults"]


class SearchResults(Sequence[ModelHit]):
    """The models that a search found, best first; `next()` gives the page after this one.

    Args:
        hits: the models of this page.
        turn: fetches the next page, and gives up when the event it is handed is set; None where there is no page.
        endpoint: the hub's address, for links to the models' pages; "" for no links.
    """

    def __init__(
        self,
        hits: Iterable[ModelHit],
        turn: Turn | None = None,
        endpoint: str = "",
    ) -> None:
        self._hits = tuple(hits)
        self._turn = turn
        self._endpoint = endpoint
        self._next: SearchResults | None = None
        self._lock = threading.Lock()

    @overload
    def __getitem__(self, index: int) -> ModelHit: ...
    @overload
    def __getitem__(self, index: slice) -> SearchResults: ...
    def __getitem__(self, index: int | slice) -> ModelHit | SearchResults:
        if isinstance(index, slice):
            return SearchResults(self._hits[index], endpoint=self._endpoint)
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    @property
    def more(self) -> bool:
        """Whether there is another page."""
        return self._turn is not None

    def next(self, cancel: threading.Event | None = None) -> SearchResults:
        """The next page; an empty one after the last. Asking again gives the same page, without a request.

        Args:
            cancel: set it from another thread to give up.

        Raises:
            HubUnreachable: as `search`; the page can be asked for again.
        """
        with self._lock:
            if self._next is None:
                empty = SearchResults((), endpoint=self._endpoint)
                self._next = empty if self._turn is None else self._turn(cancel)
            return self._next

    def judged(self, judge: Callable[[ModelHit], Fits | None]) -> SearchResults:
        """The same hits, and those of later pages, each with `judge(hit)` as its `fits`."""

        def turn(cancel: threading.Event | None) -> SearchResults:
            return self.next(cancel).judged(judge)

        hits = [replace(hit, fits=judge(hit)) for hit in self]
        return SearchResults(hits, turn if self.more else None, self._endpoint)

    def with_next(self, cancel: threading.Event | None = None) -> SearchResults:
        """The hits of this page and the next as one, each model once; its `next()` is the page after both."""
        page = self.next(cancel)
        hits = {
            hit.id: hit for hit in (*page, *self)
        }  # what moved to the next page meanwhile stays where it was
        order = dict.fromkeys(hit.id for hit in (*self, *page))
        return SearchResults((hits[id] for id in order), page.next if page.more else None, self._endpoint)

    def page_of(self, hit: ModelHit) -> str:
        """The address of the model's page on the hub; "" where the hub's own is not known."""
        return f"{self._endpoint}/{quote(hit.id)}" if self._endpoint else ""

    def to_frame(self) -> pd.DataFrame:
        """One row a model, with the fields of `ModelHit` as columns."""
        import pandas as pd

        names = [one.name for one in fields(ModelHit)]
        frame = pd.DataFrame([[getattr(hit, name) for name in names] for hit in self], columns=names)
        for name in NUMBERS:
            frame[name] = frame[name].astype("Int64")
        for name in ("updated", "created"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame

    def __repr__(self) -> str:
        if not self:
            return "No model found."
        names = ("id", "parameters", "fits", "size", "license", "gated", "downloads", "updated")
        rows = [[HEADINGS[name] for name in names]]
        rows += [[cells(hit)[name] for name in names] for hit in self]
        widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
        lines = [
            "  ".join(
                text.rjust(width) if name in NUMBERS else text.ljust(width)
                for name, text, width in zip(names, row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        if self.more:
            lines.append("More: .next()")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.to_html() + (
            '<p style="opacity:.75;margin:4px 8px">There are more: <code>.next()</code></p>'
            if self.more
            else ""
        )

    def to_html(self) -> str:
        """The hits as an HTML table, all text escaped, in colours that hold on light and dark pages."""
        if not self:
            return "<p>No model found.</p>"
        heading = "".join(_cell("th", name, escape(text)) for name, text in HEADINGS.items())
        rows = "".join(f'<tr style="{_LINE}">{self._row(hit)}</tr>' for hit in self)
        return (
            '<div style="overflow-x:auto"><table style="border-collapse:collapse;font-size:13px;margin:0">'
            f'<thead><tr style="{_LINE}">{heading}</tr></thead><tbody>{rows}</tbody></table></div>'
        )

    def _row(self, hit: ModelHit) -> str:
        shown = {name: escape(text) for name, text in cells(hit).items()}
        address = self.page_of(hit)
        if address:
            link = f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{shown["id"]}</a>'
            shown["id"] = link
        return "".join(_cell("td", name, text) for name, text in shown.items())


def _cell(tag: str, name: str, content: str) -> str:
    return f'<{tag} style="{_CELL.format("right" if name in NUMBERS else "left")}">{content}</{tag}>'


def cells(hit: ModelHit) -> dict[str, str]:
    """What a table shows of a hit: plain text for each of `HEADINGS`, "" for what is not known."""
    shown = {
        "id": hit.id,
        "parameters": count(hit.parameters),
        "fits": FITS[hit.fits],
        "size": size(hit.size),
        "license": hit.license or "",
        "gated": GATES[hit.gated],
        "downloads": f"{hit.downloads:,}",
        "likes": f"{hit.likes:,}",
        "updated": f"{hit.updated:%Y-%m-%d}" if hit.updated else "",
        "task": hit.task or "",
    }
    return {name: shown[name] for name in HEADINGS}


def count(parameters: int | None) -> str:
    """A number of parameters the way models are named by it: 135M, 1.7B, 70B; "" for None."""
    return "" if parameters is None else _short(parameters, (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)))


def size(amount: int | None) -> str:
    """Bytes in words, by powers of ten: 812 MB, 1.2 GB; "" for None."""
    units = ((" TB", 1e12), (" GB", 1e9), (" MB", 1e6), (" kB", 1e3))
    return "" if amount is None else _short(amount, units, " B")


def _short(value: float, units: tuple[tuple[str, Any], ...], one: str = "") -> str:
    for name, unit in units:
        # 999,600,000 is 1B, not 1000M
        if value >= unit * 0.9995:
            share = value / unit
            return f"{share:.1f}".removesuffix(".0") + name if share < 9.95 else f"{share:.0f}{name}"
    return f"{value:.0f}{one}"
