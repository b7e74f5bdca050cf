"""An inspected text as HTML without scripts: what a saved notebook keeps, and a page of its own.

It does not know the panel.
"""

from __future__ import annotations

from influence_nb.engine.inspection import Inspection, TokenPlace
from influence_nb.engine.token_text import visible
from influence_nb.widgets.base import MUTED, escape
from influence_nb.widgets.inspector_picture import (
    KINDS,
    LEGENDS,
    NAMES,
    figure,
    levels,
    percent,
    summary,
)

SHADES = (0.0, 0.14, 0.28, 0.42, 0.58)
"""How opaque the colour of each level is: one hue, so that light and dark tell the levels apart for every eye."""
HUE = "232, 113, 10"
_WRITTEN = 600
"""Tokens in the picture that a notebook keeps."""
_LISTED = 5


def said(place: TokenPlace) -> str:
    """A token and what might have come in its stead, in a line."""
    figures = [f"{name}: {words}" for measure, name in NAMES.items() if (words := figure(measure, place.raw))]
    others = ", ".join(f"{visible(one.token)} {percent(one.raw)}" for one in place.alternatives[:_LISTED])
    likely = f" · likely: {others}" if others else ""
    return f"{visible(place.token)} · raw: {'; '.join(figures) or 'not known'}{likely}"


def coloured(looked: Inspection, measure: str, of: str) -> str:
    """The text for a page without scripts and styles: coloured tokens with a line each as a tooltip, and the legend."""
    places = looked.places[:_WRITTEN]
    tokens = "".join(
        f'<span style="{_shade(one)}" title="{escape(said(place))}">{_broken(place.token)}</span>'
        for place, one in zip(places, levels(looked, measure, of), strict=False)
    )
    more = f'<p style="{MUTED}">and {len(looked) - _WRITTEN:,} more</p>' if len(looked) > _WRITTEN else ""
    notes = "".join(f'<p style="{MUTED}">{escape(one)}</p>' for one in (looked.missing,) if one)
    return (
        f'<p style="{MUTED}">{escape(summary(looked))}</p>'
        f'<p style="line-height:1.9;white-space:pre-wrap;overflow-wrap:anywhere">{tokens}</p>{more}'
        f"{_key(measure, of)}{notes}"
    )


def document(looked: Inspection, measure: str, of: str, title: str) -> str:
    """A whole page that needs nothing else: tokens that show what might have come under the pointer and by Tab."""
    parts = [
        f'<span class="t" tabindex="0" style="{_shade(one)}">{_broken(place.token)}{_card(place)}</span>'
        for place, one in zip(looked, levels(looked, measure, of), strict=True)
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p class="m">{escape(summary(looked))}</p>'
        f'<p class="text">{"".join(parts)}</p>{_key(measure, of)}<p class="m">{escape(looked.missing)}</p>'
        "</body></html>\n"
    )


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;"
    "padding:0 1em}"
    "h1{font-size:1.2em}.m{opacity:.75}.text{line-height:2;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-family:ui-monospace,monospace}.t{position:relative;cursor:help}.t>span{display:none}"
    ".t:hover>span,.t:focus>span{display:block;position:absolute;left:0;top:1.8em;z-index:1;width:max-content;"
    "max-width:22em;padding:.5em .8em;border:1px solid;border-radius:6px;background:Canvas;color:CanvasText;"
    "font-size:13px;line-height:1.5}.t b{display:inline-block;min-width:8em}"
)


def _card(place: TokenPlace) -> str:
    lines = [
        f"<b>{name}</b> {escape(words)}"
        for kind, measures in (("raw", place.raw), ("post-sampler", place.sampled))
        for measure, title in NAMES.items()
        if (name := f"{title}, {kind}") and (words := figure(measure, measures))
    ]
    for one in place.alternatives:
        drawn = "" if one.sampled is None else f", post-sampler {percent(one.sampled)}"
        lines.append(f"<b>{escape(visible(one.token))}</b> raw {percent(one.raw)}{drawn}")
    return f"<span>{'<br>'.join(lines) or 'Nothing is known of this token.'}</span>"


def _key(measure: str, of: str) -> str:
    steps = "".join(
        f'<span style="{_shade(at)};margin-right:.6em;padding:0 .4em">{escape(words)}</span>'
        for at, words in enumerate(LEGENDS[measure])
    )
    return f'<p style="font-size:85%">{escape(NAMES[measure])} ({escape(KINDS[of])}): {steps}</p>'


def _shade(one: int) -> str:
    if one < 0:
        return "border-bottom:1px dotted"
    line = f";border-bottom:2px solid rgb({HUE})" if one >= 3 else ""
    return f"background:rgba({HUE},{SHADES[one]}){line}"


def _broken(token: str) -> str:
    return escape(visible(token)) + "<br>" * token.count("\n")
