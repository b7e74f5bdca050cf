"""`Sampling`: how the next token is chosen, as one frozen value that checks itself.

It knows the parameters' names, ranges and meanings; it does not know tensors (see `sampler.py`).
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted
from influence_nb.errors import InvalidSampling

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

STAGES = (
    "logit_bias",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "min_new_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
)
"""The sampler's stages in the order transformers runs those that it has."""


@dataclass(frozen=True)
class Field:
    """One sampling parameter as a form shows it.

    `kind` is "float", "int", "seed" or "strings"; `min`, `max` and `step` are those of a slider; `nullable` fields
    are off when None.
    """

    name: str
    label: str
    help: str
    kind: str
    min: float | None = None
    max: float | None = None
    step: float | None = None
    nullable: bool = False
    limit: float | None = None
    """The upper end that is valid, where a slider's `max` is only a convenient one."""
    above_min: bool = False
    """Whether `min` itself is invalid."""


_PLENTY = float("inf")
_MANY = 2**31 - 1
MOST_SEED = 2**53 - 1
"""The largest seed: up to here every whole number is exact in JSON and in a page, whose numbers are doubles."""
_MOST_BIAS = 1e9

FIELDS = (
    Field("temperature", "Temperature", "0 takes the most probable token; higher is more varied.",
          "float", 0, 2, 0.05, limit=_PLENTY),
    Field("top_k", "Top-k", "Keep the k most probable tokens.", "int", 1, 200, 1, nullable=True, limit=_MANY),
    Field("top_p", "Top-p", "Keep the smallest set of tokens whose probabilities add up to p.",
          "float", 0, 1, 0.01, nullable=True, above_min=True),
    Field("min_p", "Min-p", "Keep tokens at least this fraction as probable as the most probable one.",
          "float", 0, 1, 0.01, nullable=True),
    Field("typical_p", "Typical-p", "Keep the tokens nearest to the expected surprise, up to mass p.",
          "float", 0, 1, 0.01, nullable=True, above_min=True),
    Field("repetition_penalty", "Repetition penalty", "Above 1 makes tokens of the prompt and the answer less likely.",
          "float", 0, 2, 0.01, limit=_PLENTY, above_min=True),
    Field("presence_penalty", "Presence penalty", "Subtracted once from every token already in the answer.",
          "float", -2, 2, 0.05),
    Field("frequency_penalty", "Frequency penalty", "Subtracted from a token for each time it is in the answer.",
          "float", -2, 2, 0.05),
    Field("penalty_window", "Penalty window", "The penalties look at this many last tokens only.",
          "int", 1, 512, 1, nullable=True, limit=_MANY),
    Field("min_new_tokens", "Min new tokens", "The answer may not end before this many tokens.",
          "int", 0, 512, 1, limit=_MANY),
    Field("max_new_tokens", "Max new tokens", "The answer ends after this many tokens.",
          "int", 1, 4096, 1, limit=_MANY),
    Field("stop", "Stop strings", "The answer ends before any of these, one a line.", "strings"),
    Field("seed", "Seed", "The same seed and settings give the same text; empty draws one.",
          "seed", 0, MOST_SEED, 1, nullable=True),
)  # fmt: skip
_BY_NAME = {one.name: one for one in FIELDS}


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Immutable; `replace` gives a changed copy.

    Attributes:
        temperature: divides the logits, >= 0; 0 means argmax.
        top_k: keep the k most probable tokens, >= 1, or None.
        top_p: keep the smallest set of mass p, in (0, 1], or None (Holtzman et al. 2020, arXiv:1904.09751).
        min_p: keep tokens with at least min_p times the top probability, in [0, 1], or None
            (Nguyen et al. 2024, arXiv:2407.01082).
        typical_p: keep the tokens whose surprise is nearest the entropy, up to mass p, in (0, 1], or None
            (Meister et al. 2023, arXiv:2202.00666).
        repetition_penalty: > 0; divides positive and multiplies negative logits of tokens seen in prompt and
            output (Keskar et al. 2019, arXiv:1909.05858).
        presence_penalty: in [-2, 2]; subtracted once from the logit of a token in the output.
        frequency_penalty: in [-2, 2]; subtracted for each time a token is in the output.
        penalty_window: the penalties count only the last n tokens, >= 1; None counts all.
        logit_bias: added to the logits of single tokens, {token id: bias}.
        min_new_tokens: no end of turn before this many tokens, >= 0.
        max_new_tokens: the limit of new tokens, >= 1.
        stop: strings that end the text; they are not part of it.
        seed: in [0, 2**53), where every whole number is exact in JSON and in a page as it is here, so that a seed
            that was shown can be typed in again; None draws one, which the receipt records.
        grammar: what the text has to be: "json" for a JSON object, or a JSON schema as a dict; None for no grammar.
            Whatever breaks it is cut before all other stages, and the text may end only once it is whole; a token
            limit can still cut it short.
        order: the names of the stages in the order they run; a stage left out does not run.

    Raises:
        InvalidSampling: a value out of its range; `.field` names it.
    """

    temperature: float = 0.7
    top_k: int | None = None
    top_p: float | None = 0.9
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float = 1.1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_window: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    min_new_tokens: int = 0
    max_new_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int | None = None
    grammar: str | Mapping[str, Any] | None = None
    order: tuple[str, ...] = STAGES

    def __post_init__(self) -> None:
        for one in FIELDS:
            object.__setattr__(self, one.name, _checked(one, getattr(self, one.name)))
        object.__setattr__(self, "logit_bias", _checked_bias(self.logit_bias))
        object.__setattr__(self, "order", _checked_order(self.order))
        object.__setattr__(self, "grammar", _checked_grammar(self.grammar))

    def __hash__(self) -> int:
        return hash(
            (
                *(getattr(self, one.name) for one in FIELDS),
                tuple(sorted(self.logit_bias.items())),
                self.order,
                json.dumps(self.grammar, sort_keys=True),
            )
        )

    def replace(self, **overrides: Any) -> Sampling:
        """A copy with some parameters changed.

        Raises:
            InvalidSampling: an unknown name, or a value out of its range.
        """
        known = {one.name for one in fields(self)}
        for name in overrides:
            if name not in known:
                raise _unknown(name, known)
        return replace(self, **overrides)

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON-friendly values: {name: value}."""
        bias = {
            str(token): amount if math.isfinite(amount) else "-inf"
            for token, amount in self.logit_bias.items()
        }
        lists = {"stop": list(self.stop), "order": list(self.order), "logit_bias": bias}
        return {one.name: lists.get(one.name, getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Sampling:
        """The inverse of `to_dict`; names left out keep their defaults.

        Raises:
            InvalidSampling: an unknown name, or a value out of its range.
        """
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            raise InvalidSampling(
                "These are not sampling parameters.", "Give a mapping: {'temperature': 0.7}."
            )
        return cls().replace(**values)

    @classmethod
    def recommended(cls, model: Model) -> Sampling:
        """What the checkpoint's own generation config recommends, on top of neutral settings."""
        config = model.generation_defaults()
        neutral = cls(temperature=1.0, top_p=None, repetition_penalty=1.0)
        if config.get("do_sample") is False:
            neutral = neutral.replace(temperature=0.0)
        names = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "min_new_tokens",
                 "max_new_tokens")  # fmt: skip
        said = {name: config[name] for name in names if config.get(name) is not None}
        return neutral.replace(
            **{name: None if name == "top_k" and not value else value for name, value in said.items()}
        )


def checked(sampling: Sampling | None, overrides: Mapping[str, Any]) -> Sampling:
    """`sampling`, or else `Sampling()`, with some parameters changed, once it is sure that it is one.

    Raises:
        InvalidSampling: it is something else, or a parameter is unknown or out of range.
    """
    if sampling is None:
        sampling = Sampling()
    if not isinstance(sampling, Sampling):
        raise InvalidSampling(
            f"sampling={quoted(sampling)} is no Sampling.", "Give a Sampling: Sampling(temperature=0.7)."
        )
    return sampling.replace(**overrides)


def _invalid(name: str, value: object, why: str, hint: str) -> InvalidSampling:
    error = InvalidSampling(f"{name}={quoted(value)} {why}.", hint)
    error.field = name
    return error


def _unknown(name: str, known: set[str]) -> InvalidSampling:
    import difflib

    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(sorted(known))}."
    error = InvalidSampling(f"Sampling has no parameter {quoted(name)}.", hint)
    error.field = name
    return error


