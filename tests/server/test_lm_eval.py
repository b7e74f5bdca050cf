"""lm-evaluation-harness, unmodified: through our server it gets the numbers that it gets in process.

It brings some thirty packages, so it is not among the tests' own: `make test-extras` installs it and runs this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from tests.harness import Harness, flat

ROWS: list[dict[str, Any]] = [
    {"question": "The quick brown", "choices": [" fox", " dog", " Zwölf"], "answer": 0},
    {"question": "hello", "choices": [" world", " lazy"], "answer": 1},
    {"question": "how are", "choices": [" you today?", " system", " 你好"], "answer": 0},
]


@pytest.mark.extras("lm_eval")
@pytest.mark.parametrize("words", ["the folder's tokenizer", "the server's tokenizer"])
def test_it_gets_the_numbers_that_it_gets_in_process(
    server: inb.Server, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    harness = Harness(tmp_path, ROWS, "choices", "perplexity")
    folder = model.local.path
    tokenizer = f"tokenizer={folder}" if words.startswith("the folder") else "tokenizer_backend=remote"
    url = f"model=llama,base_url={server.url}/v1/completions,num_concurrent=2,max_length=256"
    served, told = harness.run("local-completions", f"{url},{tokenizer}")
    plain, known = harness.run("hf", f"pretrained={folder},dtype=float32", device="cpu")
    assert served["choices"]["acc,none"] == plain["choices"]["acc,none"]
    assert served["perplexity"]["bits_per_byte,none"] == pytest.approx(
        plain["perplexity"]["bits_per_byte,none"], abs=1e-5
    )
    for ours, theirs in zip(*(flat(list(one.values())) for one in (told, known)), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
