"""The sampler's X-ray: what each stage does to the next token's distribution, over the whole vocabulary.

    xray = model.xray("The sky is", temperature=0.7, top_p=0.9)
    xray[0].stages                       # what each kept, cut and rescaled
    xray[0].to_frame()                   # the most probable tokens, before and after
    xray.under(top_p=0.5)                # the same moment under other settings: no forward pass

It knows logits and samplings; it does not run a model (`trace.py`).
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from influence_nb.arguments import whole
from influence_nb.engine import noise
from influence_nb.engine.pipeline import Pipeline
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InvalidSampling

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from influence_nb.engine.completion import Completion
    from influence_nb.engine.trace import Place, Trace

_SHOWN = 12
"""Tokens in the picture that a notebook keeps."""


@dataclass(frozen=True, eq=False)
class StageEffect:
    """What one stage of the sampler did.

    Attributes:
        name: the stage's.
        on: whether its parameter does anything; a stage that is off leaves all as it was.
        kept: how many tokens are still possible after it.
        cut: how many it made impossible.
        mass: the share of the probability before it that the tokens it kept had, in [0, 1].
        entropy_before, entropy: of the distributions before and after it, in nats, >= 0.
        logprobs: the distribution after it, float32 (vocabulary,), nats; -inf is cut.
    """

    name: str
    on: bool
    kept: int
    cut: int
    mass: float
    entropy_before: float
    entropy: float
    logprobs: torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)
class XrayStep:
    """One token's choice: the model's own distribution, the stages in their order, and what was drawn.

    Attributes:
        place: where in the text it is, with the raw logits.
        sampling: under which settings it is looked at.
        trace: which the place is of.
    """

    place: Place
    sampling: Sampling
    trace: Trace

    @property
    def index(self) -> int:
        """The token's place in the output, from 0."""
        return self.place.index

    @cached_property
    def raw(self) -> torch.Tensor:
        """The model's own distribution, log-probabilities (nats), float32 (vocabulary,)."""
        return self.place.logits.log_softmax(-1)

    @cached_property
    def _scores(self) -> dict[str, torch.Tensor]:
        """The scores after each stage that is on, (vocabulary,), exactly as the sampler makes them."""
        place = self.place
        pipeline = Pipeline(
            [0], [self.sampling], [list(place.prompt)], [list(place.before)], place.ends,
            place.logits.shape[0], place.logits.device, [place.grammar],
        )  # fmt: skip
        return {name: after[0] for name, after in pipeline.passes(place.logits.unsqueeze(0))}

    @cached_property
    def _last(self) -> torch.Tensor:
        return [self.place.logits, *self._scores.values()][-1]

    @cached_property
    def stages(self) -> tuple[StageEffect, ...]:
        """All stages in the order they run, those that are off included; a grammar comes first where there is one.

        Raises:
            InvalidSampling: they leave no token.
        """
        effects: list[StageEffect] = []
        before, kept, nats = self.raw, self.raw.shape[0], float(entropy(self.raw))
        for name in (*(["grammar"] if self.place.grammar else []), *self.sampling.order):
            if name not in self._scores:
                effects.append(StageEffect(name, False, kept, 0, 1.0, nats, nats, before))
                continue
            after = self._scores[name].log_softmax(-1)
            possible = after > -math.inf
            still = int(possible.sum())
            if not still:
                raise InvalidSampling(f"The stage {name} leaves no token.", "Loosen it.")
            mass = 1.0 if still == kept else min(float(before[possible].double().exp().sum()), 1.0)
            effects.append(
                StageEffect(name, True, still, kept - still, mass, nats, float(entropy(after)), after)
            )
            before, kept, nats = after, still, effects[-1].entropy
        return tuple(effects)

    @cached_property
    def sampled(self) -> torch.Tensor:
        """The distribution that is drawn from, log-probabilities (nats), float32 (vocabulary,).

        At temperature 0 nothing is drawn: the most probable token that the stages left has all of it.
        """
        import torch

        if self.sampling.temperature > 0:
            return self.stages[-1].logprobs if self.stages else self.raw
        return torch.full_like(self.raw, -math.inf).index_fill_(0, self._last.argmax(), 0.0)

    @cached_property
    def drawn(self) -> int:
        """The token that these settings choose here, with the noise of their seed."""
        scores = self._last
        if self.sampling.temperature > 0:
            seed = self.sampling.seed or 0
            scores = scores + noise.gumbel([seed], [self.index], len(scores), scores.device)[0]
        return int(scores.argmax())

    def cut_by(self, token: int) -> str | None:
        """The stage that made a token impossible; None where none did."""
        return self.all_cut_by([token])[0]

    def all_cut_by(self, tokens: Sequence[int]) -> list[str | None]:
        """`cut_by` of several tokens."""
        found: list[str | None] = [None] * len(tokens)
        for stage in reversed(self.stages):
            if stage.cut:
                gone = (stage.logprobs[list(tokens)] == -math.inf).tolist()
                found = [stage.name if cut else later for cut, later in zip(gone, found, strict=True)]
        return found

    def ids(self, count: int = 20) -> list[int]:
        """The `count` tokens that the model itself finds most probable, and those among the best after the stages."""
        count = min(count, self.raw.shape[0])
        first = self.raw.topk(count).indices.tolist()
        values, others = self.sampled.topk(count)
        late = [
            token for token, value in zip(others.tolist(), values.tolist(), strict=True) if value > -math.inf
        ]
        return list(dict.fromkeys([*first, *late, self.drawn]))

    def to_frame(self, count: int = 20) -> pd.DataFrame:
        """The most probable tokens: token, id, rank and probability of each in the model's own distribution
        (`raw`), after each stage that is on (by its name), and in the one that is drawn from (`sampled`); the stage
        that cut it (`cut_by`), and whether it is the one that comes (`drawn`).

        Args:
            count: how many, >= 1, by the model's own distribution; those that the stages lifted among the first come
                beside them.

        Raises:
            InvalidData: `count` is no such number.
        """
        import pandas as pd

        ids = self.ids(whole("count", count, 1))
        columns: dict[str, Any] = {
            "token": [self.trace.name(token) for token in ids],
            "id": ids,
            "rank": [int((self.raw > self.raw[token]).sum()) + 1 for token in ids],
            "raw": self.raw[ids].exp().tolist(),
        }
        for stage in self.stages:
            if stage.on:
                columns[stage.name] = stage.logprobs[ids].exp().tolist()
        columns["sampled"] = self.sampled[ids].exp().tolist()
        columns["cut_by"] = self.all_cut_by(ids)
        columns["drawn"] = [token == self.drawn for token in ids]
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        kept = self.stages[-1].kept if self.stages else len(self.raw)
        drawn = self.trace.name(self.drawn)
        return f"XrayStep({self.index}: {drawn!r} is drawn; {kept:,} of {len(self.raw):,} tokens may come)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{stage.name}</td><td>{_setting(self.sampling, stage)}</td>"
            + (
                f"<td>{stage.kept:,}</td><td>{stage.cut:,}</td><td>{stage.mass:.1%}</td>"
                f"<td>{stage.entropy_before:.2f} → {stage.entropy:.2f}</td></tr>"
                if stage.on
                else '<td colspan="4" style="opacity:.6">off</td></tr>'
            )
            for stage in self.stages
        )
        return (
            f'<table style="font-size:.9em"><tr><th>stage, in its order</th><th>setting</th><th>kept</th><th>cut</th>'
            f"<th>mass kept</th><th>entropy, nats</th></tr>{rows}</table>{self._bars()}"
        )

    def _bars(self) -> str:
        frame = self.to_frame(_SHOWN)
        most = max(float(frame["raw"].max()), float(frame["sampled"].max()))
        lines = "".join(
            "<tr><td style='text-align:left'><code>"
            f"{html.escape(repr(row.token)[1:-1])}</code>{' ◂ drawn' if row.drawn else ''}</td>"
            f"<td>{_bar(row.raw, most, 0.45)}</td><td>{row.raw:.2%}</td>"
            f"<td>{_bar(row.sampled, most, 0.9)}</td>"
            f"<td>{'cut by ' + row.cut_by if isinstance(row.cut_by, str) else f'{row.sampled:.2%}'}</td></tr>"
            for _, row in frame.iterrows()
        )
        return (
            '<table style="font-size:.9em"><tr><th>token</th><th colspan="2">raw: the model itself</th>'
            f'<th colspan="2">post-sampler: drawn from</th></tr>{lines}</table>'
        )


