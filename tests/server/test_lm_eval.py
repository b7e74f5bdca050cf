"""lm-evaluation-harness, unmodified: through our server it gets the numbers that it gets in process.

It brings some thirty packages, so it is not among the tests' own: `pip install 'lm_eval[api]'`, and this runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb

lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")

ROWS: list[dict[str, Any]] = [
    {"question": "The quick brown", "choices": [" fox", " dog", " Zwölf"], "answer": 0},
    {"question": "hello", "choices": [" world", " lazy"], "answer": 1},
    {"question": "how are", "choices": [" you today?", " system", " 你好"], "answer": 0},
]
CHOICES = """
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
target_delimiter: ""
metric_list: [{metric: acc}]
"""
PERPLEXITY = """
task: perplexity
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{question}}{{choices[0]}}"
metric_list: [{metric: bits_per_byte}]
"""
TASKS = {"choices": CHOICES, "perplexity": PERPLEXITY}


@pytest.mark.parametrize("words", ["the folder's tokenizer", "the server's tokenizer"])
def test_it_gets_the_numbers_that_it_gets_in_process(
    server: inb.Server, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    for name, text in TASKS.items():
        (tmp_path / f"{name}.yaml").write_text(text.replace("DATA", str(data)), encoding="utf-8")
    tasks = TaskManager(include_path=str(tmp_path))

    def found(kind: str, arguments: str, **more: str) -> Any:
        results = lm_eval.simple_evaluate(
            kind, arguments, list(TASKS), task_manager=tasks, log_samples=True, bootstrap_iters=0, **more
        )
        answers = [sample["resps"] for name in TASKS for sample in results["samples"][name]]
        return results["results"], answers

    folder = model.local.path
    tokenizer = f"tokenizer={folder}" if words.startswith("the folder") else "tokenizer_backend=remote"
    url = f"model=llama,base_url={server.url}/v1/completions,num_concurrent=2,max_length=256"
    served, told = found("local-completions", f"{url},{tokenizer}")
    plain, known = found("hf", f"pretrained={folder},dtype=float32", device="cpu")
    assert served["choices"]["acc,none"] == plain["choices"]["acc,none"]
    assert served["perplexity"]["bits_per_byte,none"] == pytest.approx(
        plain["perplexity"]["bits_per_byte,none"], abs=1e-5
    )
    for ours, theirs in zip(_flat(told), _flat(known), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def _flat(answers: Any) -> list[float]:
    """The numbers and flags of nested answers, in order."""
    if isinstance(answers, list | tuple):
        return [one for answer in answers for one in _flat(answer)]
    return [float(answers)]
