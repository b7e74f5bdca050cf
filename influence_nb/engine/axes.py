"""The axes of a grid: what is varied in it, checked by name, and every combination as a run.

It knows samplings, prompts and what models can take; it does not run anything (`grid.py`).
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_text, quoted, whole
from influence_nb.engine import noise, prompts, registry
from influence_nb.engine.batch import Request
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InvalidData, InvalidSampling

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt

PARAMETERS = tuple(one.name for one in fields(Sampling))
"""The axes that every model has, beside `model` and `system`."""

TAKEN = ("place", "text", "finish_reason", "tokens", "logprob_raw_mean", "perplexity")
"""The columns of a grid's frame that are no axes."""

_LISTS = ("stop", "order")
"""Parameters whose value is a list: an axis of them is a list of lists."""


@dataclass(frozen=True)
class Run:
    """One cell to be: where it stands, its value on each axis, and what is asked of which model."""

    place: int
    values: Mapping[str, Any]
    model: Model
    request: Request


@dataclass(frozen=True)
class Plan:
    """What a grid is to be.

    Attributes:
        axes: {name: values}, in the order given; models by their names.
        prompt: what was asked, as given.
        runs: all combinations, the last axis fastest.
    """

    axes: Mapping[str, tuple[Any, ...]]
    prompt: Prompt
    runs: Sequence[Run]


def plan(
    model: Model, prompt: Prompt, sampling: Sampling | None, given: Mapping[str, Any], limit: int
) -> Plan:
    """Arguments and errors as those of `Model.grid`; nothing has been run."""
    limit = whole("limit", limit, 1)
    kind, said = prompts.sorted_out(prompt)
    lists: dict[str, Any] = {name: value for name, value in given.items() if is_axis(name, value)}
    check_size(lists, limit)
    lists = {name: _values(name, value) for name, value in lists.items()}
    models = _models(lists.get("model", (given.get("model", model),)))
    _check_names([name for name in given if name != "model"], list(models.values()), kind == "messages")
    axes = {
        name: tuple(models) if name == "model" else check_values(name, values)
        for name, values in lists.items()
    }
    fixed = {name: normal(name, value) for name, value in given.items() if name not in (*lists, "model")}
    base = checked(sampling, {name: value for name, value in fixed.items() if name in PARAMETERS})
    if "seed" not in axes and base.seed is None:
        base = base.replace(seed=noise.draw_seed())
    asked: dict[str, Prompt] = {}
    runs = []
    for place, values in enumerate(combinations(axes)):
        name = values.get("model", next(iter(models)))
        spoken = {k: v for k, v in {**fixed, **values}.items() if k not in (*PARAMETERS, "model")}
        key = repr((name, sorted(spoken.items())))
        if key not in asked:
            asked[key] = _asked(models[name], kind, said, spoken)
        changed = {k: v for k, v in values.items() if k in PARAMETERS}
        runs.append(Run(place, values, models[name], Request(asked[key], base.replace(**changed))))
    return Plan(axes, said, runs)


