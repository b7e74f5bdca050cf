"""Metrics of a whole task with intervals: what other items of the same kind might have given.

It knows numbers; it does not know tasks or models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RESAMPLES = 2000
"""How often items are drawn again for a bootstrap interval."""


@dataclass(frozen=True)
class Metric:
    """A number for a task, and the interval in which it may as well lie.

    Attributes:
        name: such as "acc".
        value: over the items that have one; NaN where none has.
        low, high: the interval of `confidence`: Wilson's for shares of right and wrong, else by bootstrap.
        count: how many items have a value.
        missing: how many have none (NaN): they are left out, and said.
        confidence: such as 0.95.
        better: "higher" or "lower".
    """

    name: str
    value: float
    low: float
    high: float
    count: int
    missing: int = 0
    confidence: float = 0.95
    better: str = "higher"

    def __str__(self) -> str:
        missing = f", {self.missing} without a value" if self.missing else ""
        span = f"[{self.low:.3f}, {self.high:.3f}]" if not math.isnan(self.low) else "no interval"
        return f"{self.name} {self.value:.3f} {span} of {self.count}{missing}"


def metric(
    name: str,
    above: Sequence[float],
    below: Sequence[float] | None = None,
    through: Callable[[float], float] = float,
    better: str = "higher",
    confidence: float = 0.95,
) -> Metric:
    """A ratio of sums over items with its interval.

    Args:
        name: what it is called.
        above: a number for each item; NaN where there is none.
        below: what the sum of `above` is divided by the sum of; None counts items, which gives the mean.
        through: a rising function of the ratio that gives the metric.
        better: "higher" or "lower".
        confidence: between 0 and 1.
    """
    top = np.asarray(above, np.float64)
    under = np.ones_like(top) if below is None else np.asarray(below, np.float64)
    known = np.isfinite(top) & np.isfinite(under)
    missing = int(len(top) - known.sum())
    top, under = top[known], under[known]
    if not len(top) or not under.sum():
        return Metric(name, math.nan, math.nan, math.nan, len(top), missing, confidence, better)
    value = float(top.sum() / under.sum())
    if below is None and set(np.unique(top)) <= {0.0, 1.0}:
        low, high = wilson(int(top.sum()), len(top), confidence)
    else:
        low, high = bootstrap(top, under, confidence)
    return Metric(name, through(value), through(low), through(high), len(top), missing, confidence, better)


def wilson(right: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927), which stays within 0 and 1, also for few items."""
    from scipy.stats import binomtest

    interval = binomtest(right, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(above: Values, below: Values, confidence: float = 0.95) -> tuple[float, float]:
    """Percentiles of the ratio of sums over items drawn again with replacement (Efron 1979); NaN for one item.

    Always the same draws: the seed is 0.
    """
    if len(above) < 2:
        return math.nan, math.nan
    found = resampled(above, below)
    tail = 100 * (1 - confidence) / 2
    low, high = np.nanpercentile(found, [tail, 100 - tail])
    return float(low), float(high)


def resampled(above: Values, below: Values, count: int = RESAMPLES) -> Values:
    """The ratios of sums of `count` samples, each of as many items, drawn with replacement, always the same draws."""
    rng = np.random.default_rng(0)
    size = len(above)
    at_once = max(1, 2**22 // size)
    found = []
    for begin in range(0, count, at_once):
        drawn = rng.integers(0, size, (min(at_once, count - begin), size))
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(above[drawn].sum(axis=1) / below[drawn].sum(axis=1))
    return np.concatenate(found)
