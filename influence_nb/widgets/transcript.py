"""A conversation as plain HTML, for saved notebooks.

It knows the rows a view shows (see `conversation.py`), not the widget. Text in it is escaped; fenced code
becomes a block, everything else keeps its line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from influence_nb.widgets.base import MUTED, escape

WHO = {"user": "You", "assistant": "Model"}
ENDINGS = {"running": "being written", "cancelled": "stopped", "length": "token limit reached"}
_SIDE = "flex:1 1 18em;min-width:0;border-left:3px solid rgba(128,128,128,.35);padding-left:12px"
_MARK = "background:rgba(220,150,40,.35);color:inherit;border-radius:2px"
_FENCE = re.compile(r"^```[^\n]*\n(.*?)(?:^```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_CODE = "white-space:pre-wrap;padding:6px 10px;background:rgba(128,128,128,.12);border-radius:4px"


def transcript(rows: Sequence[Mapping[str, Any]], system: str = "") -> str:
    """The rows of `Conversation.rows()` as HTML."""
    parts = [f'<p style="{MUTED};margin:0 0 6px">System prompt: {_lines(system)}</p>'] if system else []
    parts += [_pair(row, row["beside"]) if row.get("beside") else _message(row) for row in rows]
    return "".join(parts) or f'<p style="{MUTED};margin:0">No messages yet.</p>'


def _pair(row: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """Two answers beside each other, or below each other where there is little room; what one has alone is marked."""
    shown = ({**row, "versions": 1, "goes_on": True}, {**beside, "versions": 1})
    sides = sorted(shown, key=lambda one: one["version"])
    boxes = "".join(f'<div style="{_SIDE}">{_message(one)}</div>' for one in sides)
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 16px">{boxes}</div>'


def _message(row: Mapping[str, Any]) -> str:
    who = WHO[row["role"]]
    if row["role"] == "assistant" and row.get("model"):
        who = str(row["model"])
    heading = f'<p style="margin:10px 0 2px"><strong>{escape(who)}</strong>{_note(row)}</p>'
    pieces = row.get("pieces")
    parts = [heading, _body(row["content"]) if pieces is None else _marked(pieces)]
    if row.get("error"):
        error = row["error"]
        parts.append(f"<p><strong>{escape(error['message'])}</strong><br>{escape(error['hint'])}</p>")
    facts = _facts(row)
    if facts:
        parts.append(f'<p style="{MUTED};margin:2px 0 0">{escape(facts)}</p>')
    return "".join(parts)


def _note(row: Mapping[str, Any]) -> str:
    notes = [ENDINGS[row["status"]]] if row["status"] in ENDINGS else []
    if row.get("goes_on"):
        notes.append("the conversation goes on with this one")
    if row["versions"] > 1:
        notes.append(f"version {row['version'] + 1} of {row['versions']}")
    return f' <span style="{MUTED}">({escape(", ".join(notes))})</span>' if notes else ""


def _facts(row: Mapping[str, Any]) -> str:
    stats, sampling = row.get("stats"), row.get("sampling")
    facts = []
    if stats:
        facts.append(f"{stats['tokens']} tokens")
        if stats.get("tokens_per_second"):
            facts.append(f"{stats['tokens_per_second']:.1f} tokens/s")
        if stats.get("first_token") is not None:
            facts.append(f"first after {stats['first_token']:.2f} s")
    if sampling:
        shown = ("temperature", "top_k", "top_p", "min_p")
        facts += [f"{name} {sampling[name]}" for name in shown if sampling.get(name) is not None]
    if row.get("seed") is not None:
        facts.append(f"seed {row['seed']}")
    return " · ".join(facts)


def _body(text: str) -> str:
    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts.append(_paragraphs(text[at : fence.start()]))
        parts.append(f'<pre style="{_CODE}"><code>{escape(fence[1])}</code></pre>')
        at = fence.end()
    return "".join([*parts, _paragraphs(text[at:])])


def _marked(pieces: Sequence[tuple[str, bool]]) -> str:
    text = "".join(
        escape(text) if same else f'<mark style="{_MARK}">{escape(text)}</mark>' for text, same in pieces
    )
    return f'<div style="white-space:pre-wrap">{text}</div>'


def _paragraphs(text: str) -> str:
    blocks = [block for block in re.split(r"\n\s*\n", text.strip()) if block]
    return "".join(f'<p style="margin:0 0 6px">{_lines(block)}</p>' for block in blocks)


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")
