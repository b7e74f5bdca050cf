"""What a reader without a kernel sees of a `TokenizerExplorer`: HTML of what its page draws. It knows only that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from influence_nb.engine.token_costs import ABOUT
from influence_nb.engine.tokens import ROLES, TINTS
from influence_nb.widgets.base import MUTED, escape, static_block, static_table

_CHIPS = 400
_ROWS = 25


def rendered(tab: str, view: dict[str, Any]) -> str:
    """The tab that is shown.

    Args:
        tab: its name.
        view: as `tokenizer_view` makes it; empty before anything is shown.
    """
    if not view:
        return static_block("Tokenizers", "<p>Nothing was looked at yet.</p>")
    parts = _languages(view) if tab == "languages" else [_side(tab, side) for side in view["sides"]]
    if view.get("differences") is not None:
        parts.append(f"<p>They cut the text differently in {view['differences']:,} places, underlined.</p>")
    return static_block(f"Tokenizers · {tab}", *parts)


def _side(tab: str, side: dict[str, Any]) -> str:
    head = f"<p><b>{escape(side['name'])}</b>, a vocabulary of {side['size']:,}"
    if side["problem"]:
        return f"{head}: {escape(side['problem']['message'])}</p>"
    tokens = side["tokens"]
    if tab == "vocabulary":
        special = _chips(side["special"][:_CHIPS])
        found = f", {side['total']:,} found" if side["total"] else ""
        return f"{head}{found}</p>{_table(tokens[:_ROWS])}<p>Special tokens: {special}</p>"
    more = f", of which {_CHIPS} are shown" if len(tokens) > _CHIPS else ""
    legend = " ".join(
        f"<span style='background:{ROLES.get(role, ROLES['template'])};padding:0 4px;border-radius:3px'>"
        f"{escape(role)}: {count}</span>"
        for role, count in side.get("by_role", {}).items()
    )
    table = "" if tab == "chat" else _table(tokens[:_ROWS])
    said = f"{head}: {side['count']:,} tokens{more} {legend}</p>"
    return f"{said}<p style='line-height:2'>{_chips(tokens[:_CHIPS])}</p>{table}"


def _chips(tokens: Sequence[dict[str, Any]]) -> str:
    made = []
    for at, token in enumerate(tokens):
        role = token["role"] if token["role"] in ROLES else None
        mark = "text-decoration:underline wavy;" if token.get("apart") else ""
        tint = ROLES[role] if role else TINTS[at % len(TINTS)]
        style = f"background:{tint};{mark}color:inherit;padding:1px 2px;border-radius:3px"
        made.append(f"<code style='{style}'>{escape(token['text'])}</code>{'<br>' if token['line'] else ''}")
    return "<wbr>".join(made)


def _table(tokens: Sequence[dict[str, Any]]) -> str:
    if not tokens:
        return ""
    places = tokens[0]["start"] is not None
    heads = {"token": False, "id": True, "bytes": False, **({"characters": True} if places else {})}
    rows = [
        [
            f"<code>{escape(one['text'])}</code>",
            str(one["id"]),
            f"<code>{one['bytes']}</code>",
            *([f"{one['start']}–{one['end']}"] if places else []),
        ]
        for one in tokens
    ]
    return (
        f"<details><summary>the first {len(tokens)} as a table</summary>{static_table(heads, rows)}</details>"
    )


def _languages(view: dict[str, Any]) -> list[str]:
    sides = [side for side in view["sides"] if not side["problem"]]
    heads: dict[str, bool] = {"text": False}
    for side in sides:
        heads |= {f"tokens, {side['name']}": True, f"times English, {side['name']}": True}
    rows = [
        [escape(at[0]["name"]), *(cell for one in at for cell in (str(one["tokens"]), f"{one['times']:.2f}"))]
        for at in zip(*(side["costs"] for side in sides), strict=True)
    ]
    return [static_table(heads, rows), f"<p style='{MUTED}'>{escape(ABOUT)}</p>"]
