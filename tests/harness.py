"""Small tasks of lm-evaluation-harness over rows of ours, and what it makes of them. It needs the extra `lm-eval`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TASK = """
task: NAME
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
"""
KINDS = {
    "choices": """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
target_delimiter: ""
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "perplexity": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}{{choices[0]}}"
metric_list: [{metric: bits_per_byte}]
""",
    "words": """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["e"], max_gen_toks: 12, do_sample: false}
metric_list: [{metric: exact_match}]
""",
}


class Harness:
    """The harness with those tasks, written to a folder.

    Args:
        folder: where.
        rows: each with a question, choices, and the place of the right one as answer.
        kinds: the names of the tasks.
    """

    def __init__(self, folder: Path, rows: Sequence[dict[str, Any]], *kinds: str) -> None:
        from lm_eval.tasks import TaskManager

        data = folder / "data.jsonl"
        data.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        for name in kinds:
            text = TASK.replace("NAME", name).replace("DATA", str(data)) + KINDS[name]
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        self._kinds = list(kinds)
        self._tasks = TaskManager(include_path=str(folder))

    def run(self, model: Any, arguments: str | None = None, **more: str) -> tuple[Any, dict[str, Any]]:
        """The metrics of each task, and the answers to each of its requests."""
        import lm_eval

        found = lm_eval.simple_evaluate(
            model,
            arguments,
            self._kinds,
            task_manager=self._tasks,
            log_samples=True,
            bootstrap_iters=0,
            **more,
        )
        answers = {name: [one["resps"] for one in found["samples"][name]] for name in self._kinds}
        return found["results"], answers


def flat(answers: Any) -> list[float]:
    """The numbers and flags of nested answers, in order."""
    if isinstance(answers, list | tuple):
        return [one for answer in answers for one in flat(answer)]
    return [float(answers)]
