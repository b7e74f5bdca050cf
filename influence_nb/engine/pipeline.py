"""The stages of rows that share an order, composed once into a list of callables and run at every step.

Each stage agrees with transformers' logits processor of the same name, except that tokens which tie at the edge of a
cut all stay; a stage that is off in every row is not in the list. It does not draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influence_nb.engine import stages

if TYPE_CHECKING:
    import torch

    from influence_nb.engine.grammar import Follows
    from influence_nb.engine.sampling import Sampling

    Stage = Callable[[torch.Tensor], torch.Tensor]
    Watch = Callable[["StageView"], None]


_COLDEST = 1e-6
"""Below this a temperature would overflow float32; the draw is the argmax long before."""


@dataclass(frozen=True)
class StageView:
    """What one stage did to the rows that run it.

    Attributes:
        stage: its name.
        rows: the rows' places in the batch.
        kept: how many tokens are still possible after it, int64 (rows,).
        mass: the share of the probability before the stage that those tokens held, float32 (rows,).
        entropy: of the distribution after it, in nats, float32 (rows,).
    """

    stage: str
    rows: tuple[int, ...]
    kept: torch.Tensor
    mass: torch.Tensor
    entropy: torch.Tensor


class Pipeline:
    """Turns raw logits into post-sampler scores for some rows of a batch.

    Args:
        rows: the rows' places in the batch.
        samplings: one a row, all with the same `order`.
        prompts: the rows' prompt ids.
        outputs: the rows' output ids so far; the same list objects to which the caller appends.
        ends: the ids that end a text.
        vocabulary: the size of the logits' last dimension.
        device: where the logits are.
        guides: what holds a row to its grammar; none by default. It cuts before all stages of the order.
    """

    def __init__(
        self,
        rows: Sequence[int],
        samplings: Sequence[Sampling],
        prompts: Sequence[list[int]],
        outputs: Sequence[list[int]],
        ends: Sequence[int],
        vocabulary: int,
        device: torch.device,
        guides: Sequence[Follows | None] = (),
    ) -> None:
        self._guides = guides
        self.rows = tuple(rows)
        self._samplings = samplings
        self._prompts, self._outputs = prompts, outputs
        self._ends = [end for end in ends if end < vocabulary]
        self._vocabulary, self._device = vocabulary, device
        self._seen: _Counts | None = None
        self._written: _Counts | None = None
        self._stages: list[tuple[str, Stage]] = []
        for name in ("grammar", *samplings[0].order):
            stage: Stage | None = getattr(self, f"_{name}")()
            if stage is not None:
                self._stages.append((name, stage))

    def run(self, scores: torch.Tensor, watch: Watch | None = None) -> torch.Tensor:
        """The post-sampler scores, float32 (rows, vocabulary); -inf is cut. The input is left unchanged."""
        before = None if watch is None else scores.softmax(-1)
        for name, left in self.passes(scores):
            if watch is not None and before is not None:
                after = left.softmax(-1)
                watch(self._view(name, before, left, after))
                before = after
            scores = left
        return scores

    def passes(self, scores: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """The scores after each stage that is on, with its name, as it has run."""
        for name, stage in self._stages:
            scores = stage(scores)
            yield name, scores

    def remember(self) -> None:
        """Count the token that was just appended to each output."""
        for counts in (self._seen, self._written):
            if counts is not None:
                counts.advance()

    def _view(self, name: str, before: torch.Tensor, scores: torch.Tensor, after: torch.Tensor) -> StageView:
        """Of the scores that a stage left; `before` and `after` are what each token's chances were and are."""
        import torch

        possible = torch.gt(scores, float("-inf"), out=torch.empty_like(scores))  # bools would sum slowly
        kept = possible.sum(-1).long()
        return StageView(
            name, self.rows, kept, possible.mul_(before).sum(-1), stages.entropy(scores, after)[:, 0]
        )

    def _column(
        self, values: Sequence[float | int], off: float | int, whole: bool = False
    ) -> torch.Tensor | None:
        """One parameter a row as a (rows, 1) tensor, or None where it is off in every row."""
        import torch

        if all(value == off for value in values):
            return None
        dtype = torch.int64 if whole else torch.float32
        return torch.tensor(values, dtype=dtype, device=self._device).unsqueeze(-1)

    def _grammar(self) -> Stage | None:
        import numpy as np
        import torch

        guided = [(row, guide) for row, guide in enumerate(self._guides) if guide is not None]
        if not guided:
            return None
        places = torch.tensor([row for row, _ in guided], device=self._device)

        def cut(scores: torch.Tensor) -> torch.Tensor:
            forbidden = np.stack([guide.forbidden(self._ends) for _, guide in guided])
            mask = torch.from_numpy(forbidden).to(self._device)
            return scores.index_copy(0, places, scores[places].masked_fill(mask, float("-inf")))

        return cut

    def _logit_bias(self) -> Stage | None:
        import torch

        if not any(sampling.logit_bias for sampling in self._samplings):
            return None
        bias = torch.zeros(len(self.rows), self._vocabulary, dtype=torch.float32, device=self._device)
        for row, sampling in enumerate(self._samplings):
            for token, amount in sampling.logit_bias.items():
                if token < self._vocabulary:
                    bias[row, token] = amount
        return lambda scores: scores + bias

    def _repetition_penalty(self) -> Stage | None:
        import torch

        penalty = self._column([s.repetition_penalty for s in self._samplings], 1.0)
        if penalty is None:
            return None
        seen = self._seen = self._counts(with_prompt=True)

        def penalize(scores: torch.Tensor) -> torch.Tensor:
            old = scores.gather(-1, seen.ids)
            new = torch.where(old < 0, old * penalty, old / penalty)
            return scores.scatter(-1, seen.ids, torch.where(seen.table.gather(-1, seen.ids) > 0, new, old))

        return penalize

    def _presence_penalty(self) -> Stage | None:
        penalty = self._column([s.presence_penalty for s in self._samplings], 0.0)
        if penalty is None:
            return None
        written = self._written = self._written or self._counts(with_prompt=False)
        return lambda scores: scores - penalty * (written.table > 0)

    def _frequency_penalty(self) -> Stage | None:
        penalty = self._column([s.frequency_penalty for s in self._samplings], 0.0)
        if penalty is None:
            return None
        written = self._written = self._written or self._counts(with_prompt=False)
        return lambda scores: scores - penalty * written.table

    def _min_new_tokens(self) -> Stage | None:
        if not self._ends or all(s.min_new_tokens == 0 for s in self._samplings):
            return None

        def forbid(scores: torch.Tensor) -> torch.Tensor:
            rows = [
                row
                for row, sampling in enumerate(self._samplings)
                if len(self._outputs[row]) < sampling.min_new_tokens
            ]
            if not rows:
                return scores
            scores = scores.clone()
            for row in rows:
                scores[row, self._ends] = float("-inf")
            return scores

        return forbid

    def _temperature(self) -> Stage | None:
        temperature = self._column(
            [max(s.temperature, _COLDEST) if s.temperature else 1.0 for s in self._samplings], 1.0
        )
        return None if temperature is None else lambda scores: scores / temperature

    def _top_k(self) -> Stage | None:
        k = self._column([min(s.top_k or 0, self._vocabulary) for s in self._samplings], 0, whole=True)
        return None if k is None else lambda scores: _cut_below(scores, stages.top_k_threshold(scores, k))

    def _top_p(self) -> Stage | None:
        p = self._column([1.0 if s.top_p is None else s.top_p for s in self._samplings], 1.0)
        return None if p is None else lambda scores: _cut_below(scores, stages.top_p_threshold(scores, p))

    def _min_p(self) -> Stage | None:
        p = self._column([s.min_p or 0.0 for s in self._samplings], 0.0)
        return None if p is None else lambda scores: _cut_below(scores, stages.min_p_threshold(scores, p))

    def _typical_p(self) -> Stage | None:
        p = self._column([1.0 if s.typical_p is None else s.typical_p for s in self._samplings], 1.0)
        if p is None:
            return None

        def cut(scores: torch.Tensor) -> torch.Tensor:
            chances = scores.softmax(-1)
            typical = stages.typicality(scores, chances)
            return _cut_below(scores, stages.typical_threshold(typical, chances, p), typical)

        return cut

    def _counts(self, with_prompt: bool) -> _Counts:
        prompts = self._prompts if with_prompt else [[] for _ in self.rows]
        windows = [s.penalty_window for s in self._samplings]
        return _Counts(prompts, self._outputs, windows, self._vocabulary, self._device)


