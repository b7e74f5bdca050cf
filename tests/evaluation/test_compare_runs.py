"""Comparing runs: statistics equal SciPy's and statsmodels', flips are listed, and unlike data is refused."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables, multitest, proportion

import influence_nb as inb
from influence_nb.errors import InvalidData
from influence_nb.evaluation.compare import holm, mcnemar, swap_test
from influence_nb.evaluation.intervals import metric
from influence_nb.evaluation.judging import Answer


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


def task(rows: int = 60, name: str = "told") -> inb.Task:
    items = [{"q": f"{name} {n}", "choices": ["a", "b"], "answer": 0} for n in range(rows)]
    return inb.Task(items, "{{ q }}", inb.MultipleChoice(), name)


def told(
    monkeypatch: pytest.MonkeyPatch, model: inb.Model, values: Any, seed: int, of: inb.Task | None = None
) -> Any:
    """A run whose items have these values of `acc`."""
    given = iter(values)

    def answers(self: Any, model: Any, prompts: Any, rows: Any, *rest: Any) -> list[Answer]:
        return [
            Answer({"acc": float(v), "acc_norm": 1.0, "margin": 1.0}, "a" if v else "b")
            for v, _ in zip(given, rows, strict=False)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(inb.MultipleChoice, "answers", answers)
        return inb.evaluate(model, of or task(len(values)), seed=seed)


def test_right_and_wrong_by_mcnemar(monkeypatch: pytest.MonkeyPatch, model: inb.Model) -> None:
    first = [1] * 30 + [0] * 30
    second = [1] * 25 + [0] * 5 + [1] * 14 + [0] * 16
    one, other = told(monkeypatch, model, first, 0), told(monkeypatch, model, second, 1)
    found = inb.compare_runs(one, other)
    test = next(test for test in found.tests if test.metric == "acc")
    assert (test.better, test.worse, test.count, test.missing, test.method) == (14, 5, 60, 0, "McNemar")
    assert test.difference == pytest.approx(9 / 60)
    assert test.p == pytest.approx(stats.binomtest(5, 19).pvalue)
    assert test.low < 0.15 < test.high
    drawn = stats.bootstrap(
        (np.array(second) - np.array(first),), np.mean, n_resamples=4000, method="percentile", rng=0
    ).confidence_interval
    assert (test.low, test.high) == (pytest.approx(drawn.low, abs=0.02), pytest.approx(drawn.high, abs=0.02))
    flipped = found.flipped()
    assert len(flipped) == 19
    assert list(flipped["change"][:5]) == [-1] * 5
    assert flipped.iloc[0]["prompt"] == "told 25"
    assert (flipped.iloc[0]["first"], flipped.iloc[0]["second"]) == ("a", "b")
    assert "McNemar" in found._repr_html_()
    assert len(found.plot().axes[0].containers) == 2
    unchanged = next(test for test in found.tests if test.metric == "acc_norm")
    assert (unchanged.difference, unchanged.p) == (0, 1)


def test_statistics_equal_statsmodels() -> None:
    for better, worse in [(14, 5), (0, 3), (8, 8), (0, 0)]:
        theirs = contingency_tables.mcnemar([[20, worse], [better, 20]], exact=True).pvalue
        assert mcnemar(better, worse) == pytest.approx(1.0 if math.isnan(theirs) else theirs)
    ps = [0.01, 0.04, 0.03, 0.005, 0.9]
    assert holm(ps) == pytest.approx(multitest.multipletests(ps, method="holm")[1])
    low, high = proportion.proportion_confint(17, 60, method="wilson")
    found = metric("acc", [1.0] * 17 + [0.0] * 43)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02, math.nan]) == [pytest.approx(0.02), pytest.approx(math.nan, nan_ok=True)]
    assert holm([]) == []


def test_a_mean_gets_the_interval_of_a_bootstrap() -> None:
    values = np.random.default_rng(1).normal(3, 1, 200)
    found = metric("length", values)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=2
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == (
        pytest.approx(theirs.low, abs=0.03),
        pytest.approx(theirs.high, abs=0.03),
    )
    assert metric("length", values) == found, "always the same"
    none = metric("length", [math.nan])
    assert (none.count, none.missing) == (0, 1)
    assert math.isnan(none.value)
    one = metric("length", [2.5])
    assert one.value == 2.5
    assert math.isnan(one.low)


def test_unlike_runs_are_refused(monkeypatch: pytest.MonkeyPatch, model: inb.Model) -> None:
    one = told(monkeypatch, model, [1, 0, 1, 1], 0)
    other = told(monkeypatch, model, [1, 1, 1], 0, task(3, "other"))
    with pytest.raises(InvalidData, match=r"different data: told \(4 items\), other \(3 items\)"):
        inb.compare_runs(one, other)
    found = inb.compare_runs(one, other, other_data=True)
    assert not found.same_data
    assert found.tests[0].count == 3
    with pytest.raises(InvalidData, match="alone"):
        inb.compare_runs(one)
    text = inb.evaluate(model, inb.Task([{"t": "hello world"}], "{{ t }}", inb.Perplexity()))
    with pytest.raises(InvalidData, match="judged in different ways"):
        inb.compare_runs(one, text)
    with pytest.raises(InvalidData, match="no run 'zzz'"):
        inb.compare_runs(one, "zzz")
    with pytest.raises(InvalidData, match="no metric"):
        found.flipped("speed")
    assert inb.compare_runs(one.run.id, one.run.folder).tests[0].p == 1


def test_ratios_are_compared_as_ratios(model: inb.Model) -> None:
    texts = [{"t": f"hello world, how are you {n}"} for n in range(6)]
    one = inb.evaluate(model, inb.Task(texts, "{{ t }}", inb.Perplexity()))
    other = inb.evaluate(model, inb.Task(texts, "{{ t }}!", inb.Perplexity()))
    found = inb.compare_runs(one, other)
    test = found.tests[0]
    assert test.method == "permutation"
    assert test.difference == pytest.approx(
        other.metrics["perplexity"].value - one.metrics["perplexity"].value
    )
    assert test.low <= test.difference <= test.high
    halves = itertools.product(*zip(one.items, other.items, strict=True))
    swapped = [perplexity(other_half(one, other, half)) - perplexity(half) for half in halves]
    least = abs(test.difference) - 1e-9
    assert test.p == pytest.approx(np.mean([abs(difference) >= least for difference in swapped]))


def perplexity(items: Any) -> float:
    sums = [sum(item["values"][name] for item in items) for name in ("nll", "tokens")]
    return math.exp(sums[0] / sums[1])


def other_half(one: Any, other: Any, half: Any) -> list[Any]:
    pairs = zip(one.items, other.items, half, strict=True)
    return [second if item is first else first for first, second, item in pairs]


def test_a_mean_is_tested_by_swapping_pairs(monkeypatch: pytest.MonkeyPatch, model: inb.Model) -> None:
    rng = np.random.default_rng(3)
    for count in (2, 5, 12):
        first, second = rng.random((2, count)).round(1) + np.array([[0], [0.2]])
        one, other = told(monkeypatch, model, first, count), told(monkeypatch, model, second, count + 100)
        theirs = stats.permutation_test(
            (first, second),
            lambda x, y: np.mean(y) - np.mean(x),
            permutation_type="samples",
            n_resamples=math.inf,
        )
        test = inb.compare_runs(one, other).tests[0]
        assert (test.p, test.method) == (pytest.approx(theirs.pvalue), "permutation")
    first, second = rng.normal(0, 1, 40), rng.normal(0.4, 1, 40)
    test = inb.compare_runs(told(monkeypatch, model, first, 1), told(monkeypatch, model, second, 2)).tests[0]
    assert test.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


def test_few_items_are_no_evidence(monkeypatch: pytest.MonkeyPatch, model: inb.Model) -> None:
    for count, p in [(2, 0.5), (3, 0.25)]:
        one = told(monkeypatch, model, [0.1] * count, 1)
        assert inb.compare_runs(one, told(monkeypatch, model, [0.9] * count, 2)).tests[0].p == p
    found = inb.compare_runs(told(monkeypatch, model, [0.1], 1), told(monkeypatch, model, [0.9], 2))
    test = found.tests[0]
    assert test.difference == pytest.approx(0.8)
    assert all(math.isnan(one) for one in (test.low, test.high, test.p, test.adjusted))
    assert test.method == "none"
    assert "cannot be told" in found._repr_html_()


def test_there_is_little_found_where_nothing_is() -> None:
    rng = np.random.default_rng(0)
    found = [swap_test(rng.normal(0, 1, (2, 10)), np.ones((2, 10))) for _ in range(1000)]
    assert 0.03 < np.mean(np.array(found) <= 0.05) < 0.065


def test_flips_of_perplexity_are_the_texts_own(model: inb.Model) -> None:
    texts = [{"t": f"hello world, how are you {n}"} for n in range(3)]
    one = inb.evaluate(model, inb.Task(texts, "{{ t }}", inb.Perplexity()))
    other = inb.evaluate(model, inb.Task(texts, "{{ t }} hello world", inb.Perplexity()))
    found = inb.compare_runs(one, other)
    flips = found.flipped("perplexity")
    for name, part in [("first", one), ("second", other)]:
        own = {item["id"]: item["values"]["perplexity"] for item in part.items}
        assert flips[f"{name} perplexity"].to_dict() == own
    assert list(flips["change"]) == sorted(flips["change"], reverse=True)
    test = found.tests[0]
    assert (test.worse, test.better) == ((flips["change"] > 0).sum(), (flips["change"] < 0).sum())
    assert test.better != test.worse
    assert f"<td>{test.better}</td><td>{test.worse}</td>" in found._repr_html_()
