"""What a notebook measured, recorded in its outputs, so that whoever runs it can read it there.

    inb.record("acc", result.metrics["acc"], tolerance=0.02)

A record is a display of the type `MIME` beside words for a reader. It does not know how notebooks are run.
"""

from __future__ import annotations

import html
import math
import numbers
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from influence_nb.arguments import quoted, real
from influence_nb.errors import InvalidData
from influence_nb.evaluation.intervals import Metric
from influence_nb.evaluation.runs import COLUMNS

MIME = "application/vnd.influence-nb.metric+json"
"""The type of a record among the outputs of a cell."""

_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Recorded:
    """One metric that a notebook recorded.

    Attributes:
        metric: the number; count 1 (of NaN: missing 1) and no interval where a bare number was given.
        within: (low, high) that the value must lie in; None for anywhere.
        tolerance: how far the value of another run may be from it; None where `within` alone says what may be, and
            without that it must be the same.
        cell: the place of the cell in the notebook, from 0.
    """

    metric: Metric
    within: tuple[float, float] | None = None
    tolerance: float | None = None
    cell: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it: NaN is null."""
        known = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self.metric).items()
        }
        return {**known, "within": self.within and list(self.within), "tolerance": self.tolerance}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], cell: int = 0) -> Recorded:
        """The inverse of `to_dict`.

        Raises:
            InvalidData: it is no record.
        """
        try:
            given = dict(values)
            within, tolerance = given.pop("within"), given.pop("tolerance")
            metric = Metric(**given)
            known = {name: getattr(metric, name) for name in ("value", "low", "high")}
            known = {name: math.nan if value is None else float(value) for name, value in known.items()}
            return cls(replace(metric, **known), within and (within[0], within[1]), tolerance, cell)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InvalidData(
                f"Cell {cell + 1} holds a metric that cannot be read: {error!r}.", "Run the notebook again."
            ) from error

    def __str__(self) -> str:
        value = self.metric.value
        said = f"{self.metric.name} = {'NaN: there is no value' if math.isnan(value) else f'{value:.6g}'}"
        if not math.isnan(self.metric.low):
            said += f", {self.metric.confidence:.0%} interval {self.metric.low:.6g} to {self.metric.high:.6g}"
        if self.within is not None:
            low, high = self.within
            said += f", {'within' if self.is_within else 'NOT within'} {low:g} to {high:g}"
        return said if self.tolerance is None else f"{said}, tolerance {self.tolerance:g}"

    @property
    def is_within(self) -> bool:
        """Whether the value lies where it must; NaN lies nowhere."""
        return self.within is None or self.within[0] <= self.metric.value <= self.within[1]


def record(
    name: str,
    value: float | Metric,
    within: tuple[float, float] | None = None,
    tolerance: float | None = None,
) -> None:
    """Record a metric of the notebook that runs: `inb.run_notebook` and the notebook checks read it there.

    In a notebook it is displayed; elsewhere it is printed. Under a name that was recorded before it takes the place of
    that. Nothing is refused here for lying elsewhere than `within`: the checks do that.

    Args:
        name: what it is called in the table of runs.
        value: a finite number, or NaN, which is recorded as such; or a `Metric` of a result, with its interval.
        within: (low, high), both included, that the value must lie in.
        tolerance: how far the value of another run may be from this one; without it and without `within` it must be
            the same.

    Raises:
        InvalidData: a name that cannot be, an infinite value, one that is no number, an empty interval.
    """
    one = _recorded(name, value, within, tolerance)
    bundle = {MIME: one.to_dict(), "text/plain": str(one), "text/html": f"<p>{html.escape(str(one))}</p>"}
    if not _displayed(bundle):
        print(one)


def recorded(notebook: Mapping[str, Any]) -> list[Recorded]:
    """The metrics in the outputs of an executed notebook, in their order; of equal names each.

    Raises:
        InvalidData: one cannot be read; names the cell.
    """
    return list(_found(notebook))


def _found(notebook: Mapping[str, Any]) -> Iterator[Recorded]:
    for place, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", ()):
            if (values := output.get("data", {}).get(MIME)) is not None:
                yield Recorded.from_dict(values, place)


def _displayed(bundle: Mapping[str, Any]) -> bool:
    """Show it where IPython runs; False where it does not."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return False
    show: Callable[..., object] = display
    show(dict(bundle), raw=True)
    return True


def _recorded(name: Any, value: Any, within: Any, tolerance: Any) -> Recorded:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or name.startswith("p."):
        raise InvalidData(f"name={quoted(name)} is none.", 'Give a text of one line, such as "acc".')
    if name in COLUMNS:
        raise InvalidData(
            f"name={quoted(name)} is a column that every run has.",
            f'Give another, such as "my {name}".',
        )
    if isinstance(value, Metric):
        metric = replace(value, name=name)
    else:
        number = _number(value)
        missing = int(math.isnan(number))
        metric = Metric(name, number, math.nan, math.nan, 1 - missing, missing)
    span = None if within is None else _span(within)
    return Recorded(metric, span, None if tolerance is None else real("tolerance", tolerance, 0, _LARGEST))


def _number(value: Any) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or math.isinf(value):
        raise InvalidData(
            f"value={quoted(value)} cannot be recorded.",
            "Give a finite number, NaN where there is none, or a Metric of a result.",
        )
    return float(value)


def _span(within: Any) -> tuple[float, float]:
    try:
        low, high = within
    except (TypeError, ValueError) as error:
        raise InvalidData(
            f"within={quoted(within)} is no interval.", "Give (low, high), such as within=(0.4, 0.6)."
        ) from error
    least = real("within[0]", low, -_LARGEST, _LARGEST)
    return least, real("within[1]", high, least, _LARGEST)
