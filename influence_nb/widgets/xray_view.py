"""What the page of an `XrayPanel` draws of one choice, and of a text under other settings: plain values.

It knows X-rays; it does not know the panel. The page is `widgets/xray/`.
"""

from __future__ import annotations

import math
from typing import Any

from influence_nb.engine.what_if import WhatIf
from influence_nb.engine.xray import XrayStep

BARS = 20
"""Tokens that are drawn: those that the model itself finds most probable, and those that the stages lift among them."""


def picture(step: XrayStep, pinned: XrayStep | None = None) -> dict[str, Any]:
    """One choice: {"index", "came", "drawn", "greedy", "vocabulary", "stages", "bars", "pinned"}.

    Args:
        step: the choice under the settings of now.
        pinned: the same one under those that were kept to compare with.
    """
    ids = step.ids(BARS)
    if pinned is not None:
        ids = list(dict.fromkeys([*ids, pinned.drawn]))
    if step.place.id not in ids:
        ids.append(step.place.id)
    raw, sampled = step.raw[ids].exp().tolist(), step.sampled[ids].exp().tolist()
    kept = None if pinned is None else pinned.sampled[ids].exp().tolist()
    return {
        "index": step.index,
        "came": step.place.id,
        "drawn": step.drawn,
        "greedy": step.sampling.temperature == 0,
        "vocabulary": step.raw.shape[0],
        "stages": [
            {
                "name": stage.name,
                "on": stage.on,
                "kept": stage.kept,
                "cut": stage.cut,
                "mass": stage.mass,
                "before": stage.entropy_before,
                "entropy": stage.entropy,
            }
            for stage in step.stages
        ],
        "bars": [
            {
                "id": token,
                "text": step.trace.name(token),
                "raw": raw[at],
                "sampled": sampled[at],
                "cut": step.cut_by(token),
                "pinned": None if kept is None else kept[at],
            }
            for at, token in enumerate(ids)
        ],
        "pinned": None if pinned is None else _sum(pinned),
    }


def _sum(step: XrayStep) -> dict[str, Any]:
    last = step.stages[-1] if step.stages else None
    return {
        "kept": last.kept if last else step.raw.shape[0],
        "entropy": last.entropy if last else 0.0,
        "drawn": step.drawn,
        "order": list(step.sampling.order),
    }


def flips(what: WhatIf) -> list[dict[str, Any]]:
    """Where the text would come otherwise: {"index", "now", "stage", "margin", "words"}; no margin where it is cut."""
    return [
        {
            "index": flip.index,
            "now": flip.now_text,
            "stage": flip.stage,
            "margin": None if math.isinf(flip.margin) else flip.margin,
            "words": str(flip),
        }
        for flip in what.flips
    ]
