"""Prompt templates as Ollama's clients write them: the part of Go's language that fills in texts.

`{{ .System }}`, `{{ .Prompt }}`, `{{ .Suffix }}`, `{{ .Response }}`, and `{{ if … }}`, `{{ else if … }}`, `{{ else }}`,
`{{ end }}` over these, with `and`, `or`, `not`; `{{-` and `-}}` take the space beside them away. It knows no loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from influence_nb.server.refusals import Refused

NAMES = (".System", ".Prompt", ".Suffix", ".Response")

DEEPEST = 100
"""How many ifs may stand in one another."""
LONGEST = 2**24
"""Characters that a prompt may come to: as many as a body may bring, however often it names one."""

_SPACE = " \t\r\n"
"""What Go takes for space."""


class _Block(NamedTuple):
    """An if, at one of its parts."""

    shown: bool  # whether this part is, and so all around it
    done: bool  # whether this part's condition holds, or that of one before it
    last: bool  # whether this part is its else


def rendered(template: str, values: Mapping[str, str]) -> str:
    """The text, up to where the answer stands.

    Args:
        template: in that language.
        values: a text for each of `NAMES` but ".Response"; one that is left out is empty.

    Raises:
        Refused: something else stands in it, or it makes more than `LONGEST` characters.
    """
    said: list[str] = []
    filled = 0
    blocks = [_Block(True, True, True)]  # the first is the whole template
    for text, action in _parts(template):
        shown = blocks[-1].shown
        if shown:
            said.append(text)
        word, rest = [*action.split(maxsplit=1), "", ""][:2]
        match word:
            case "":
                pass
            case _ if action.startswith("/*") and action.find("*/", 2) == len(action) - 2:
                pass
            case "if" if len(blocks) > DEEPEST:
                raise _unknown(action, f"more than {DEEPEST} stand in one another")
            case "if":
                holds = _holds(rest, values)
                blocks.append(_Block(shown and holds, holds, False))
            case "else" | "end" if len(blocks) == 1:
                raise _unknown(action, "there is no if before it")
            case "else" if not rest or rest.split()[0] == "if":
                _, done, last = blocks.pop()
                if last:
                    raise _unknown(action, "there is an else before it")
                holds = (not rest or _holds(rest.removeprefix("if").strip(), values)) and not done
                blocks.append(_Block(blocks[-1].shown and holds, done or holds, not rest))
            case "end" if not rest:
                blocks.pop()
            case ".Response" if shown and not rest:
                return "".join(said)
            case _ if action in NAMES:
                value = values.get(action, "") if shown else ""
                said.append(value)
                filled += len(value)
                if filled > LONGEST:
                    long = f"template: it makes a prompt of more than {LONGEST:,} characters."
                    raise Refused(400, long, "Name long texts once.", field="template")
            case _:
                raise _unknown(action)
    if len(blocks) > 1:
        raise _unknown("if", "it has no end")
    return "".join(said)


def _parts(template: str) -> Iterator[tuple[str, str]]:
    """(text, what stands in the braces after it), the last with nothing."""
    place, trim = 0, False
    while (opened := template.find("{{", place)) >= 0:
        closed = template.find("}}", opened)
        if closed < 0:
            raise _unknown(template[opened : opened + 20], "it is not closed")
        text, action = template[place:opened], template[opened + 2 : closed]
        text = text.lstrip(_SPACE) if trim else text
        if action[:1] == "-" and action[1:2].isspace():
            text, action = text.rstrip(_SPACE), action[1:]
        trim = action[-1:] == "-" and action[-2:-1].isspace()
        yield text, action[: len(action) - trim].strip()
        place = closed + 2
    yield template[place:].lstrip(_SPACE) if trim else template[place:], ""


def _holds(condition: str, values: Mapping[str, str]) -> bool:
    word, *rest = condition.split() or [""]
    names = rest if word in ("and", "or", "not") else [word, *rest]
    single = word not in ("and", "or")
    if not names or any(name not in NAMES for name in names) or (single and len(names) != 1):
        raise _unknown(f"if {condition}")
    found = [bool(values.get(name)) for name in names]
    return not found[0] if word == "not" else any(found) if word == "or" else all(found)


def _unknown(action: str, why: str = "") -> Refused:
    what = f"template: {{{{ {action[:80]} }}}} is not understood here" + (f": {why}." if why else ".")
    return Refused(
        400, what, f"It may have {', '.join(NAMES)}, and if, else and end over them.", field="template"
    )
