"""What if a text had been drawn under other settings: every choice made again, with the same noise.

    what = completion.what_if(temperature=1.2)
    what.first_flip                      # the first token that would come otherwise, by which stage, how clearly
    what.under(temperature=0.9)          # other settings: no forward pass
    what.regenerate()                    # the text that they give

Each choice is made again after the text that was really there before it. It knows traces and samplings; it does not
know how a model is run.
"""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from influence_nb.engine.sampler import Sampler
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidSampling

if TYPE_CHECKING:
    import pandas as pd

    from influence_nb.engine.completion import Completion
    from influence_nb.engine.trace import Place, Trace

_ENTRIES = 2**24
"""Logits that are looked at at once: 64 MiB of float32, and a few copies of that."""

_NOT_CHOICES = ("max_new_tokens", "stop", "grammar")
"""Parameters that say where a text ends or what it may be, not which of its tokens is drawn."""


@dataclass(frozen=True)
class Flip:
    """A token that would have come otherwise, after the same text.

    Attributes:
        index: its place in the output, from 0.
        recorded, now: the id that came, and the one that would come.
        recorded_text, now_text: their texts, special tokens shown.
        stage: the changed setting that does it. Changes are made one after the other, the seed first, then the order,
            then the stages in the order they run: it is the one with which the recorded token stops coming.
        margin: by how much the new token beats the recorded one, in nats, > 0: the difference of post-sampler scores
            and, above temperature 0, the seed's noise. inf where the recorded token is cut.
    """

    index: int
    recorded: int
    now: int
    recorded_text: str
    now_text: str
    stage: str
    margin: float

    @property
    def cut(self) -> bool:
        """Whether the recorded token can no longer come at all."""
        return math.isinf(self.margin)

    def __str__(self) -> str:
        how = "is cut" if self.cut else f"is beaten by {self.margin:.3g} nats"
        return f"token {self.index}: {self.now_text!r} instead of {self.recorded_text!r}, which {how} ({self.stage})"


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf:
    """A completion's choices under other settings. `influence_nb` gives it from `completion.what_if`.

    Attributes:
        completion: the text as it came.
        trace: its logits.
        sampling: the other settings, with the seed.
    """

    completion: Completion
    trace: Trace
    sampling: Sampling

    @property
    def changed(self) -> Mapping[str, tuple[Any, Any]]:
        """What is otherwise: {parameter: (then, now)}."""
        return _changed(self.trace.sampling, self.sampling)

    @cached_property
    def flips(self) -> tuple[Flip, ...]:
        """All tokens that would come otherwise, each after the text that was really there."""
        places = self._decided_by_sampling
        differ = [
            (place, now, margin)
            for place, (now, margin) in zip(places, decide(self.sampling, places), strict=True)
            if now != place.id
        ]
        stages = self._stages([place for place, _, _ in differ])
        name = self.trace.name
        return tuple(
            Flip(place.index, place.id, now, name(place.id), name(now), stage, margin)
            for (place, now, margin), stage in zip(differ, stages, strict=True)
        )

    @property
    def first_flip(self) -> Flip | None:
        """The first token that would come otherwise; what follows it is another text. None: all would come again."""
        return self.flips[0] if self.flips else None

    @cached_property
    def unsure(self) -> tuple[int, ...]:
        """Places where the settings of then do not give the token of then, which are left out of `flips`.

        In float32 there are none, save for a token that a branch took. In bfloat16 a text that came from a batch or a
        session was rounded otherwise.
        """
        again = decide(self.trace.sampling, self.trace.places)
        return tuple(
            place.index for place, (now, _) in zip(self.trace.places, again, strict=True) if now != place.id
        )

    def under(self, sampling: Sampling | None = None, **overrides: Any) -> WhatIf:
        """The same text under yet other settings, without a forward pass.

        Args:
            sampling: the settings; by default those that the text came with.
            overrides: single parameters.

        Raises:
            InvalidSampling: unknown or out of range, or none that decides between tokens.
        """
        return WhatIf(self.completion, self.trace, other(self.trace.sampling, sampling, overrides))

    def regenerate(self, cancel: threading.Event | None = None) -> Completion:
        """The text that these settings give: from the first flip on where there is one, else the text as it came."""
        flip = self.first_flip
        if flip is None:
            return self.completion
        return self.completion.branch(flip.index, flip.now, self.sampling, cancel).completion

    def to_frame(self) -> pd.DataFrame:
        """A row for each token: token, id, flips, and of those that do now, now_id, stage, margin."""
        import pandas as pd

        flips = {flip.index: flip for flip in self.flips}
        rows = []
        for place in self.trace.places:
            flip = flips.get(place.index)
            told = (
                ("", pd.NA, "", math.nan)
                if flip is None
                else (flip.now_text, flip.now, flip.stage, flip.margin)
            )
            rows.append((self.trace.name(place.id), place.id, flip is not None, *told))
        names = ["token", "id", "flips", "now", "now_id", "stage", "margin"]
        frame = pd.DataFrame(rows, columns=names).rename_axis("index")
        return frame.astype({"now_id": "Int64"})

    def __repr__(self) -> str:
        return f"WhatIf({self.summary})"

    @property
    def summary(self) -> str:
        """What would happen, in a sentence."""
        total, flip = len(self.trace.places), self.first_flip
        changes = ", ".join(
            f"{name} {_said(then)} → {_said(now)}" for name, (then, now) in self.changed.items()
        )
        said = (
            f"all {total} tokens come again" if flip is None else f"{flip}; {len(self.flips)} of {total} flip"
        )
        return f"{changes or 'nothing changed'}: {said}"

    def _repr_html_(self) -> str:
        flips = {flip.index: flip for flip in self.flips}
        first = min(flips, default=None)
        parts = []
        for place in self.trace.places:
            text = html.escape(self.trace.name(place.id))
            if place.index not in flips:
                parts.append(text)
                continue
            weight = "font-weight:bold;" if place.index == first else ""
            title = html.escape(str(flips[place.index]), quote=True)
            parts.append(f'<u style="{weight}text-underline-offset:.2em" title="{title}">{text}</u>')
        return (
            f"<div><div>{html.escape(self.summary)}.</div>"
            f'<div style="white-space:pre-wrap;margin-top:.5em">{"".join(parts)}</div>'
            '<div style="opacity:.7;font-size:.85em">underlined: would come otherwise; bold: the first</div></div>'
        )

    @property
    def _decided_by_sampling(self) -> Sequence[Place]:
        unsure = set(self.unsure)
        return [place for place in self.trace.places if place.index not in unsure]

    def _stages(self, places: Sequence[Place]) -> list[str]:
        """Of each flipping place, the change that makes it flip."""
        found: dict[int, str] = {}
        sampling = self.trace.sampling
        for name in _in_turn(self.changed, self.sampling):
            sampling = sampling.replace(**{name: getattr(self.sampling, name)})
            left = [place for place in places if place.index not in found]
            for place, (now, _) in zip(left, decide(sampling, left), strict=True):
                if now != place.id:
                    found[place.index] = name
        return [found[place.index] for place in places]