def combinations(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every choice of one value an axis, the last axis fastest."""
    for chosen in itertools.product(*axes.values()):
        yield dict(zip(axes, chosen, strict=True))


def to_json(name: str, value: Any) -> Any:
    """A value of an axis as JSON takes it."""
    return Sampling().replace(**{name: value}).to_dict()[name] if name in PARAMETERS else value


def from_json(name: str, value: Any) -> Any:
    """The inverse of `to_json`; errors as those of the parameter."""
    return getattr(Sampling.from_dict({name: value}), name) if name in PARAMETERS else value


def is_axis(name: str, value: Any) -> bool:
    """Whether a value that a grid is given is several values, which make an axis, and not one that holds for all."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        return False
    if name in _LISTS and isinstance(value, list | tuple):
        return any(one is None or (hasattr(one, "__iter__") and not isinstance(one, str)) for one in value)
    return True


def check_size(lists: Mapping[str, Any], limit: int) -> None:
    """Go on only if there is something to vary, each axis has values, and together no more cells than `limit`."""
    if not lists:
        raise InvalidData(
            "A grid needs an axis.",
            "Give at least one list: model.grid(prompt, temperature=[0.5, 1.0]); of stop and order, which are lists "
            "themselves, a list of lists.",
        )
    for name, value in lists.items():
        if not hasattr(value, "__len__") or isinstance(value, set | frozenset):
            raise InvalidData(
                f"The values of {name} have no length or no order: {quoted(value)}.",
                f"Give a list: {name}=[...].",
            )
        if not len(value):
            raise InvalidData(f"The axis {name} has no values.", "Give at least one, or leave the axis out.")
    count = math.prod(map(len, lists.values()))
    if count > limit:
        shape = " x ".join(str(len(values)) for values in lists.values())
        raise InvalidData(
            f"These axes make {count:,} cells ({shape}); the limit is {limit:,}.",
            f"Leave some values out, or ask for as many: limit={count}.",
        )


def _values(name: str, value: Any) -> tuple[Any, ...]:
    """Of an axis, as Python's own numbers and not numpy's."""
    return tuple(one.item() if name != "model" and hasattr(one, "item") else one for one in value)


def _models(given: Sequence[Any]) -> dict[str, Model]:
    """The models by what they are called in the grid: their names, and what tells them apart where those are one."""
    from influence_nb.engine.model import Model

    here = {one.name: one for one in registry.loaded()}
    found: list[Model] = []
    for one in given:
        if isinstance(one, str):
            if one not in here:
                raise InvalidData(
                    f"There is no loaded model called {quoted(one)}.",
                    f"Load it first: inb.load({one!r}). Loaded are: {', '.join(here) or 'none'}.",
                )
            one = here[one]
        if not isinstance(one, Model):
            raise InvalidData(
                f"model={quoted(one)} is no model.", "Give what inb.load gave, or the name of a loaded one."
            )
        if not one.is_loaded:
            raise one.unloaded()
        found.append(one)
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        names = [f"{one.name} ({one.quantization or one.dtype}, {one.device})" for one in found]
        _check_once("model", names)
    return dict(zip(names, found, strict=True))


def _check_names(names: Sequence[str], models: Sequence[Model], has_turns: bool) -> None:
    """Go on only if every name is a parameter, or one that all the models' templates read."""
    from influence_nb.engine.token_model import TokenModel

    spoken = [name for name in names if name not in PARAMETERS]
    for model in models:
        known = model.template_variables() if isinstance(model, TokenModel) and model.chat_template else set()
        for name in spoken:
            if name != "system" and (name in TAKEN or (known is not None and name not in known)):
                all_names = [*PARAMETERS, "system", "model", *sorted(known or ())]
                near = difflib.get_close_matches(name, all_names, n=1)
                raise InvalidData(
                    f"A grid of {model.name} has no axis {quoted(name)}: it is neither a sampling parameter nor a "
                    "variable of the chat template.",
                    f"Did you mean {near[0]}?" if near else f"There are: {', '.join(all_names)}.",
                )
    if spoken and not has_turns:
        raise InvalidData(
            f"{spoken[0]} goes through the chat template, and the prompt is text that is continued as it stands.",
            "Give the prompt as messages: [{'role': 'user', 'content': '...'}].",
        )


def normal(name: str, value: Any) -> Any:
    """A value as the sampling, or the template, will have it; errors as those of the parameter."""
    if name in PARAMETERS:
        return getattr(checked(None, {name: value}), name)
    if name == "system":
        expect_text(system=value)
    elif not isinstance(value, str | int | float | None):
        raise InvalidData(
            f"{name}={quoted(value)} cannot be given to a chat template.",
            "Give True or False, text or a number.",
        )
    return value


def check_values(name: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """An axis's values as the sampling or the template will have them, models as given.

    Raises:
        InvalidData: one is there twice, or cannot be given to a chat template.
        InvalidSampling: one is out of the parameter's range.
    """
    found = tuple(values) if name == "model" else tuple(normal(name, value) for value in values)
    _check_once(name, found)
    return found


def _check_once(name: str, values: Sequence[Any]) -> None:
    if name == "seed" and None in values:
        raise InvalidSampling("A seed axis cannot hold None.", "Give the seeds: seed=range(5).")
    seen: list[str] = []
    for value in values:
        said = json.dumps(to_json(name, value), sort_keys=True)
        if said in seen:
            raise InvalidData(f"The axis {name} holds {quoted(value)} twice.", "Give each value once.")
        seen.append(said)


def under_system(turns: Sequence[Any], system: str) -> list[Any]:
    """Messages under another system prompt, which takes the place of one that they begin with."""
    begins = bool(turns) and isinstance(turns[0], Mapping) and turns[0].get("role") == "system"
    return [{"role": "system", "content": system}, *(turns[1:] if begins else turns)]


def _asked(model: Model, kind: prompts.Kind, said: Any, spoken: Mapping[str, Any]) -> Prompt:
    """The prompt of one model under one system prompt and one set of switches: token ids where those are known here."""
    from influence_nb.engine.token_model import TokenModel

    switches = {name: value for name, value in spoken.items() if name != "system"}
    if kind == "messages" and (system := spoken.get("system")) is not None:
        said = under_system(said, system)
    if not isinstance(model, TokenModel):
        return said  # type: ignore[no-any-return]
    if kind == "messages" and switches:
        return model.encode(model.render(said, switches), special=False)
    return prompts.ids(said, model)
