"""What Ollama's clients send to be answered with text, and its options as our sampling, with Ollama's defaults.

It does not know what becomes of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from influence_nb.arguments import quoted
from influence_nb.engine.sampling import MOST_SEED, Sampling
from influence_nb.server.refusals import Refused, unsupported
from influence_nb.server.service import CANDIDATES

log = logging.getLogger("influence_nb.server")

KeepAlive = float | str | None

EFFORTS = ("high", "medium", "low")
"""What `think` may be beside true and false."""


_SAME = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
)
_OURS = {**{name: name for name in _SAME}, "repetition_penalty": "repeat_penalty", "penalty_window": "repeat_last_n",
         "max_new_tokens": "num_predict"}  # fmt: skip
"""What a parameter of `Sampling` is called among the options."""

_OFF = {"top_k": 0, "top_p": 1.0, "penalty_window": -1}
"""What None is there: other options are off where nothing is said."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class Options(BaseModel):
    """Ollama's options. Those that say how a model is loaded or computed (num_gpu, num_thread …) change nothing."""

    model_config = ConfigDict(extra="allow", strict=True)

    num_ctx: Whole | None = None
    num_predict: Whole | None = None
    seed: Whole | None = None
    top_k: Whole | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_last_n: Whole | None = None
    temperature: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None
    num_keep: Whole | None = None
    num_batch: Whole | None = None
    num_gpu: Whole | None = None
    main_gpu: Whole | None = None
    num_thread: Whole | None = None
    use_mmap: bool | None = None

    def over(self, given: Mapping[str, Any]) -> Options:
        """The options with the server's own, {parameter of `Sampling`: value}, for those that the client left out."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name in _OURS and getattr(self, _OURS[name]) is None:
                found[_OURS[name]] = _OFF.get(name) if value is None else value
        if "stop" in found:
            found["stop"] = list(found["stop"])
        return self.model_copy(update=found)

    def sampling(self, longest: int, grammar: Any = None, top_k: int = 40) -> Sampling:
        """How tokens are chosen, at most `longest` of them; `top_k` is what holds where the client says nothing.

        Raises:
            InvalidSampling: a value out of its range.
        """
        if self.model_extra:
            log.warning("unknown options are left out: %s", ", ".join(sorted(self.model_extra)))
        top_k = top_k if self.top_k is None else self.top_k
        top_p = 0.9 if self.top_p is None else self.top_p
        window = 64 if self.repeat_last_n is None else self.repeat_last_n
        penalties = window != 0  # 0 looks at no tokens, so that nothing is a repetition
        penalized = penalties and (
            self.repeat_penalty not in (None, 0, 1) or self.presence_penalty or self.frequency_penalty
        )
        return Sampling(
            temperature=0.8 if self.temperature is None else self.temperature,
            top_k=top_k if top_k > 0 else None,
            top_p=None if top_p >= 1 else top_p,
            min_p=self.min_p or None,
            typical_p=None if self.typical_p is None or self.typical_p >= 1 else self.typical_p,
            repetition_penalty=(self.repeat_penalty if penalties else None) or 1.0,
            presence_penalty=(self.presence_penalty if penalties else None) or 0.0,
            frequency_penalty=(self.frequency_penalty if penalties else None) or 0.0,
            penalty_window=window if window > 0 and penalized else None,
            max_new_tokens=longest,
            stop=tuple(self.stop or ()),
            seed=None if self.seed is None or self.seed < 0 else self.seed % (MOST_SEED + 1),
            grammar=grammar or None,
        )


class Body(BaseModel):
    """The fields that generate and chat have."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str | None = Field(None, description="A name of the library; left out, the server's own model.")
    stream: bool | None = Field(None, description="Lines of JSON as they come, unless it is false.")
    options: Options | None = None
    keep_alive: KeepAlive = Field(None, description='"5m", seconds, 0 to unload, below 0 for ever.')
    format: Any = None
    think: bool | str | None = Field(
        None, description='Whether a model thinks that can; or "low", "medium", "high".'
    )
    logprobs: bool | None = None
    top_logprobs: Whole | None = None

    def check(self) -> None:
        """Refuse what is not there."""
        if self.format not in (None, "", "json") and not isinstance(self.format, dict):
            raise Refused(
                400,
                f'invalid format: {quoted(self.format)}; expected "json" or a valid JSON Schema object',
                field="format",
            )
        if isinstance(self.think, str) and self.think not in EFFORTS:
            raise Refused(
                400,
                f'invalid think value: "{self.think}" (must be "high", "medium", "low", true, or false)',
                field="think",
            )
        if self.think and self.format:
            raise unsupported("think", " beside format, which holds the answer from its first token on")
        if not 0 <= (self.top_logprobs or 0) <= CANDIDATES:
            raise Refused(400, f"top_logprobs must be between 0 and {CANDIDATES}", field="top_logprobs")

    @property
    def top(self) -> int:
        """How many candidates are listed beside each token."""
        return self.top_logprobs or 0 if self.logprobs else 0

    def over(self, given: Mapping[str, Any]) -> Self:
        """The body with the server's own defaults for the options that the client left out."""
        return self.model_copy(update={"options": self.chosen.over(given)})

    @property
    def chosen(self) -> Options:
        """The options, Ollama's defaults where there are none."""
        return self.options or Options()


class Generate(Body):
    """A text to be answered, or with `raw` to be continued."""

    prompt: str | None = None
    suffix: str | None = Field(None, description="What comes after the text that is asked for.")
    system: str | None = None
    template: str | None = Field(None, description="A prompt template in place of the model's own.")
    context: list[int] | None = None
    raw: bool | None = None
    images: list[Any] | None = None

    def check(self) -> None:
        """Refuse what is not there or contradicts itself."""
        super().check()
        if self.images:
            raise unsupported("images")
        if self.raw and (self.template or self.system or self.context):
            raise Refused(400, "raw mode does not support template, system, or context")
        if self.raw and self.suffix:
            raise Refused(400, "raw mode does not support suffix", field="suffix")
        if self.think and (self.raw or self.template or self.suffix):
            raise unsupported("think", " beside raw, template or suffix: the model's own template tells it")


class Message(BaseModel):
    """One message."""

    model_config = ConfigDict(strict=True)

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[Any] | None = None


class Chat(Body):
    """A conversation to be answered."""

    messages: list[Message] | None = None
    tools: list[Any] | None = None

    def check(self) -> None:
        """Refuse what is not there."""
        super().check()
        for place, message in enumerate(self.messages or ()):
            if message.images:
                raise unsupported(f"messages.{place}.images")

    @property
    def plain(self) -> list[dict[str, Any]]:
        """The messages as chat templates take them."""
        return [
            {"role": message.role, "content": message.content or "",
             **({"reasoning_content": message.thinking} if message.thinking else {}),
             **({"tool_calls": message.tool_calls} if message.tool_calls else {})}
            for message in self.messages or ()
        ]  # fmt: skip