def _checked(one: Field, value: Any) -> Any:
    if one.kind == "strings":
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(text, str) and text for text in value):
            raise _invalid(
                one.name, value, "is not a list of non-empty strings", f'Write {one.name}=["..."].'
            )
        return tuple(value)
    if value is None and one.nullable:
        return None
    whole = one.kind != "float"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        if whole and isinstance(value, float) and value.is_integer():
            value = int(value)
        else:
            raise _invalid(
                one.name, value, f"is not {'a whole number' if whole else 'a number'}", _range(one)
            )
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(one.name, value, "is not a finite number", _range(one))
    low, high = one.min, one.limit if one.limit is not None else one.max
    assert low is not None
    assert high is not None
    if value < low or value > high or (one.above_min and value == low):
        raise _invalid(one.name, value, "is out of range", _range(one))
    try:
        return int(value) if whole else float(value)
    except OverflowError:
        raise _invalid(one.name, "a number of this size", "is out of range", _range(one)) from None


def _range(one: Field) -> str:
    low = f"above {_number(one.min)}" if one.above_min else f"at least {_number(one.min)}"
    high = one.limit if one.limit is not None else one.max
    text = low if high == _PLENTY else f"{low} and at most {_number(high)}"
    return f"{one.label} must be {text}{', or None to switch it off' if one.nullable else ''}."


def _number(limit: float | None) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def _checked_bias(value: Any) -> dict[int, float]:
    try:
        bias = {int(token): float(amount) for token, amount in dict(value).items()}
    except (TypeError, ValueError):
        raise _invalid(
            "logit_bias", value, "does not map token ids to numbers", "Write {token id: bias}."
        ) from None
    odd = any(isinstance(token, bool | float) for token in dict(value))
    if odd or any(
        token < 0 or not (abs(amount) <= _MOST_BIAS or amount == -math.inf) for token, amount in bias.items()
    ):
        raise _invalid("logit_bias", value, "has a bias or a token id out of range",
                       f"Token ids are whole numbers from 0, biases within {_MOST_BIAS:g}, or -inf.")  # fmt: skip
    return bias


def _checked_grammar(value: Any) -> str | dict[str, Any] | None:
    if value is None or value == "json":
        return value if value is None else "json"
    try:
        if isinstance(value, Mapping):
            copied: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
            return copied
    except (TypeError, ValueError, RecursionError):
        pass
    raise _invalid("grammar", value, "is no grammar", 'Give "json", or a JSON schema as a dict.')


def _checked_order(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _invalid("order", value, "is not a list of stages", f"The stages are: {', '.join(STAGES)}.")
    order = tuple(value)
    unknown = [name for name in order if name not in STAGES]
    if unknown or len(set(order)) != len(order):
        what = f"names the unknown stage {unknown[0]!r}" if unknown else "names a stage twice"
        raise _invalid("order", order, what, f"The stages are: {', '.join(STAGES)}.")
    return order
