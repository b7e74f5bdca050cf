"""Scores of prompts by OpenAI's completions, as scoring clients ask for them, and echo."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

import influence_nb as inb
from tests.server.openais import FIXED, client, ours

__all__ = ["client"]


def exact(model: Any, ids: list[int]) -> Any:
    """Log-probabilities at each place, by transformers alone."""
    import torch

    with torch.no_grad():
        return model.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)


def test_scores_of_prompts_as_lm_evaluation_harness_reads_them(http: httpx.Client, model: Any) -> None:
    """It sends token ids with echo, one token and one candidate, and looks at [length of the context : -1]."""
    contexts = ["The quick brown", "Hello", "Zwölf Box"]
    ids = [model.encode(context + " fox jumps") for context in contexts]
    body = {
        "model": "llama",
        "prompt": ids,
        "echo": True,
        "max_tokens": 1,
        "logprobs": 1,
        "temperature": 0,
        "seed": 1234,
    }
    said = http.post("/v1/completions", json=body).json()
    for choice, context, prompt in zip(said["choices"], contexts, ids, strict=True):
        length = len(model.encode(context))
        logprobs = choice["logprobs"]
        assert len(logprobs["tokens"]) == len(prompt) + 1
        assert logprobs["token_logprobs"][0] is None
        assert logprobs["top_logprobs"][0] is None
        own, tops = logprobs["token_logprobs"][length:-1], logprobs["top_logprobs"][length:-1]
        truth = exact(model, prompt)
        wanted = [truth[place - 1, prompt[place]].item() for place in range(length, len(prompt))]
        assert own == pytest.approx(wanted, abs=1e-5)
        greedy = all(value == max(top.values()) for value, top in zip(own, tops, strict=True))
        best = truth.argmax(-1).tolist()
        assert greedy == all(best[place - 1] == prompt[place] for place in range(length, len(prompt)))
        assert choice["text"].startswith(model.decode(prompt))


def test_a_continuation_that_is_greedy_is_seen_to_be(http: httpx.Client, model: Any) -> None:
    context = model.encode("The quick")
    prompt = (
        context + ours(model, context, temperature=0, max_new_tokens=5, logit_bias={0: -1e9, 2: -1e9}).ids
    )
    body = {
        "model": "llama",
        "prompt": prompt,
        "echo": True,
        "max_tokens": 1,
        "logprobs": 1,
        "temperature": 0,
    }
    logprobs = http.post("/v1/completions", json=body).json()["choices"][0]["logprobs"]
    place = slice(len(context), -1)
    own, tops = logprobs["token_logprobs"][place], logprobs["top_logprobs"][place]
    assert [value == max(top.values()) for value, top in zip(own, tops, strict=True)] == [True] * 5


def test_scoring_is_one_pass_and_says_what_generating_says(http: httpx.Client, model: inb.Model) -> None:
    body = {"prompt": "Hello fox", "echo": True, "max_tokens": 1, "logprobs": 4}
    before = model.forwards
    scored = http.post("/v1/completions", json={**body, "temperature": 0}).json()
    assert model.forwards == before + 1
    generated = http.post("/v1/completions", json={**body, "temperature": 0, "stop": ["no such text"]}).json()
    assert scored["choices"][0]["text"] == generated["choices"][0]["text"]
    assert scored["usage"]["completion_tokens"] == generated["usage"]["completion_tokens"] == 1
    ours, theirs = scored["choices"][0]["logprobs"], generated["choices"][0]["logprobs"]
    assert ours["tokens"] == theirs["tokens"]
    assert ours["token_logprobs"][1:] == pytest.approx(theirs["token_logprobs"][1:], abs=1e-5)
    assert ours["top_logprobs"][-1] == pytest.approx(theirs["top_logprobs"][-1], abs=1e-5)


def test_echo_and_offsets(client: openai.OpenAI, model: Any) -> None:
    said = client.completions.create(model="llama", prompt="Hello fox", echo=True, logprobs=3, **FIXED)
    (choice,) = said.choices
    assert choice.text == "Hello fox" + ours(model, "Hello fox").text
    assert choice.logprobs is not None
    assert choice.logprobs.tokens is not None
    assert choice.logprobs.text_offset is not None
    tokens, offsets = choice.logprobs.tokens, choice.logprobs.text_offset
    assert offsets == [len("".join(tokens[:place])) for place in range(len(tokens))]
    alone = (
        client.completions.create(model="llama", prompt="Hello fox", logprobs=0, **FIXED).choices[0].logprobs
    )
    assert alone is not None
    assert alone.text_offset is not None
    assert alone.token_logprobs is not None
    assert alone.text_offset[0] == len("Hello fox")
    assert [len(top) for top in alone.top_logprobs or []] == [1] * 10
    assert alone.token_logprobs == [event.logprob_raw for event in ours(model, "Hello fox").tokens]
    scores = client.completions.create(model="llama", prompt="Hello fox", echo=True, logprobs=1, max_tokens=0)
    assert scores.choices[0].text == "Hello fox"
    own = scores.choices[0].logprobs
    assert own is not None
    assert own.token_logprobs is not None
    assert own.token_logprobs[1:] == pytest.approx(model.score("Hello fox").logprobs[1:])
    single = client.completions.create(
        model="llama", prompt=[70], echo=True, logprobs=1, max_tokens=1
    ).choices[0]
    assert single.logprobs is not None
    assert len(single.logprobs.tokens or []) == 2
    echoed = client.completions.create(model="llama", prompt=["Hello"], echo=True, stream=True, **FIXED)
    assert "".join(chunk.choices[0].text for chunk in echoed) == "Hello" + ours(model, "Hello").text