def _cut_below(
    scores: torch.Tensor, threshold: torch.Tensor, keys: torch.Tensor | None = None
) -> torch.Tensor:
    """Scores whose keys, or which themselves, are under their row's threshold become -inf.

    By arithmetic, which a CPU does many at a time, unlike a fill.
    """
    import torch

    far = torch.lt(scores if keys is None else keys, threshold, out=torch.empty_like(scores)).mul_(
        -torch.finfo(scores.dtype).max
    )
    return (scores + far).add_(far)


class _Counts:
    """How often each token stands in a row's last tokens.

    Attributes:
        table: float32 (rows, vocabulary).
        ids: int64 (rows, any number), among which are all tokens that it counts.
    """

    def __init__(
        self,
        prompts: Sequence[list[int]],
        outputs: Sequence[list[int]],
        windows: Sequence[int | None],
        vocabulary: int,
        device: torch.device,
    ) -> None:
        import torch

        self._prompts, self._outputs, self._windows = prompts, outputs, windows
        self.table = torch.zeros(len(prompts), vocabulary, dtype=torch.float32, device=device)
        for row, (prompt, output, window) in enumerate(zip(prompts, outputs, windows, strict=True)):
            tokens = [token for token in (prompt + output)[-(window or 0) :] if token < vocabulary]
            if tokens:
                ids = torch.tensor(tokens, device=device)
                self.table[row].index_add_(
                    0, ids, torch.ones(len(tokens), dtype=torch.float32, device=device)
                )
        distinct = [
            sorted({t for t in (*p, *o) if t < vocabulary}) for p, o in zip(prompts, outputs, strict=True)
        ]
        widest = max(1, *map(len, distinct))
        self.ids = torch.tensor([one + [0] * (widest - len(one)) for one in distinct], device=device)

    def advance(self) -> None:
        """Count the last token of each output, and forget the one that left the window."""
        import torch

        changes: list[tuple[int, int, float]] = []
        for row, (prompt, output, window) in enumerate(
            zip(self._prompts, self._outputs, self._windows, strict=True)
        ):
            changes.append((row, output[-1], 1.0))
            left = len(prompt) + len(output) - 1 - (window or 0)
            if window is not None and left >= 0:
                gone = prompt[left] if left < len(prompt) else output[left - len(prompt)]
                changes.append((row, gone, -1.0))
        rows, ids, signs = zip(*changes, strict=True)
        device = self.table.device
        place = (torch.tensor(rows, device=device), torch.tensor(ids, device=device))
        amounts = torch.tensor(signs, dtype=torch.float32, device=device)
        self.table.index_put_(place, amounts, accumulate=True)
        last = torch.tensor([output[-1] for output in self._outputs], device=device)
        self.ids = torch.cat([self.ids, last.unsqueeze(-1)], dim=-1)
