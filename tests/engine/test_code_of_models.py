"""Code that comes with a model: refused, and not run, unless its loading is asked for with that code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, UnsupportedModel

GREEDY = inb.Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=8)
CONFIGURATION = """
from pathlib import Path
from transformers import LlamaConfig

Path({marker!r}).write_text("it ran")

class OwnConfig(LlamaConfig):
    model_type = "own_of_a_test"
"""
MODELING = """
from transformers import LlamaForCausalLM, LlamaModel
from .configuration_own import OwnConfig

class OwnModel(LlamaModel):
    config_class = OwnConfig

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture(scope="module", autouse=True)
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where transformers keeps the code that it runs; Python imports it from one place in a process."""
    with pytest.MonkeyPatch.context() as patched:
        folder = str(tmp_path_factory.mktemp("modules"))
        patched.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", folder)
        yield


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that the model's code writes when it runs."""
    return tmp_path / "marker"


@pytest.fixture
def with_code(tiny_folder: Callable[..., Path], tmp_path: Path, marker: Path) -> Path:
    """A tiny Llama that says it is something else, and brings the code for that."""
    folder = tmp_path / "own"
    shutil.copytree(tiny_folder("llama"), folder)
    (folder / "configuration_own.py").write_text(CONFIGURATION.format(marker=str(marker)))
    (folder / "modeling_own.py").write_text(MODELING)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own_of_a_test",
        "architectures": ["OwnForCausalLM"],
        "auto_map": {
            "AutoConfig": "configuration_own.OwnConfig",
            "AutoModel": "modeling_own.OwnModel",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_code_is_not_run_unless_asked_for(with_code: Path, marker: Path) -> None:
    with pytest.raises(UnsupportedModel) as refused:
        inb.load(with_code, device="cpu")
    assert "trust_remote_code=True" in refused.value.hint
    assert not marker.exists()


def test_code_runs_when_asked_for(with_code: Path, marker: Path, tiny_folder: Callable[..., Path]) -> None:
    plain = inb.load(tiny_folder("llama"), device="cpu", dtype="float32")
    own: Any = inb.load(with_code, device="cpu", dtype="float32", trust_remote_code=True)
    try:
        assert marker.exists()
        assert type(own.network).__name__ == "OwnForCausalLM"
        assert own.generate([5, 6, 7], GREEDY).ids == plain.generate([5, 6, 7], GREEDY).ids
        assert {"modeling_own.py", "configuration_own.py"} <= set(own.generate([5], GREEDY).receipt.files), (
            "what was run is in the receipt"
        )
    finally:
        own.unload()


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_it_is_yes_or_no(with_code: Path, marker: Path, wrong: Any) -> None:
    with pytest.raises(InvalidData, match="trust_remote_code"):
        inb.load(with_code, trust_remote_code=wrong)
    assert not marker.exists()


def test_an_encoder_is_held_to_the_same(with_code: Path, marker: Path) -> None:
    with pytest.raises(UnsupportedModel) as refused:
        inb.load_encoder(with_code, device="cpu")
    assert "trust_remote_code=True" in refused.value.hint
    assert not marker.exists()
    encoder = inb.load_encoder(with_code, device="cpu", pooling="mean", trust_remote_code=True)
    assert marker.exists()
    assert encoder.encode(["The quick"]).shape == (1, encoder.dimension)
