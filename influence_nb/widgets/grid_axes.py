"""The axes of a grid as a person types them: numbers in one line, texts one a line.

It knows the parameters' kinds; whether their values make a grid is the engine's business.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted
from influence_nb.engine import axes
from influence_nb.engine.sampling import FIELDS
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

LIMIT = 256
"""The most cells of a grid that is run from the page; from Python `model.grid(limit=...)` runs more."""
MOST = 10_000
"""The most values that a span such as 1..100 may stand for."""

_FIELDS = {one.name: one for one in FIELDS if one.kind != "strings"}
_HELP = {
    "stop": "A stop string a line; several in one cell as a JSON list.",
    "order": "An order a line: names of stages, with commas. Stages that are left out do not run.",
    "logit_bias": 'A JSON object a line: {"198": -5}.',
    "grammar": 'A line each: json, a JSON schema, or "off".',
    "system": "A system prompt a line.",
    "model": "Names of loaded models, with commas.",
}
_SPAN = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)")
_OFF = ("off", "none")


def choices(model: Model | None) -> list[dict[str, Any]]:
    """What may be varied: [{"name", "label", "help", "lines"}], the last whether its values stand one a line."""
    known = [*axes.PARAMETERS, "system", "model", *_variables(model)]
    made = []
    for name in known:
        field = _FIELDS.get(name)
        off = ', and "off"' if field is not None and field.nullable and name != "seed" else ""
        spans = ", or from..to" if field is not None and field.kind in ("int", "seed") else ""
        told = (
            f"{field.help} Values with commas{spans}{off}." if field else _HELP.get(name, "A value a line.")
        )
        label = field.label if field else name.replace("_", " ").capitalize()
        made.append({"name": name, "label": label, "help": told, "lines": field is None and name != "model"})
    return made


def _variables(model: Model | None) -> list[str]:
    from influence_nb.engine.token_model import TokenModel

    if not isinstance(model, TokenModel) or model.chat_template is None:
        return []
    return sorted((model.template_variables() or set()) - set(axes.TAKEN))


def read(rows: Sequence[Mapping[str, str]]) -> dict[str, list[Any]]:
    """The axes that are typed: {name: values}.

    Raises:
        InvalidSampling: one that is there twice, or has something in it that is no value; `.field` names it.
    """
    found: dict[str, list[Any]] = {}
    for row in rows:
        name = row["name"]
        if name in found:
            raise _wrong(name, f"The axis {name} is there twice.", "Give all its values in one.")
        found[name] = _values(name, row["text"])
    return found


def counted(rows: Sequence[Mapping[str, str]], known: Sequence[str] | None = None) -> dict[str, Any]:
    """How many cells they make, in words, and what is wrong with them.

    Args:
        rows: the axes as they are typed.
        known: the names of what may be varied, where a model says.

    Returns:
        {"words": such as "3 × 2 = 6 cells", "problem": {"message", "hint", "field"} or None}.
    """
    field = None
    try:
        given = read(rows)
        if unknown := [name for name in given if known is not None and name not in known]:
            field = unknown[0]
            raise InvalidData(f"There is no axis {quoted(field)}.", f"There are: {', '.join(known or ())}.")
        field = next((name for name, values in given.items() if not values), None)
        axes.check_size(given, LIMIT)
        for field, values in given.items():
            axes.check_values(field, values)
    except InfluenceError as error:
        field = getattr(error, "field", None) or field
        return {"words": "", "problem": {"message": error.message, "hint": error.hint, "field": field}}
    lengths = [len(values) for values in given.values()]
    total = math.prod(lengths)
    shape = " × ".join(map(str, lengths)) + " = " if len(lengths) > 1 else ""
    return {"words": f"{shape}{total:,} cell{'s' if total != 1 else ''}", "problem": None}


def written(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """The inverse of `read`."""
    rows = []
    for name, value in given.items():
        values = value if axes.is_axis(name, value) else [value]
        said = [_said(name, axes.to_json(name, one)) for one in values]
        rows.append({"name": name, "text": (", " if name in _FIELDS or name == "model" else "\n").join(said)})
    return rows


def _values(name: str, text: str) -> list[Any]:
    if name == "model":
        return [one.strip() for one in text.split(",") if one.strip()]
    if name in _FIELDS:
        return [
            value
            for piece in re.split(r"[,;\n]", text)
            if piece.strip()
            for value in _numbers(name, piece.strip())
        ]
    return [_line(name, line.strip()) for line in text.splitlines() if line.strip()]


def _numbers(name: str, piece: str) -> Sequence[float | None]:
    if piece.lower() in _OFF:
        return [None]
    span = _SPAN.fullmatch(piece)
    if span and _FIELDS[name].kind in ("int", "seed"):
        first, last = int(span[1]), int(span[2])
        if abs(last - first) >= MOST:
            raise _wrong(name, f"{piece} are too many values.", "Give fewer.")
        return range(first, last + 1) if first <= last else range(first, last - 1, -1)
    try:
        return [float(piece) if _FIELDS[name].kind == "float" else int(piece)]
    except ValueError:
        raise _wrong(
            name, f"{quoted(piece)} is no value of {name}.", "Write numbers with commas between them: 0.5, 1."
        ) from None


def _line(name: str, line: str) -> Any:
    if name == "system":
        return line
    if name == "order":
        return [one.strip() for one in line.split(",") if one.strip()]
    if line.lower() in _OFF:
        return None
    try:
        value = json.loads(line)
    except ValueError:
        value = line
    return [value] if name == "stop" and isinstance(value, str) else value


def _said(name: str, value: Any) -> str:
    if value is None:
        return "off"
    if name == "model":
        return str(getattr(value, "name", value))
    if name == "order":
        return ", ".join(value)
    if (
        name == "stop"
        and len(value) == 1
        and not value[0].startswith(("[", '"'))
        and value[0].strip() == value[0]
    ):
        return str(value[0])
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value) if isinstance(value, str) else json.dumps(value)


def _wrong(name: str, message: str, hint: str) -> InvalidSampling:
    error = InvalidSampling(message, hint)
    error.field = name
    return error
