"""The estimate against the truth: bytes of weights, and of the cache after a run, for every architecture."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import influence_nb as inb
from influence_nb.engine import growing
from influence_nb.engine.configs import completed
from influence_nb.engine.loop import Steps
from influence_nb.memory import ModelShape
from influence_nb.store.heads import read_heads
from tests import shrunk, tiny

ROWS, PROMPT = 2, 40
"""More tokens than the tiny models' windows, of several rows."""
SEED = int(os.environ.get("TEST_SEED", "3"))
"""Draws the architectures that nobody chose."""
DRAWN = 8


def run(network: Any, prompt: int = PROMPT) -> tuple[int, int]:
    """(bytes kept after a prompt and one step, tokens in each row)."""
    before = set(held_by_modules(network))
    prompts = [[(7 * place + row) % 250 + 5 for place in range(prompt)] for row in range(ROWS)]
    with torch.no_grad():
        steps = Steps(network, prompts)
        steps.prefill(lambda: False)
        steps.step([5] * ROWS)
    found: dict[int, torch.Tensor] = {}
    if steps.cache is not None:
        collect(steps.cache[1], found)
    found |= {key: value for key, value in held_by_modules(network).items() if key not in before}
    return sum(tensor.numel() * tensor.element_size() for tensor in found.values()), steps.fed


def collect(thing: Any, found: dict[int, torch.Tensor]) -> None:
    """All tensors below a cache, each once; no configs, no numbers, and no room for tokens to come (64 at most)."""
    if isinstance(thing, torch.Tensor):
        if thing.dim():
            found[id(thing)] = thing
    elif isinstance(thing, dict):
        for value in thing.values():
            collect(value, found)
    elif isinstance(thing, list | tuple):
        for value in thing:
            collect(value, found)
    elif type(thing).__module__ == growing.__name__:
        collect({name: value for name, value in vars(thing).items() if name != "_rooms"}, found)
    elif type(thing).__module__.startswith("transformers") and "Config" not in type(thing).__name__:
        collect(vars(thing), found)


def held_by_modules(network: Any) -> dict[int, torch.Tensor]:
    """Tensors that hang on modules and are neither weights nor buffers: some architectures keep their states there."""
    return {
        id(value): value
        for module in network.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and value.dim() > 1
    }


def size(network: Any) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.parameters())


def network_of(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).eval()


@pytest.fixture(scope="module", params=tiny.KINDS)
def folder(request: pytest.FixtureRequest, tiny_folder: Callable[..., Path]) -> Path:
    return tiny_folder(request.param)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_and_cache_are_as_estimated(folder: Path, dtype: str) -> None:
    network = network_of(folder, getattr(torch, dtype))
    kept, tokens = run(network)
    report = inb.fit(folder, "cpu", dtype, context=tokens, batch=ROWS)
    assert report.weights == pytest.approx(size(network), rel=0.1)
    assert report.cache == pytest.approx(kept, rel=0.1)
    assert not report.estimated


def test_the_cache_of_a_short_prompt_is_as_estimated(folder: Path) -> None:
    kept, tokens = run(network_of(folder, torch.float32), prompt=8)
    report = inb.fit(folder, "cpu", "float32", context=tokens, batch=ROWS)
    assert report.cache == pytest.approx(kept, rel=0.1)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_packed_weights_are_as_bitsandbytes_stores_them(folder: Path, quantization: str) -> None:
    """Which layers it replaces is transformers' own answer; what it stores for one is its documented layout."""
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    network = network_of(folder, torch.bfloat16)
    left = get_keys_to_not_convert(network)
    expected = size(network)
    for name, module in network.named_modules():
        if (type(module) is torch.nn.Linear or isinstance(module, Conv1D)) and should_convert_module(
            name, left
        ):
            count = module.weight.numel()
            rows = module.weight.shape[1 if isinstance(module, Conv1D) else 0]
            packed = count + 4 * rows if quantization == "int8" else count // 2 + 4 * -(-count // 64) + 64
            expected += packed - 2 * count
    report = inb.fit(folder, "cpu", "bfloat16", quantization)
    assert expected < size(network)
    assert report.weights == pytest.approx(expected, rel=0.02)


def test_architectures_that_nobody_chose_are_as_estimated(tmp_path: Path) -> None:
    seen = []
    for kind, network in shrunk.drawn(SEED, DRAWN):
        folder = tmp_path / kind
        network.save_pretrained(folder)
        tiny.tokenizer().save_pretrained(folder)
        kept, tokens = run(network)
        shape = read_heads(folder).shape(completed)
        assert shape.weights.size("float32") == pytest.approx(size(network), rel=0.1), kind
        assert shape.cache(tokens, ROWS, "float32") == pytest.approx(kept, rel=0.1), kind
        seen.append(kind)
    assert len(seen) == DRAWN, seen


def test_a_config_without_headers_gives_an_estimate_and_says_so(folder: Path) -> None:
    heads = read_heads(folder)
    exact, worked_out = heads.shape(completed), ModelShape.from_config(completed(heads.config))
    assert worked_out.weights.estimated
    assert not exact.weights.estimated
    assert worked_out.weights.parameters == pytest.approx(exact.weights.parameters, rel=0.25)
    assert worked_out.cache(100) == exact.cache(100)


@pytest.mark.starter
def test_the_starter_chat_model_is_as_estimated() -> None:
    model = inb.load("starter/chat", device="cpu", dtype="float32")
    try:
        kept, tokens = run(model.network, prompt=200)
        report = inb.fit(model, context=tokens, batch=ROWS)
        assert report.weights == pytest.approx(size(model.network), rel=0.1)
        assert report.cache == pytest.approx(kept, rel=0.1)
    finally:
        model.unload()


@pytest.mark.starter
def test_the_starter_embedding_model_is_as_estimated() -> None:
    from transformers import AutoModel

    path = inb.library()["starter/embedding"].path
    network = AutoModel.from_pretrained(path, dtype=torch.float32, local_files_only=True)
    report = inb.fit("starter/embedding", "cpu", "float32", context=256)
    assert report.weights == pytest.approx(size(network), rel=0.1)
    assert report.cache == 0
