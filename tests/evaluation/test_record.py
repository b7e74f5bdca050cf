"""`inb.record`: displayed in a notebook, printed elsewhere, read again from the outputs; and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData
from influence_nb.evaluation.record import MIME, Recorded, recorded


def shown(monkeypatch: pytest.MonkeyPatch, *args: Any, **more: Any) -> dict[str, Any]:
    """The bundle that a notebook would get."""
    import IPython
    from IPython import display

    found: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(display, "display", lambda bundle, raw: found.append(bundle))
    inb.record(*args, **more)
    [bundle] = found
    json.dumps(bundle, allow_nan=False)  # as a kernel sends it
    return bundle


def read(bundle: dict[str, Any]) -> Recorded:
    [found] = recorded({"cells": [{"outputs": []}, {"outputs": [{"data": bundle}]}]})
    assert found.cell == 1
    return found


@pytest.mark.parametrize("value", [0.5, 3, np.float32(0.25), -1e300])
def test_a_number_is_read_as_it_was_given(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    found = read(shown(monkeypatch, "acc", value, within=(-2e300, 4), tolerance=0.1))
    assert (found.metric.name, found.metric.value, found.metric.count) == ("acc", float(value), 1)
    assert math.isnan(found.metric.low)
    assert (found.within, found.tolerance, found.is_within) == ((-2e300, 4), 0.1, True)


def test_nan_is_recorded_and_said_and_lies_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = shown(monkeypatch, "acc", math.nan, within=(0, 1))
    assert bundle[MIME]["value"] is None
    assert "NaN: there is no value" in bundle["text/plain"]
    assert "NOT within 0 to 1" in bundle["text/html"]
    assert math.isnan(read(bundle).metric.value)
    assert not read(bundle).is_within


def test_a_metric_keeps_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = inb.Metric("acc", 0.5, 0.4, 0.6, 90, 10)
    found = read(shown(monkeypatch, "my acc", metric))
    assert found == Recorded(inb.Metric("my acc", 0.5, 0.4, 0.6, 90, 10), cell=1)
    assert "0.4 to 0.6" in str(found)


def test_elsewhere_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    inb.record("acc", 0.5, tolerance=0.01)
    assert capsys.readouterr().out == "acc = 0.5, tolerance 0.01\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("", 1), "name="),
        (("a\nb", 1), "name="),
        ((1, 1), "name="),
        (("p.seed", 1), "name="),
        (("status", 1), "a column"),
        (("a", "1"), "value="),
        (("a", True), "value="),
        (("a", math.inf), "value="),
        (("a", None), "value="),
        (("a", 1, 3), "within=3"),
        (("a", 1, (2, 1)), "within[1]"),
        (("a", 1, (math.nan, 1)), "within[0]"),
        (("a", 1, None, -1), "tolerance=-1"),
        (("a", 1, None, math.inf), "tolerance=inf"),
    ],
)
def test_what_is_refused(args: tuple[Any, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidData, match=words.replace("[", r"\[")) as raised:
        inb.record(*args)
    assert raised.value.hint
    assert capsys.readouterr().out == ""


def test_a_damaged_record_names_its_cell(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="Cell 1"):
        recorded({"cells": [{"outputs": [{"data": {MIME: {"name": "acc"}}}]}]})
