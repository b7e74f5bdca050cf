"""Comparing runs, paired: which items flipped, and whether what differs can be chance.

    inb.compare_runs(first, second)

It knows numbers by item; it does not know models.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool
from influence_nb.errors import InvalidData
from influence_nb.evaluation.intervals import Values, resampled
from influence_nb.evaluation.judging import Figure
from influence_nb.evaluation.run import Result, values
from influence_nb.evaluation.runs import Run
from influence_nb.picture import GREY, new_figure

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure as Picture

Given = Result | Run | str | Path

SWAPS = 9999
"""How many swappings of pairs a permutation test looks at, at most."""


@dataclass(frozen=True)
class Test:
    """Whether two runs differ in a metric, item by item.

    Attributes:
        first, second: the runs' ids.
        metric: its name.
        difference: second minus first.
        low, high: the 95% interval for the difference, by paired bootstrap; it is rather narrow for fewer than some 20
            items. NaN for fewer than two.
        p: the probability of at least such a difference were there none: by McNemar's exact test where items are right
            or wrong, else by a paired permutation test; NaN for fewer than two items.
        adjusted: p after Holm's correction for all tests of this comparison.
        better, worse: of how many items the second's value is the better one, and of how many the worse; of perplexity
            the lower one is better.
        count: how many items both have a value for.
        missing: how many were left out because one has none.
        method: "McNemar" or "permutation"; "none" where there is no p.
    """

    __test__ = False  # no test of pytest's

    first: str
    second: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    better: int
    worse: int
    count: int
    missing: int
    method: str


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs beside each other. `influence_nb` gives it from `compare_runs`.

    Attributes:
        results: the results, in the order given.
        tests: each other one against the first, for every metric.
        same_data: whether all ran over the same items.
    """

    results: tuple[Result, ...]
    tests: tuple[Test, ...]
    same_data: bool

    def to_frame(self) -> pandas.DataFrame:
        """A row for each test."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.tests])

    def flipped(self, metric: str | None = None, second: int = 1) -> pandas.DataFrame:
        """The items on which two runs differ, with both outputs: those that got worse first.

        Values are the items' own: of perplexity each text's, though that of the whole is no mean of them.

        Args:
            metric: by default the scorer's first.
            second: which of the runs is held against the first, from 1.

        Raises:
            InvalidData: no such metric or run.
        """
        import pandas as pd

        one, other = self.results[0], _at(self.results, second)
        figure = _figure(one, metric)
        own = any(figure.name in item["values"] for item in one.items)
        part = figure.name if own else figure.part or figure.name
        rows = []
        others = {item["id"]: item for item in other.items}
        prompts = {row["id"]: one.task.prompt(row) for row in one.task.rows}
        for item in one.items:
            now = others.get(item["id"])
            if now is None:
                continue
            before, after = values([item, now], part)
            if before != after and not (math.isnan(before) and math.isnan(after)):
                rows.append(
                    {
                        "id": item["id"],
                        "prompt": _text(prompts[item["id"]]),
                        "first": item["output"],
                        "second": now["output"],
                        f"first {part}": before,
                        f"second {part}": after,
                        "change": after - before,
                    }
                )
        frame = pd.DataFrame(
            rows,
            columns=["id", "prompt", "first", "second", f"first {part}", f"second {part}", "change"],
        )
        ascending = figure.better == "higher"
        return frame.sort_values("change", ascending=ascending, kind="stable").set_index("id")

    def plot(self, metric: str | None = None) -> Picture:
        """Each run's value with its interval.

        Raises:
            InvalidData: no such metric.
        """
        name = _figure(self.results[0], metric).name
        figure = new_figure(6, 0.5 * len(self.results) + 1.2)
        ax = figure.add_subplot()
        for place, one in enumerate(self.results):
            found = one.metrics[name]
            spread = [[found.value - found.low], [found.high - found.value]]
            ax.errorbar(
                [found.value], [place], xerr=np.nan_to_num(spread), fmt="o", capsize=4, color="#1f77b4"
            )
        ax.set_yticks(range(len(self.results)), [_label(one) for one in self.results])
        ax.invert_yaxis()
        ax.set_ylim(len(self.results) - 0.5, -0.5)
        ax.set_xlabel(f"{name}, with its {self.results[0].metrics[name].confidence:.0%} interval", color=GREY)
        ax.tick_params(colors=GREY)
        for spine in ax.spines.values():
            spine.set_color(GREY)
        return figure

    def __repr__(self) -> str:
        return f"Comparison({', '.join(_label(one) for one in self.results)})"

    def _repr_html_(self) -> str:
        names = ("", "metric", "first", "second", "difference", "interval", "better", "worse", "p")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(map(self._row, self.tests))
        return (
            f"<p>Against {html.escape(_label(self.results[0]))}, item by item; p after Holm's correction for "
            f"{len(self.tests)} tests</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _row(self, test: Test) -> str:
        runs = {one.run.id: one for one in self.results}
        values = (runs[one].metrics[test.metric].value for one in (test.first, test.second))
        known = test.method != "none"
        cells = (
            html.escape(_label(runs[test.second])),
            test.metric,
            *(f"{value:.3f}" for value in values),
            f"{test.difference:+.3f}",
            f"{test.low:+.3f} to {test.high:+.3f}" if known else "",
            f"{test.better:,}",
            f"{test.worse:,}",
            f"{test.adjusted:.3g} ({test.method})" if known else "cannot be told",
        )
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def compare_runs(*given: Given, other_data: bool = False) -> Comparison:
    """Hold runs against the first of them, item by item.

    For items that are right or wrong McNemar's exact test is taken (McNemar 1947: the discordant pairs are coin tosses
    where nothing differs); for other numbers a paired permutation test (Fisher 1935: where nothing differs, which run a
    value of an item is from is a coin toss). p is corrected for the number of tests as Holm (1979) does. Intervals are
    by paired bootstrap, which draws items, both runs' values together.

    Args:
        given: two runs or more: results, runs, ids or folders.
        other_data: compare runs over different data too, by the ids that they share.

    Raises:
        InvalidData: fewer than two, runs that did not end, of different scorers, or over different data.
    """
    from influence_nb.evaluation.run import result

    expect_bool(other_data=other_data)
    results = tuple(one if isinstance(one, Result) else result(one) for one in given)
    if len(results) < 2:
        raise InvalidData("One run alone cannot be compared.", "Give two or more.")
    kinds = {one.task.scorer.kind for one in results}
    if len(kinds) > 1:
        raise InvalidData(
            f"The runs were judged in different ways: {', '.join(sorted(kinds))}.",
            "Compare runs of one scorer.",
        )
    same = len({one.run.data for one in results}) == 1
    if not same and not other_data:
        named = ", ".join(f"{one.task.name} ({len(one.task)} items)" for one in results)
        raise InvalidData(
            f"The runs are over different data: {named}.",
            "Compare what both have in common with other_data=True.",
        )
    tests = [
        _test(results[0], other, figure) for other in results[1:] for figure in results[0].task.scorer.figures
    ]
    corrected = holm([one.p for one in tests])
    tests = [Test(**{**vars(one), "adjusted": p}) for one, p in zip(tests, corrected, strict=True)]
    return Comparison(results, tuple(tests), same)


def mcnemar(better: int, worse: int) -> float:
    """The two-sided p of McNemar's exact test from the counts of discordant pairs; 1 where there are none."""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def swap_test(above: Values, below: Values, of: Callable[[float], float] = float) -> float:
    """The two-sided p of a paired permutation test of two ratios of sums (Fisher 1935); of fewer than two items NaN.

    Each item's values are left as they are or swapped between the two runs; p is from the share of swappings that
    differ at least as much as what was found. That is exact where all 2^n of them are looked at, up to 13 items; of
    more, `SWAPS` are drawn, always the same, and what was found counts among them, so that p is never 0 (Phipson, Smyth
    2010). See `scipy.stats.permutation_test`.

    Args:
        above: (2, n), what is summed above the line, a row for each run.
        below: (2, n), what is summed below it; ones give means.
        of: a rising function of the ratio.
    """
    from scipy.stats import permutation_test

    size = above.shape[1]
    if size < 2:
        return math.nan
    top, under, through = above.ravel(), below.ravel(), np.vectorize(of, otypes=[float])

    def difference(first: NDArray[Any], second: NDArray[Any], axis: int) -> Values:
        """Of the items at the places that each run now has."""
        with np.errstate(invalid="ignore", divide="ignore"):
            one, other = (through(top[at].sum(axis) / under[at].sum(axis)) for at in (first, second))
        return np.asarray(other - one)

    found = permutation_test(
        tuple(np.arange(2 * size).reshape(2, size)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=SWAPS,
        batch=max(1, 2**22 // size),
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """P values corrected for how many they are, step by step from the smallest (Holm 1979); NaN stays NaN."""
    known = [place for place in np.argsort(ps) if not math.isnan(ps[place])]
    found, least = [math.nan] * len(ps), 0.0
    for rank, place in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * ps[place]))
        found[place] = least
    return found


def _test(first: Result, second: Result, figure: Figure) -> Test:
    part = figure.part or figure.name
    others = {item["id"]: item for item in second.items}
    pairs = [(item, others[item["id"]]) for item in first.items if item["id"] in others]
    if not pairs:
        raise InvalidData("The runs share no item.", "Items are the same where their ids are.")
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    above = np.array([values(side, part) for side in sides])
    below = np.ones_like(above)
    if figure.over is not None:
        below = np.array([values(side, figure.over) for side in sides])
    known = (np.isfinite(above) & np.isfinite(below)).all(axis=0)
    above, below = above[:, known], below[:, known]
    count = int(known.sum())
    gains = np.diff(above / below, axis=0) * (1 if figure.better == "higher" else -1)
    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    difference = low = high = p = math.nan
    method = "none"
    if count:
        first_value, second_value = map(figure.of, above.sum(axis=1) / below.sum(axis=1))
        difference = float(second_value - first_value)
    if count > 1:
        through = np.vectorize(figure.of, otypes=[float])
        drawn = [
            through(resampled(a, b)) for a, b in zip(above, below, strict=True)
        ]  # the same items on both sides
        low, high = (float(one) for one in np.nanpercentile(drawn[1] - drawn[0], [2.5, 97.5]))
        binary = figure.over is None and set(np.unique(above)) <= {0.0, 1.0}
        p = mcnemar(better, worse) if binary else swap_test(above, below, figure.of)
        method = "McNemar" if binary else "permutation"
    return Test(
        first.run.id, second.run.id, figure.name, difference, low, high, p, p, better, worse, count,
        len(pairs) - count, method,
    )  # fmt: skip


def _figure(given: Result, metric: str | None) -> Figure:
    known = {one.name: one for one in given.task.scorer.figures}
    if metric is None:
        return next(iter(known.values()))
    if metric not in known:
        raise InvalidData(f"There is no metric {metric!r}.", f"There are: {', '.join(known)}.")
    return known[metric]


def _at(results: Sequence[Result], place: int) -> Result:
    if not 1 <= place < len(results):
        raise InvalidData(f"There is no run {place} to compare.", f"Give 1 to {len(results) - 1}.")
    return results[place]


def _label(given: Result) -> str:
    facts: Mapping[str, Any] = given.run.determined_by
    how = facts.get("quantization") or facts.get("dtype") or ""
    more = ", ".join(f"{name}={one}" for name, one in given.run.parameters.items() if name != "seed")
    return f"{given.run.model} {how}{f' {more}' if more else ''} ({given.run.id[:6]})"


def _text(prompt: Any) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(str(one["content"]) for one in prompt)
