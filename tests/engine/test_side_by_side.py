"""What transformers sets for the whole process while it makes a network must reach nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

import influence_nb as inb

EVERY_STAGE = inb.Sampling(
    max_new_tokens=12,
    temperature=1.3,
    top_k=40,
    top_p=0.9,
    min_p=0.01,
    typical_p=0.95,
    repetition_penalty=1.1,
    presence_penalty=0.2,
    frequency_penalty=0.1,
    logit_bias={7: 0.5},
    seed=3,
)


@pytest.fixture
def default_of_bfloat16() -> Iterator[None]:
    """As another thread has it while it reads a model of bfloat16."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("default_of_bfloat16")
@pytest.mark.parametrize("sampling", [EVERY_STAGE, inb.Sampling(max_new_tokens=12, top_k=3, seed=1)])
def test_a_model_generates_the_same_while_another_is_read(model: inb.Model, sampling: inb.Sampling) -> None:
    alone = model.generate("The sea", sampling)
    seen = model.xray("The sea", sampling)
    torch.set_default_dtype(torch.bfloat16)
    meanwhile = model.generate("The sea", sampling)
    assert [(token.id, token.logprob_raw, token.logprob_sampled) for token in meanwhile.tokens] == [
        (token.id, token.logprob_raw, token.logprob_sampled) for token in alone.tokens
    ]
    assert model.xray("The sea", sampling).to_frame().equals(seen.to_frame())


def test_networks_are_made_one_at_a_time(
    tiny_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    met: list[str] = []

    def meeting(kind: Any) -> None:
        really = kind.from_pretrained

        def made(*args: Any, **how: Any) -> Any:
            try:
                both.wait(0.3)
                met.append(kind.__name__)
            except threading.BrokenBarrierError:
                pass
            return really(*args, **how)

        monkeypatch.setattr(kind, "from_pretrained", made)

    meeting(AutoModelForCausalLM)
    meeting(AutoModel)
    folder = tiny_folder("llama")
    with ThreadPoolExecutor(3) as threads:
        loads = [
            threads.submit(inb.load, folder, device="cpu", dtype=dtype) for dtype in ("bfloat16", "float32")
        ]
        encoder = threads.submit(inb.load_encoder, folder)
        assert {str(one.result().dtype).removeprefix("torch.") for one in loads} == {"bfloat16", "float32"}
        assert encoder.result().dimension
    assert not met
    assert torch.get_default_dtype() == torch.float32
