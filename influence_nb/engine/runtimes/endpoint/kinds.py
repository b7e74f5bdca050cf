"""What each kind of server takes, and how our sampling parameters are called there.

OpenAI's protocol knows few of them; vLLM, llama.cpp's server and transformers serve take more, under names of their
own. It does not know requests.

The rule for what a server does not take: a parameter at the value that `Sampling()` gives it is left out, as is one
that changes nothing; any other is refused by name, since leaving it out would give another text than was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from influence_nb.engine.sampling import FIELDS, Sampling
from influence_nb.errors import InvalidSampling

_DEFAULT = Sampling()
_NEUTRAL = Sampling(temperature=1.0, top_p=None, repetition_penalty=1.0)
_NOTHING: Mapping[str, tuple[object, ...]] = {
    one.name: (getattr(_NEUTRAL, one.name), {"top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}.get(one.name))
    for one in FIELDS
}
"""The values of each parameter at which it changes nothing."""
_NAMES = (*(one.name for one in FIELDS), "logit_bias", "order", "grammar")
_COMMON = frozenset({"temperature", "top_p", "max_new_tokens", "stop", "seed"})
_OPENAI = _COMMON | {"presence_penalty", "frequency_penalty"}
_MOST_BIAS = 100


@dataclass(frozen=True)
class Kind:
    """A kind of server.

    Attributes:
        name: as people call it.
        takes: the sampling parameters that it heeds.
        fields: the request's fields for a sampling.
        raw_logprobs: whether its logprobs are known to be the model's own, before temperature, penalties and
            truncation (the servers' defaults).
        ids: whether it continues token ids.
        switches: whether it hands variables on to the chat template.
        any_name: whether it loads models that it does not list.
    """

    name: str
    takes: frozenset[str]
    fields: Callable[[Sampling], dict[str, Any]]
    raw_logprobs: bool = False
    ids: bool = False
    switches: bool = False
    any_name: bool = False

    def in_force(self, sampling: Sampling) -> Sampling:
        """The sampling that the server will follow: what it does not take is at the value that changes nothing.

        Raises:
            InvalidSampling: a parameter was asked for that it does not take; `.field` names it.
        """
        left_out = {name: getattr(_NEUTRAL, name) for name in _NAMES if name not in self.takes}
        for name, neutral in left_out.items():
            value = getattr(sampling, name)
            if value not in (neutral, getattr(_DEFAULT, name), *_NOTHING.get(name, ())):
                raise _refused(self, name, value, f"Leave {name} out, or load the model in this process.")
        for token, bias in sampling.logit_bias.items():
            if abs(bias) > _MOST_BIAS:
                hint = f"There, biases go from -{_MOST_BIAS} to {_MOST_BIAS}."
                raise _refused(self, "logit_bias", {token: bias}, hint)
        return sampling.replace(**left_out)


def draws_raw(sampling: Sampling) -> bool:
    """Whether tokens are drawn from the model's own distribution: then there is only one kind of logprob."""
    same = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "presence_penalty",
            "frequency_penalty", "min_new_tokens")  # fmt: skip
    return not sampling.logit_bias and all(getattr(sampling, name) in _NOTHING[name] for name in same)


def _refused(kind: Kind, name: str, value: object, hint: str) -> InvalidSampling:
    error = InvalidSampling(f"{name}={value!r} cannot be asked of this server ({kind.name}).", hint)
    error.field = name
    return error


def _openai(sampling: Sampling) -> dict[str, Any]:
    """The fields of OpenAI's protocol (https://platform.openai.com/docs/api-reference/chat/create)."""
    fields = {
        "temperature": sampling.temperature,
        "top_p": _or(sampling.top_p, 1.0),
        "max_tokens": sampling.max_new_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop),
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()},
    }
    needed = ("temperature", "top_p", "max_tokens", "seed")
    return {name: value for name, value in fields.items() if name in needed or value}


def _vllm(sampling: Sampling) -> dict[str, Any]:
    """Parameters that vLLM adds (https://docs.vllm.ai, "OpenAI-Compatible Server"); -1 is no top-k there."""
    return {
        **_openai(sampling),
        "top_k": _or(sampling.top_k, -1),
        "min_p": _or(sampling.min_p, 0.0),
        "repetition_penalty": sampling.repetition_penalty,
        "min_tokens": sampling.min_new_tokens,
    }


def _llama_cpp(sampling: Sampling) -> dict[str, Any]:
    """llama.cpp's own (its tools/server/README.md); all are sent, since its own defaults would cut otherwise."""
    return {
        **_openai(sampling),
        "top_k": _or(sampling.top_k, 0),
        "min_p": _or(sampling.min_p, 0.0),
        "typical_p": _or(sampling.typical_p, 1.0),
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": _or(sampling.penalty_window, -1),
        "samplers": ["penalties", "temperature", "top_k", "top_p", "min_p", "typ_p"],
    }


def _transformers(sampling: Sampling) -> dict[str, Any]:
    """A whole generation config, which transformers serve follows more exactly than OpenAI's fields."""
    drawn = sampling.temperature > 0
    config: dict[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "min_new_tokens": sampling.min_new_tokens or None,
        "do_sample": drawn,
        "repetition_penalty": sampling.repetition_penalty,
        "stop_strings": list(sampling.stop) or None,
        "sequence_bias": [[[token], bias] for token, bias in sampling.logit_bias.items()] or None,
        "temperature": sampling.temperature if drawn else None,
        "top_k": _or(sampling.top_k, 0) if drawn else None,
        "top_p": _or(sampling.top_p, 1.0) if drawn else None,
        "min_p": sampling.min_p if drawn else None,
        "typical_p": sampling.typical_p if drawn else None,
    }
    said = {name: value for name, value in config.items() if value is not None}
    return {"generation_config": json.dumps(said), "seed": sampling.seed}


def _or(value: float | None, off: float) -> float:
    return off if value is None else value


VLLM = Kind(
    "vLLM",
    _OPENAI | {"logit_bias", "top_k", "min_p", "repetition_penalty", "min_new_tokens"},
    _vllm,
    raw_logprobs=True,
    ids=True,
    switches=True,
)
LLAMA_CPP = Kind(
    "llama.cpp",
    _OPENAI | {"logit_bias", "top_k", "min_p", "typical_p", "repetition_penalty", "penalty_window"},
    _llama_cpp,
    raw_logprobs=True,
    ids=True,
    switches=True,
)
OLLAMA = Kind("Ollama", _OPENAI, _openai)
TRANSFORMERS = Kind(
    "transformers serve",
    _COMMON | {"logit_bias", "top_k", "min_p", "typical_p", "repetition_penalty", "min_new_tokens"},
    _transformers,
    switches=True,
    any_name=True,
)
OTHER = Kind("OpenAI's protocol", _OPENAI | {"logit_bias"}, _openai, ids=True)
