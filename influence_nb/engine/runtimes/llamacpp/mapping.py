"""Our `Sampling` in llama.cpp's words, so that its post-sampler probabilities are those of our own sampler.

llama.cpp adds biases before everything else, has one stage for all penalties, and counts them over prompt and output.
What that cannot express is refused by name. It does not know requests or models.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidSampling

_NAMES = {
    "repetition_penalty": "penalties",
    "frequency_penalty": "penalties",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typ_p",
}
"""Stages that stand in llama.cpp's chain where they are asked for."""
_ADDED = ("logit_bias", "frequency_penalty", "min_new_tokens")
"""Stages that only add to logits: they come to the same in any order."""
_CUTS = ("top_k", "top_p", "min_p", "typical_p")

OFF: dict[str, Any] = {
    "samplers": [],
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "min_keep": 0,
    "top_n_sigma": -1.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "xtc_probability": 0.0,
    "dry_multiplier": 0.0,
    "dynatemp_range": 0.0,
    "mirostat": 0,
}
"""Everything that llama.cpp would do to the probabilities by itself, switched off."""


def fields(sampling: Sampling, prompt: Sequence[int], context: int) -> dict[str, Any]:
    """The fields of a request; those for length, stop strings and `min_new_tokens` are not among them.

    Args:
        sampling: with `seed` set.
        prompt: the prompt's token ids, without any output.
        context: tokens that prompt and output have at most.

    Raises:
        InvalidSampling: a stage that llama.cpp cannot run so, or not in this place; `.field` names it.
    """
    active = [stage for stage in sampling.order if _is_on(stage, sampling)]
    _check(sampling, active)
    chain = [_NAMES[stage] for stage in active if stage in _NAMES]
    bias = dict(sampling.logit_bias) if "logit_bias" in active else {}
    said = {**OFF, "repeat_last_n": min(sampling.penalty_window or context, context)}
    if sampling.temperature == 0:
        # Ours draws the argmax of whatever the stages left; llama.cpp does so where its temperature stage stands.
        said["temperature"] = 0.0
        chain.append("temperature")
    elif "temperature" in active:
        said["temperature"] = sampling.temperature
    if "repetition_penalty" in active:
        said["repeat_penalty"] = sampling.repetition_penalty
    if "frequency_penalty" in active:
        said["frequency_penalty"] = sampling.frequency_penalty
        for token, count in Counter(prompt).items():  # what llama.cpp will subtract for the prompt
            bias[token] = bias.get(token, 0.0) + sampling.frequency_penalty * count
    for stage in _CUTS:
        if stage in active:
            said[stage] = getattr(sampling, stage)
    said["logit_bias"] = [
        [token, amount if math.isfinite(amount) else False] for token, amount in bias.items()
    ]
    return {**said, "samplers": chain, "seed": seed(sampling.seed or 0)}


def forbids_end(sampling: Sampling) -> bool:
    """Whether the first `min_new_tokens` may not end the turn."""
    return _is_on("min_new_tokens", sampling) and "min_new_tokens" in sampling.order


def seed(ours: int) -> int:
    """A seed that llama.cpp takes: 32 bits, and not the value that makes it draw one by itself."""
    return (ours ^ (ours >> 32)) % (2**32 - 1)


def _is_on(stage: str, sampling: Sampling) -> bool:
    value = getattr(sampling, stage)
    if stage == "temperature":
        return value not in (0.0, 1.0)
    if stage in ("top_p", "typical_p"):
        return value is not None and value < 1
    return bool(value) if stage != "repetition_penalty" else value != 1.0


def _check(sampling: Sampling, active: Sequence[str]) -> None:
    if sampling.grammar is not None:
        raise _cannot(
            "grammar", "has grammars of another kind", "Leave it out, or load the model's safetensors."
        )
    if "presence_penalty" in active:
        raise _cannot(
            "presence_penalty",
            "counts the prompt's tokens too, where ours counts the answer's only",
            "Leave it at 0, or use frequency_penalty, which can be put right.",
        )
    if "frequency_penalty" in active and (
        "repetition_penalty" in active or sampling.penalty_window is not None
    ):
        raise _cannot(
            "frequency_penalty",
            "counts the prompt's tokens too, which can be put right only without repetition_penalty and penalty_window",
            "Set repetition_penalty=1 and penalty_window=None, or frequency_penalty=0.",
        )
    for place, stage in enumerate(active):
        before = active[:place]
        if stage in ("logit_bias", "frequency_penalty"):
            wrong = [name for name in before if name not in _ADDED]
        else:
            wrong = [name for name in before if name in _CUTS] if stage == "min_new_tokens" else []
        if wrong:
            raise _cannot(
                "order", f"runs {stage} before {wrong[0]} always", f"Put {stage} before {wrong[0]}."
            )


def _cannot(field: str, why: str, hint: str) -> InvalidSampling:
    error = InvalidSampling(f"{field} cannot be had from llama.cpp as asked: it {why}.", hint)
    error.field = field
    return error
