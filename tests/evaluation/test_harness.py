"""lm-evaluation-harness on a loaded model gets the numbers that its own `hf` model gets, and so does `inb.evaluate`.

It brings some thirty packages, so it is not among the tests' own: `make test-extras` installs it and runs this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, InvalidSampling, MissingExtra
from influence_nb.evaluation.harness import sampling_of
from tests.harness import Harness, flat

ROWS: list[dict[str, Any]] = [
    {"question": "The quick brown", "choices": [" fox", " dog", " Zwölf of them"], "answer": 0},
    {"question": "hello", "choices": [" world", " lazy"], "answer": 1},
    {"question": "how are ", "choices": ["you today?", "system", "你好"], "answer": 0},
    {"question": "the sea and " * 200, "choices": [" the shore", " ships"], "answer": 1},
]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


@pytest.mark.extras("lm_eval")
def test_it_gets_the_numbers_of_the_harness_own_model(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    harness = Harness(tmp_path, ROWS, "choices", "perplexity", "words")
    ours, told = harness.run(inb.lm_eval_model(model))
    plain, known = harness.run("hf", f"pretrained={model.local.path},dtype=float32", device="cpu")
    for metric in ("acc,none", "acc_norm,none"):
        assert ours["choices"][metric] == plain["choices"][metric]
    for name in ("choices", "perplexity"):
        assert flat(told[name]) == pytest.approx(flat(known[name]), abs=1e-4)
    # Of a character that is cut off at the end the harness keeps a mark for each byte, and we do not.
    texts, others = (
        [one.rstrip("\ufffd") for answers in words for (one,) in answers]
        for words in (told["words"], known["words"])
    )
    assert texts == others
    assert any(texts)

    fits = ROWS[:3]
    task = inb.Task(
        [{**row, "answer": row["choices"][row["answer"]]} for row in fits],
        "{{ question }}",
        inb.MultipleChoice(separator=""),
    )
    evaluated = inb.evaluate(model, task)
    sums = [one for answers in known["choices"][:3] for ((one, _),) in answers]
    assert flat([item["detail"]["logprobs"] for item in evaluated.items]) == pytest.approx(sums, abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"until": "\n", "do_sample": False, "temperature": 0.7}, {"temperature": 0.0, "stop": ("\n",)}),
        ({"until": [".", "!"], "max_gen_toks": 5}, {"temperature": 0.0, "max_new_tokens": 5}),
        ({"do_sample": True, "top_k": 0, "top_p": 0.9}, {"temperature": 1.0, "top_k": None, "top_p": 0.9}),
        (
            {"do_sample": True, "temperature": 0.3, "max_new_tokens": 9},
            {"temperature": 0.3, "max_new_tokens": 9},
        ),
        ({}, {"temperature": 0.0, "max_new_tokens": 256, "top_p": 1.0}),
    ],
)
def test_what_the_harness_asks_of_a_text(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    found = sampling_of(asked)
    assert {name: getattr(found, name) for name in expected} == expected


def test_what_is_refused(model: inb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData, match="'num_beams'"):
        sampling_of({"num_beams": 4})
    with pytest.raises(InvalidSampling):
        sampling_of({"do_sample": True, "temperature": -1})
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    with pytest.raises(MissingExtra, match="lm-evaluation-harness") as refused:
        inb.lm_eval_model(model)
    assert "influence_nb[lm-eval]" in refused.value.hint
