"""`FitReport`: the answer to "will it fit?", as numbers, words, a table and a plot.

It shows what `memory.fit` worked out, and does not know how.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influence_nb.memory.budget import Fits
from influence_nb.picture import new_figure

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_WORDS = {
    "yes": "fits",
    "int8": "fits with quantization int8",
    "nf4": "fits with quantization nf4",
    "no": "does not fit",
}
_LINE, _LIMIT, _GREY = "#1f77b4", "#d62728", "#808080"
"""Mid tones, readable on white and on black."""
_FAR = 5
"""With so many times free what is needed, memory is drawn on a logarithmic axis."""


def gb(size: float) -> str:
    """Bytes in words: "1.2 GB", "340 MB"."""
    if abs(size) >= 1e9:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.0f} MB" if abs(size) >= 1e6 else f"{size / 1e3:,.0f} kB"


@dataclass(frozen=True)
class FitReport:
    """Whether a model fits a device, and what it takes there; all sizes in bytes.

    Attributes:
        weights: of the model in that dtype and quantization.
        cache: the KV cache of `batch` rows of `context` tokens.
        activations: at the peak of a prefill, with `overhead` and `correction` in it.
        total: the three together.
        budget: what the device has free.
        fits: "yes" as asked, "int8" or "nf4" when it would packed so, "no".
        suggestion: in words, what would fit.
        longest_context: tokens that would fit in each row, at most what the model was made for; 0 when none.
        curve: (context, cache, total) for several contexts, ascending; `by_context` is the table of it.
        name: of the model.
        device: such as "cuda:0".
        dtype: in which it computes, and its cache is.
        quantization: how the weights are packed; None for plain.
        context: tokens in each row.
        batch: rows.
        model_context: tokens the model was made for; None where nothing says it.
        overhead: the framework's share of `activations`.
        correction: bytes added to `activations`, or taken off, because of what was measured.
        calibrated: whether a peak measured on this machine was used.
        estimated: whether the parameters were worked out from the config, without the weights' headers.
    """

    weights: int
    cache: int
    activations: int
    total: int
    budget: int
    fits: Fits
    suggestion: str
    longest_context: int
    curve: tuple[tuple[int, int, int], ...]
    name: str = ""
    device: str = "cpu"
    dtype: str = "float32"
    quantization: str | None = None
    context: int = 4096
    batch: int = 1
    model_context: int | None = None
    overhead: int = 0
    correction: int = 0
    calibrated: bool = False
    estimated: bool = False

    @property
    def by_context(self) -> pandas.DataFrame:
        """A row for each of several contexts: context (tokens), cache and total (bytes), fits (bool)."""
        import pandas as pd

        frame = pd.DataFrame(self.curve, columns=["context", "cache", "total"])
        frame["fits"] = frame["total"] <= self.budget
        return frame

    def plot(self) -> Figure:
        """Memory over context, with what is free as a line; drawn for light and dark pages."""
        from matplotlib.ticker import LogLocator

        figure = new_figure(6.4, 3.6)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        contexts = [context for context, _, _ in self.curve]
        sizes = [total / 1e9 for _, _, total in self.curve]
        axes.plot(contexts, sizes, color=_LINE, label="needed")
        axes.axhline(self.weights / 1e9, color=_GREY, linestyle=":", label="weights alone")
        axes.axhline(self.budget / 1e9, color=_LIMIT, linestyle="--", label=f"free on {self.device}")
        axes.plot(
            [self.context], [self.total / 1e9], "o", color=_LINE, label=f"asked for: {self.context:,} tokens"
        )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{int(value):,}")
        if self.budget > _FAR * max(total for _, _, total in self.curve):
            axes.set_yscale("log")  # else the curve would lie flat on the axis
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            for label in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                label(lambda value, _: f"{value:g}")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("context (tokens)" + (f", {self.batch} rows" if self.batch > 1 else ""))
        axes.set_ylabel("memory (GB)")
        axes.set_title(self._heading(), color=_GREY, fontsize=10)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(_GREY)
        axes.tick_params(colors=_GREY, which="both")
        for spine in axes.spines.values():
            spine.set_color(_GREY)
        axes.legend(labelcolor=_GREY, framealpha=0, fontsize=8)
        return figure

    def __str__(self) -> str:
        lines = [f"{self._heading()}: {_WORDS[self.fits]}"]
        lines += [f"  {name:<12}{gb(size):>10}  {note}".rstrip() for name, size, note in self._rows()]
        return "\n".join([*lines, self.suggestion, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:right'>{gb(size)}</td>"
            f"<td style='text-align:left'>{html.escape(note)}</td></tr>"
            for name, size, note in self._rows()
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in (self.suggestion, *self._notes()))
        heading = html.escape(f"{self._heading()}: {_WORDS[self.fits]}")
        return f"<table><caption>{heading}</caption><tbody>{rows}</tbody></table>{notes}"

    def _heading(self) -> str:
        packed = f", {self.quantization}" if self.quantization else ""
        return f"{self.name or 'The model'} in {self.dtype}{packed} on {self.device}"

    def _rows(self) -> list[tuple[str, int, str]]:
        rows = f", {self.batch} rows" if self.batch > 1 else ""
        return [
            ("weights", self.weights, "estimated from the config" if self.estimated else ""),
            ("cache", self.cache, f"{self.context:,} tokens{rows}"),
            ("activations", self.activations, f"{gb(self.overhead)} of it the framework's own"),
            ("total", self.total, ""),
            ("free", self.budget, f"on {self.device}"),
        ]

    def _notes(self) -> list[str]:
        notes = []
        if self.calibrated:
            by = f"{'+' if self.correction >= 0 else '-'}{gb(abs(self.correction))}"
            notes.append(f"Corrected by {by}: the peak measured on this machine when it was last loaded.")
        if self.model_context and self.context > self.model_context:
            notes.append(f"The model was made for {self.model_context:,} tokens.")
        return notes