def decide(sampling: Sampling, places: Sequence[Place]) -> Iterator[tuple[int, float]]:
    """For each place the token that `sampling` chooses, and by how much it beats the one that came, in nats."""
    import torch

    if not places:
        return
    size = max(1, _ENTRIES // places[0].logits.shape[0])
    for begin in range(0, len(places), size):
        some = places[begin : begin + size]
        sampler = Sampler(
            [sampling] * len(some),
            [place.prompt for place in some],
            some[0].ends,
            [place.before for place in some],
            [place.grammar for place in some],
        )
        scores = sampler.noisy(torch.stack([place.logits for place in some]))
        best, ids = scores.max(-1)
        came = torch.tensor([place.id for place in some]).unsqueeze(-1)
        leads = best - scores.gather(-1, came)[:, 0]
        yield from zip(ids.tolist(), leads.tolist(), strict=True)


def other(then: Sampling, sampling: Sampling | None, overrides: Mapping[str, Any]) -> Sampling:
    """The settings to look at a text under: those of then with changes, or others with the seed of then.

    Raises:
        InvalidSampling: unknown or out of range, or a change that decides between no tokens.
    """
    from influence_nb.engine.sampling import checked

    now = checked(then if sampling is None else sampling, overrides)
    if now.seed is None:
        now = now.replace(seed=then.seed)
    if sampling is not None:
        now = now.replace(**{name: getattr(then, name) for name in _NOT_CHOICES if name not in overrides})
    if unfit := [name for name in _NOT_CHOICES if name in _changed(then, now)]:
        error = InvalidSampling(
            f"{unfit[0]} does not decide between tokens, so there is no choice to make again with it.",
            f"Generate with it: model.generate(prompt, {unfit[0]}=…).",
        )
        error.field = unfit[0]
        raise error
    return now


def _changed(then: Sampling, now: Sampling) -> dict[str, tuple[Any, Any]]:
    before, after = then.to_dict(), now.to_dict()
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def _in_turn(changed: Mapping[str, object], sampling: Sampling) -> list[str]:
    """The changed parameters: the seed, the order, the penalties' window, then the stages as they run."""
    turns = ("seed", "order", "penalty_window", *sampling.order, *changed)
    return [name for name in dict.fromkeys(turns) if name in changed]


def _said(value: object) -> str:
    if value is None:
        return "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
