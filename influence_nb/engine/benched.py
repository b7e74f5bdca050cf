"""`Bench`: how fast a model was on a machine, over prompt lengths and batch sizes; a table, a picture, a file.

Plain values; it does not know how they were measured (`bench.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted
from influence_nb.engine import jsons
from influence_nb.errors import InvalidData
from influence_nb.memory.report import gb
from influence_nb.picture import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_FORMAT = "influence_nb bench"
_HINT = "Use a file that Bench.save() or `influence bench --json` wrote."

_GREY = "#808080"
"""Readable on white and on black."""

FIGURES = {
    "prefill": "prefill (tokens/s)",
    "decode": "decode (tokens/s)",
    "first_token": "first token (s)",
    "memory": "memory (bytes)",
}
"""The figures of a cell, and what they are with their units."""


@dataclass(frozen=True)
class Cell:
    """What was measured for one prompt length and batch size: medians over the repeats; None where nothing was.

    Attributes:
        prompt_length: tokens in each prompt.
        batch_size: prompts that run together.
        prefill: prompt tokens a second, of all prompts together.
        decode: generated tokens a second after each prompt's first, of all prompts together.
        first_token: seconds from the call until every prompt has its first token.
        memory: the most bytes taken at once above what was taken before: KV cache, activations, and no weights. On a
            CPU, by the process's resident size.
        note: why there are no figures; "" where there are.
    """

    prompt_length: int
    batch_size: int
    prefill: float | None = None
    decode: float | None = None
    first_token: float | None = None
    memory: int | None = None
    note: str = ""


@dataclass(frozen=True, repr=False)
class Bench:
    """How fast a model ran. `influence_nb.bench` gives it.

    Attributes:
        model: name, revision, architecture, parameters, weights (bytes in memory), dtype, quantization, device,
            attention and runtime of the model, by name.
        hardware: system, processor, cores, threads that torch computes with, memory (bytes) and accelerator (None on a
            CPU), by name.
        versions: {package: version}.
        cells: in the order they were measured.
        new_tokens, repeats: how they were measured.
        cancelled: whether it was stopped before the last cell.
        asked: how many cells were asked for; None in a file that does not say it.
    """

    model: Mapping[str, Any]
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    cells: tuple[Cell, ...]
    new_tokens: int
    repeats: int
    cancelled: bool = False
    asked: int | None = None

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell, under (prompt_length, batch_size): prefill, decode, first_token, memory, note."""
        import pandas as pd

        frame = pd.DataFrame(
            [asdict(cell) for cell in self.cells], columns=[one.name for one in fields(Cell)]
        )
        kinds = {name: "Int64" if name == "memory" else "float64" for name in FIGURES}
        return frame.astype(kinds).set_index(["prompt_length", "batch_size"])

    def compare(self, other: Bench) -> pd.DataFrame:
        """Ratios of these figures to another bench's, for the cells that both have.

        Returns:
            A frame under (prompt_length, batch_size), NaN where either has no figure. Above 1 this one is faster in
            prefill and decode, and slower or larger in first_token and memory.

        Raises:
            InvalidData: `other` is no Bench, was run with another number of new tokens, or has no cell in common.
        """
        if not isinstance(other, Bench):
            raise InvalidData(f"{quoted(other)} is no Bench.", "Give one, such as Bench.load('out.json').")
        if other.new_tokens != self.new_tokens:
            raise InvalidData(
                f"This bench generated {self.new_tokens} tokens a prompt, the other {other.new_tokens}.",
                "Measure both with the same new_tokens.",
            )
        columns = list(FIGURES)
        mine, theirs = (one.to_frame()[columns].astype("float64") for one in (self, other))
        both = mine.index.intersection(theirs.index)
        if both.empty:
            raise InvalidData(
                "The two have no prompt length and batch size in common.", "Measure both with the same ones."
            )
        return mine.loc[both] / theirs.loc[both]

    def plot(self) -> Figure:
        """Prefill, decode and time to the first token over the prompt length, a line for each batch size."""
        figure = new_figure(10.5, 3.2)
        frame = self.to_frame().reset_index()
        measured = sorted(set(frame.loc[frame["note"] == "", "prompt_length"]))
        for place, name in enumerate(("prefill", "decode", "first_token")):
            axes = figure.add_subplot(1, 3, place + 1)
            for size, rows in frame.dropna(subset=[name]).groupby("batch_size"):
                rows = rows.sort_values("prompt_length")
                axes.plot(rows["prompt_length"], rows[name], marker="o", label=str(size))
            axes.set_xscale("log", base=2)
            axes.set_xticks(measured)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.set_xlabel("prompt length (tokens)")
            axes.set_ylabel(FIGURES[name])
            if axes.lines:  # with room for the marker at the top, also where all values are nearly the same
                axes.set_ylim(0, 1.08 * axes.dataLim.y1)
            axes.tick_params(colors=_GREY, which="both")
            for text in (axes.xaxis.label, axes.yaxis.label):
                text.set_color(_GREY)
            for spine in axes.spines.values():
                spine.set_color(_GREY)
        if figure.axes[0].lines:
            legend = figure.axes[0].legend(title="batch size", labelcolor=_GREY, framealpha=0, fontsize=8)
            legend.get_title().set_color(_GREY)
        figure.suptitle(self.title, color=_GREY, fontsize=10)
        return figure

    @property
    def title(self) -> str:
        """Model and machine in a line."""
        what = " ".join(str(self.model[name]) for name in ("dtype", "quantization") if self.model.get(name))
        where = self.hardware.get("accelerator") or self.hardware.get("processor")
        return f"{self.model.get('name')}, {what}, {self.model.get('device')} ({where})"

    def save(self, path: str | Path) -> Path:
        """Write it as JSON, to be compared with other machines'; `load` reads it.

        Raises:
            InvalidData: there is no writing there.
        """
        return jsons.write(path, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """What `save` writes, as JSON-friendly values."""
        return {"format": _FORMAT, "version": 1, **asdict(self)}

    @classmethod
    def load(cls, path: str | Path) -> Bench:
        """The bench in a file that `save` wrote.

        Raises:
            InvalidData: the file holds none.
        """
        state = jsons.read(path, "a bench", _HINT)
        try:
            if (state.pop("format"), state.pop("version")) != (_FORMAT, 1):
                raise ValueError("another format")
            made = cls(**{**state, "cells": tuple(_cell(**cell) for cell in state["cells"])})
            if not all(isinstance(one, dict) for one in (made.model, made.hardware, made.versions)):
                raise ValueError("model, hardware and versions are not mappings")
            if not all(type(one) is int for one in (made.new_tokens, made.repeats)):
                raise ValueError("new_tokens and repeats are not whole numbers")
            if made.asked is not None and type(made.asked) is not int:
                raise ValueError("asked is no whole number")
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(f"{path} does not hold a bench: {error}.", _HINT) from error
        return made

    def __repr__(self) -> str:
        measured = sum(not cell.note for cell in self.cells)
        asked = len(self.cells) if self.asked is None else self.asked
        how = ", cancelled" if self.cancelled else ""
        return f"Bench({self.title}, {measured} of {asked} cells measured{how})"

    def _repr_html_(self) -> str:
        import html

        shown: dict[str, Callable[[float], str]] = {
            "prefill": "{:,.1f}".format,
            "decode": "{:,.1f}".format,
            "first_token": "{:.3f}".format,
            "memory": gb,
        }
        frame = self.to_frame()
        for name, write in shown.items():
            frame[name] = [
                None if number != number else write(number) for number in frame[name].astype(float)
            ]
        heads = {**FIGURES, "memory": "memory"}
        table = frame.rename(columns=heads).to_html(na_rep="")
        ended = "<div>Cancelled before its end.</div>" if self.cancelled else ""
        return f"<div>{html.escape(self.title)}</div>{table}{ended}"


def _cell(**values: Any) -> Cell:
    cell = Cell(**values)
    whole = [cell.prompt_length, cell.batch_size, cell.memory or 0]
    figures = [getattr(cell, name) for name in FIGURES]
    if not all(type(one) is int for one in whole) or not isinstance(cell.note, str):
        raise ValueError("a cell has a length, size or note of another kind")
    if not all(one is None or (isinstance(one, int | float) and type(one) is not bool) for one in figures):
        raise ValueError("a cell has a figure that is no number")
    return cell
