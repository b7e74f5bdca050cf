"""The openai package at a server under test, and the same in process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

import influence_nb as inb

FIXED: Any = {"max_tokens": 10, "seed": 7, "temperature": 0.8}


@pytest.fixture(scope="module")
def client(server: inb.Server) -> Iterator[openai.OpenAI]:
    direct = httpx.Client(trust_env=False, timeout=60)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, http_client=direct) as one:
        yield one


def ours(model: inb.Model, prompt: Any, **changed: Any) -> inb.Completion:
    """The same in process, with OpenAI's defaults."""
    plain = inb.Sampling(temperature=0.8, top_p=None, repetition_penalty=1.0, max_new_tokens=10, seed=7)
    return model.generate(prompt, plain.replace(**changed))
