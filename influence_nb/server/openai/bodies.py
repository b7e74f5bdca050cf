"""What OpenAI's clients send to be answered with text: the fields that chats and completions share.

It does not know what becomes of it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from influence_nb.engine.batch import Request
from influence_nb.engine.completion import Completion
from influence_nb.engine.model import Model
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.sampling import MOST_SEED, Sampling
from influence_nb.errors import InvalidSampling
from influence_nb.server.refusals import Refused, unsupported

MOST_CHOICES = 128

_SAME = ("temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty", "presence_penalty",
         "frequency_penalty", "logit_bias", "stop", "seed")  # fmt: skip
_OURS = {**{name: name for name in _SAME}, "max_new_tokens": "max_tokens", "min_new_tokens": "min_tokens"}
"""What a parameter of `Sampling` is called in a body."""


def _whole(value: object) -> object:
    """A number such as 5.0, which some clients send for 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class StreamOptions(BaseModel):
    """What a stream has beside its text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Body(BaseModel):
    """The fields that both kinds of completion have.

    `user`, `metadata`, `store`, `service_tier`, `safety_identifier` and `prompt_cache_key` are OpenAI's book-keeping
    and change nothing here. The last five are not OpenAI's: they are named as vLLM names them.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = Field(None, description="A name of the library; left out, the server's own model.")
    temperature: float | None = None
    top_p: float | None = None
    n: Whole | None = None
    stop: str | list[str] | None = None
    seed: Whole | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    max_tokens: Whole | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    top_k: Whole | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    min_tokens: Whole | None = None

    def over(self, given: Mapping[str, Any]) -> Self:
        """The body with the server's own defaults, {parameter of `Sampling`: value}, for what the client left out."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name in _OURS and getattr(self, _OURS[name]) is None and value is not None:
                found[_OURS[name]] = value
        if "logit_bias" in found:
            found["logit_bias"] = {str(token): amount for token, amount in found["logit_bias"].items()}
        if "stop" in found:
            found["stop"] = list(found["stop"])
        if getattr(self, "max_completion_tokens", None) is not None:
            found.pop("max_tokens", None)
        return self.model_copy(update=found)

    @property
    def choices(self) -> int:
        """How many answers to each prompt are wanted."""
        if self.n is None:
            return 1
        if not 1 <= self.n <= MOST_CHOICES:
            raise Refused(400, f"n={self.n} is out of range.", f"n is from 1 to {MOST_CHOICES}.", field="n")
        return self.n

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        if self.stream_options is not None and not self.stream:
            raise Refused(
                400,
                "stream_options needs stream.",
                "Leave it out, or set stream to true.",
                field="stream_options",
            )
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(self, longest: int, grammar: Any = None) -> Sampling:
        """How tokens are chosen: OpenAI's defaults, at most `longest` new tokens.

        Raises:
            InvalidSampling: a value out of its range.
        """
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_k=None if self.top_k in (None, 0, -1) else self.top_k,
            top_p=None if self.top_p == 1 else self.top_p,
            min_p=self.min_p,
            typical_p=self.typical_p,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=_bias(self.logit_bias or {}),
            min_new_tokens=self.min_tokens or 0,
            max_new_tokens=longest,
            stop=tuple(stop),
            seed=None if self.seed is None else self.seed % (MOST_SEED + 1),
            grammar=grammar,
        )

    def requests(
        self, prompts: Sequence[Prompt], longest: int, top: int, grammar: Any = None
    ) -> list[Request]:
        """One request for each prompt and choice; choices of one prompt count their seeds up."""
        sampling = self.sampling(longest, grammar)
        return [
            Request(prompt, self._seeded(sampling, choice), top=top)
            for prompt in prompts
            for choice in range(self.choices)
        ]

    def _seeded(self, sampling: Sampling, choice: int) -> Sampling:
        if sampling.seed is None or not choice:
            return sampling
        return sampling.replace(seed=(sampling.seed + choice) % (MOST_SEED + 1))


def _bias(given: dict[str, float]) -> dict[int, float]:
    try:
        return {int(token): amount for token, amount in given.items()}
    except ValueError:
        error = InvalidSampling(
            "logit_bias names something else than token ids.", 'Write {"token id": bias}.'
        )
        error.field = "logit_bias"
        raise error from None


def refuse(body: BaseModel, *names: str) -> None:
    """Refuse what is asked for and not there, by its name; null, false and empty lists ask for nothing."""
    for name in names:
        if getattr(body, name) not in (None, False, [], {}):
            raise unsupported(name)


class Head:
    """What all parts of one answer share: its id, when it was begun, the model's name."""

    def __init__(self, kind: str, object: str, model: Model) -> None:
        self.object = object
        self._fields = {
            "id": f"{kind}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model.name,
            "system_fingerprint": f"influence_nb-{model.runtime}-{model.dtype}".rstrip("-"),
        }

    def part(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """A chunk, or the whole."""
        return {"object": self.object, **self._fields, "choices": choices, **more}


def usage(completions: Sequence[Completion], choices: int) -> dict[str, Any]:
    """Counts of tokens of all prompts and answers; a prompt counts once, however many choices it has."""
    prompt = sum(one.usage.prompt_tokens or 0 for one in completions[::choices])
    written = sum(one.usage.completion_tokens for one in completions)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {
            "cached_tokens": sum(one.usage.cached_tokens for one in completions[::choices])
        },
    }
