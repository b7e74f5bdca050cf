"""Prompt templates as Ollama's clients write them: the part of Go's language that fills in texts.

`{{ .System }}`, `{{ .Prompt }}`, `{{ .Suffix }}`, `{{ .Response }}`, and `{{ if … }}`, `{{ else if … }}`, `{{ else }}`,
`{{ end }}` over these, with `and`, `or`, `not`; `{{-` and `-}}` take the space beside them away. It knows no loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from influence_nb.server.refusals import Refused

NAMES = (".System", ".Prompt", ".Suffix", ".Response")


def rendered(template: str, values: Mapping[str, str]) -> str:
    """The text, up to where the answer stands.

    Args:
        template: in that language.
        values: a text for each of `NAMES` but ".Response"; one that is left out is empty.

    Raises:
        Refused: something else stands in it.
    """
    said: list[str] = []
    blocks: list[tuple[bool, bool]] = []  # whether its part is shown, whether one of its parts was
    for text, action in _parts(template):
        shown = all(now for now, _ in blocks)
        if shown:
            said.append(text)
        word, _, rest = action.partition(" ")
        match word:
            case "" | "/*":
                pass
            case "if":
                holds = _holds(rest, values)
                blocks.append((holds, holds))
            case "else" | "end" if not blocks:
                raise _unknown(action, "there is no if before it")
            case "else":
                _, done = blocks.pop()
                condition = rest.strip().removeprefix("if ")
                holds = not done and (not rest or _holds(condition, values))
                blocks.append((holds, done or holds))
            case "end":
                blocks.pop()
            case ".Response" if shown:
                return "".join(said)
            case _ if action in NAMES:
                if shown:
                    said.append(values.get(action, ""))
            case _:
                raise _unknown(action)
    if blocks:
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
        text = text.lstrip() if trim else text
        text = text.rstrip() if action.startswith("- ") else text
        trim = action.endswith(" -")
        yield text, action.removeprefix("- ").removesuffix(" -").strip()
        place = closed + 2
    yield template[place:].lstrip() if trim else template[place:], ""


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
