"""What comes with a model is data: neither its pickled weights nor its Python code is run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import influence_nb as inb
from influence_nb.errors import BrokenModel, UnsupportedModel
from tests import tiny

OPENERS: list[Callable[..., Any]] = [inb.load, inb.load_encoder]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.build(tmp_path / "tiny")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def still_works(folder: Path, weights: dict[str, Any]) -> None:
    torch.save(weights, folder / "pytorch_model.bin")
    model = inb.load(folder, device="cpu", dtype="float32")
    assert model.generate("The quick", temperature=0, max_new_tokens=2).ids
    model.unload()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("opener", OPENERS)
def test_a_pickle_that_runs_something_is_refused(
    folder: Path, tmp_path: Path, opener: Callable[..., Any], zipped: bool
) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    ran = tmp_path / "ran"
    torch.save(
        {**weights, "more": Payload(ran)},
        folder / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(UnsupportedModel) as caught:
        opener(folder, device="cpu")
    assert f"{os.mkdir.__module__}.mkdir" in caught.value.message
    assert "weights_only" not in str(caught.value)
    assert "safetensors" in caught.value.hint
    assert not ran.exists()
    still_works(folder, weights)
    assert not ran.exists()


@pytest.mark.parametrize("opener", OPENERS)
def test_a_plain_pickle_is_refused_too(folder: Path, tmp_path: Path, opener: Callable[..., Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    ran = tmp_path / "ran"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(ran)))
    with pytest.raises((BrokenModel, UnsupportedModel)) as caught:
        opener(folder, device="cpu")
    assert caught.value.hint
    assert not ran.exists()
    still_works(folder, weights)


def with_code(folder: Path, model_type: str, ran: Path) -> None:
    """Give a model a file of code that says it is needed."""
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": model_type,
        "auto_map": {
            "AutoConfig": "mine.Config",
            "AutoModel": "mine.Model",
            "AutoModelForCausalLM": "mine.Model",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"import os\nos.mkdir({str(ran)!r})\n")


@pytest.mark.parametrize("opener", OPENERS)
def test_a_model_that_needs_its_own_code_is_refused_and_the_code_is_not_run(
    folder: Path, tmp_path: Path, opener: Callable[..., Any]
) -> None:
    with_code(folder, "mine", tmp_path / "ran")
    with pytest.raises(UnsupportedModel) as caught:
        opener(folder, device="cpu")
    assert "run only when asked for" in caught.value.message
    assert "transformers" in caught.value.hint
    assert not (tmp_path / "ran").exists()


def test_code_beside_a_model_that_transformers_knows_is_not_run(folder: Path, tmp_path: Path) -> None:
    with_code(folder, "llama", tmp_path / "ran")
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["auto_map"] = {"AutoTokenizer": ["mine.Tokenizer", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    model = inb.load(folder, device="cpu", dtype="float32")
    assert type(model.network).__module__.startswith("transformers.")
    model.unload()
    assert not (tmp_path / "ran").exists()