@dataclass(frozen=True, eq=False)
class Xray(Sequence[XrayStep]):
    """The choices of some tokens in a row, one `XrayStep` each. `influence_nb` gives it from `model.xray`.

    Attributes:
        trace: the tokens that came, and the logits before each.
        sampling: the settings under which they are looked at.
    """

    trace: Trace
    sampling: Sampling

    def under(self, sampling: Sampling | None = None, **overrides: Any) -> Xray:
        """The same moments under other settings, without a forward pass: the text before each stays what it was.

        Args:
            sampling: the settings; by default those of this X-ray. Without a seed it has this one's.
            overrides: single parameters, such as top_p=0.5 or order=(...).

        Raises:
            InvalidSampling: unknown or out of range, or another grammar.
        """
        changed = chosen(sampling or self.sampling, overrides)
        if changed.seed is None:
            changed = changed.replace(seed=self.sampling.seed)
        if changed.grammar != self.sampling.grammar:
            error = InvalidSampling(
                "A grammar is followed from the beginning of a text, and cannot be changed in it.",
                "X-ray the prompt with it: model.xray(prompt, grammar=…).",
            )
            error.field = "grammar"
            raise error
        return Xray(self.trace, changed)

    @cached_property
    def steps(self) -> tuple[XrayStep, ...]:
        """One for each token."""
        return tuple(XrayStep(place, self.sampling, self.trace) for place in self.trace.places)

    @overload
    def __getitem__(self, index: int) -> XrayStep: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[XrayStep, ...]: ...
    def __getitem__(self, index: int | slice) -> XrayStep | tuple[XrayStep, ...]:
        return self.steps[index]

    def __iter__(self) -> Iterator[XrayStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def completion(self) -> Completion:
        """The text that came."""
        assert self.trace.completion is not None
        return self.trace.completion

    def to_frame(self) -> pd.DataFrame:
        """A row for each token and stage: index, token, stage, on, kept, cut, mass, entropy_before, entropy."""
        import pandas as pd

        names = ["stage", "on", "kept", "cut", "mass", "entropy_before", "entropy"]
        rows = [
            [step.index, self.trace.name(step.place.id), stage.name]
            + [getattr(stage, name) for name in names[1:]]
            for step in self
            for stage in step.stages
        ]
        return pd.DataFrame(rows, columns=["index", "token", *names])

    def __repr__(self) -> str:
        tokens = [self.trace.name(step.place.id) for step in self]
        return f"Xray({len(tokens)} token{'s' * (len(tokens) != 1)}: {''.join(tokens)!r})"

    def _repr_html_(self) -> str:
        return "".join(
            f"<details{' open' * (not step.index)}><summary>token {step.index}: "
            f"<code>{html.escape(repr(self.trace.name(step.place.id))[1:-1])}</code></summary>{step._repr_html_()}"
            "</details>"
            for step in self[:8]
        )


def chosen(sampling: Sampling | None, overrides: Mapping[str, Any]) -> Sampling:
    """`sampling` with some parameters changed; none of them says where a text ends, which steps do in an X-ray.

    Raises:
        InvalidSampling: one does; otherwise as `sampling.checked`.
    """
    for name in ("max_new_tokens", "stop"):
        if name in overrides:
            error = InvalidSampling(
                f"{name} does not decide between tokens, so an X-ray has nothing to show of it.",
                "How many tokens are looked at is told by steps: model.xray(prompt, steps=8).",
            )
            error.field = name
            raise error
    return checked(sampling, overrides)


def entropy(logprobs: torch.Tensor) -> torch.Tensor:
    """Of distributions (..., vocabulary), in nats, float64 (...), >= 0; a vocabulary has many small terms."""
    exact = logprobs.double()
    return (-(exact.exp() * exact).nan_to_num_(0.0).sum(-1)).clamp_(min=0.0)


def _setting(sampling: Sampling, stage: StageEffect) -> str:
    value = getattr(sampling, stage.name)
    if stage.name in ("logit_bias", "grammar"):
        return f"{len(value)} tokens" if stage.name == "logit_bias" else "as asked"
    return "off" if value is None else f"{value:g}"


def _bar(share: Any, most: float, opacity: float) -> str:
    width = 100 * share / most if share > 0 else 0
    return (
        '<div style="width:120px"><div style="height:.8em;background:currentColor;'
        f'opacity:{opacity};width:{width:.1f}%"></div></div>'
    )
