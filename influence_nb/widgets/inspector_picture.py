"""What is drawn of an inspected text: how unexpected each token is, what is known of one, and the text as HTML.

It knows inspections; it does not know the panel. The page is `widgets/inspector/`.
"""

from __future__ import annotations

import math
from typing import Any

from influence_nb.engine.inspection import Alternative, Inspection, Measures
from influence_nb.engine.token_text import visible

NAMES = {
    "logprob": "Probability",
    "rank": "Rank",
    "entropy": "Entropy of the choice",
    "margin": "Margin to the best other token",
}
KINDS = {"raw": "raw: the model's own distribution", "sampled": "post-sampler: the distribution drawn from"}
LEGENDS = {
    "logprob": ("50% and more", "10 to 50%", "1 to 10%", "0.1 to 1%", "below 0.1%"),
    "rank": ("first", "2 to 5", "6 to 20", "21 to 100", "beyond 100"),
    "entropy": ("below 0.5 nats", "0.5 to 1.5", "1.5 to 3", "3 to 5", "5 and more"),
    "margin": ("3 nats ahead or more", "1 to 3 ahead", "0 to 1 ahead", "up to 2 behind", "further behind"),
}
_BOUNDS = {"rank": (1, 5, 20, 100), "entropy": (0.5, 1.5, 3, 5), "margin": (3, 1, 0, -2)}
_SHARES = (0.5, 0.1, 0.01, 0.001)


def level(measure: str, measures: Measures | None) -> int:
    """How unexpected a token is, 0 to 4, see `LEGENDS`; -1 where that is not known."""
    value = None if measures is None else getattr(measures, measure)
    if value is None:
        return -1
    if measure == "logprob":
        return sum(math.exp(value) < share for share in _SHARES)
    bounds = _BOUNDS[measure]
    if measure == "rank":
        return sum(value > bound for bound in bounds)
    if measure == "entropy":
        return sum(value >= bound for bound in bounds)
    return sum(value < bound for bound in bounds)


def levels(looked: Inspection, measure: str, of: str) -> list[int]:
    """Of every token."""
    return [level(measure, getattr(place, of)) for place in looked]


def most_surprising(looked: Inspection) -> int:
    """The place of the token that the model itself found least probable; 0 where nothing is known of any."""
    known = [
        (place.raw.logprob, index) for index, place in enumerate(looked) if place.raw.logprob is not None
    ]
    return min(known, default=(0.0, 0))[1]


def summary(looked: Inspection) -> str:
    """The text as a whole, in a sentence."""
    known = [place.raw.logprob for place in looked if place.raw.logprob is not None]
    if not known:
        return f"{len(looked):,} tokens."
    perplexity = math.exp(-math.fsum(known) / len(known))
    most = looked[most_surprising(looked)]
    return (
        f"{len(looked):,} tokens; perplexity {perplexity:.3g} (raw). What surprised the model most: "
        f"{visible(most.token)} with {percent(most.raw.logprob)}."
    )


def picture(looked: Inspection, index: int, fixed: bool, most: int | None = None) -> dict[str, Any]:
    """What is known of one token, as `widgets/shared/bars.js` draws it, and its `figures` in words.

    Args:
        looked: the text.
        index: which token.
        fixed: whether no other can be taken there.
        most: how many other tokens are listed; None for all that are known.
    """  # fmt: skip
    place = looked[index]
    drawn = place.sampled is not None and place.sampled.logprob is not None
    others = list(place.alternatives[:most])
    if others and place.id is not None and place.id not in [one.id for one in others]:
        assert place.raw.logprob is not None
        sampled = place.sampled.logprob if place.sampled is not None else None
        others.append(Alternative(place.id, place.token, place.raw.logprob, sampled))
    return {
        "index": index,
        "came": place.id,
        "text": place.token,
        "drawn": None,
        "greedy": False,
        "fixed": fixed,
        "pinned": None,
        "figures": [
            {"name": name, "raw": figure(measure, place.raw), "sampled": figure(measure, place.sampled)}
            for measure, name in NAMES.items()
        ],
        "bars": [
            {
                "id": one.id,
                "text": one.token,
                "raw": math.exp(one.raw),
                "sampled": math.exp(one.sampled) if one.sampled is not None and drawn else None,
                "cut": "the sampler" if one.sampled == -math.inf and drawn else None,
                "pinned": None,
            }
            for one in others
        ],
    }


def figure(measure: str, measures: Measures | None) -> str:
    """A measure in words; "" where it is not known."""
    value = None if measures is None else getattr(measures, measure)
    if value is None:
        return ""
    if measure == "logprob":
        return "0: it could not come" if value == -math.inf else f"{percent(value)} ({value:.2f} nats)"
    if measure == "rank":
        return f"{value:,}"
    if measure == "entropy":
        return f"{value:.2f} nats"
    if math.isinf(value):
        return "no other could come" if value > 0 else "it could not come"
    return f"{abs(value):.2f} nats {'ahead' if value >= 0 else 'behind'}"


def percent(logprob: float | None) -> str:
    """A log-probability as a share; "<0.1%" rather than a nought that is none."""
    share = 0.0 if logprob is None else math.exp(logprob)
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}"
