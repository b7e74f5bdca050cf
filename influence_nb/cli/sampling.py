"""The options that say how tokens are chosen: one for each parameter of `Sampling`, by its name.

It does not know what they do.
"""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from influence_nb.cli.frame import Group, option
from influence_nb.engine.sampling import FIELDS, Field, Sampling
from influence_nb.errors import InvalidSampling

_SETTINGS = {
    "temperature": "INFLUENCE_TEMPERATURE",
    "top_p": "INFLUENCE_TOP_P",
    "top_k": "INFLUENCE_TOP_K",
    "repetition_penalty": "INFLUENCE_REPEAT_PENALTY",
    "max_new_tokens": "INFLUENCE_MAX_TOKENS",
}
_PANEL = "Sampling"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _parameter(one: Field) -> inspect.Parameter:
    default = getattr(Sampling(), one.name)
    if one.kind == "strings":
        help = "The answer ends before this text; may be given several times."
        kind: Any = Annotated[
            list[str] | None, typer.Option(_flag(one.name), help=help, rich_help_panel=_PANEL)
        ]
        return option(one.name, kind)
    usual = "none" if default is None else f"{default:g}"
    usual = "drawn" if one.kind == "seed" else usual
    setting = f"{_SETTINGS[one.name]}, else " if one.name in _SETTINGS else ""
    what = "<float>" if one.kind == "float" else "<int>"
    said = typer.Option(
        _flag(one.name),
        metavar=f"{what}|none" if one.nullable else what,
        help=f"{one.help} Unless given: {setting}{usual}.",
        rich_help_panel=_PANEL,
    )
    return option(one.name, Annotated[str | None, said])


def parsed(name: str, text: str) -> Any:
    """The value of a parameter as it is written on a command line: a number, "none", or text.

    Raises:
        InvalidSampling: there is no such parameter, or that is no value for it.
    """
    known = {one.name: one for one in FIELDS}
    name = name.strip().lstrip("-").replace("-", "_")
    if name not in known:
        Sampling().replace(**{name: text})  # says which is near
    one, text = known[name], text.strip()
    if one.kind == "strings":
        return (text,)
    if one.nullable and text.lower() in ("", "none", "off"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text  # which `Sampling` refuses by name


def _given(given: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    try:
        for name, value in given.items():
            if value is not None:
                values[name] = tuple(value) if isinstance(value, list) else parsed(name, value)
        Sampling().replace(**values)
    except InvalidSampling as error:
        raise typer.BadParameter(f"{error.message} {error.hint}", param_hint=_flag(error.field)) from error
    return values


def _made(given: dict[str, Any]) -> Sampling:
    from influence_nb.api.defaults import sampling

    return sampling(**_given(given))


_PARAMETERS = tuple(map(_parameter, FIELDS))
SAMPLING = Group(_PARAMETERS, _made)
"""What a command is given of them is a `Sampling`: arguments over settings over `Sampling()`."""
OVERRIDES = Group(_PARAMETERS, _given)
"""What a command is given of them is {name: value} of those that were given."""
