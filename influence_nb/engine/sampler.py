"""The sampler that can be seen: decides one token for each row of a batch.

Rows may differ in every parameter; each sees the noise of its own seed and step. What the stages kept and cut is
recorded only when someone watches. It does not know models, text or caches.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influence_nb.engine import noise
from influence_nb.engine.pipeline import Pipeline
from influence_nb.errors import BrokenModel, InvalidSampling

if TYPE_CHECKING:
    import torch

    from influence_nb.engine.grammar import Follows
    from influence_nb.engine.pipeline import Watch
    from influence_nb.engine.sampling import Sampling

_FEW = 1024
"""So many tokens are drawn from without looking at the rest of the vocabulary."""


@dataclass(frozen=True)
class Pick:
    """One drawn token: its id, and its logprob in the raw and in the post-sampler distribution (nats).

    `top` has the most probable tokens of the raw distribution, (id, logprob) each, where they were asked for.
    """

    id: int
    logprob_raw: float
    logprob_sampled: float
    top: tuple[tuple[int, float], ...] = ()


class Sampler:
    """Draws for the rows of one batch, each with its own `Sampling`.

    Args:
        samplings: one a row, with `seed` set.
        prompts: the prompt's token ids, one list a row; the repetition penalty counts them.
        ends: the ids that end a text; `min_new_tokens` forbids them.
        outputs: what each row has drawn already; nothing by default.
        guides: what holds a row to its grammar; none by default.
    """

    def __init__(
        self,
        samplings: Sequence[Sampling],
        prompts: Sequence[Sequence[int]],
        ends: Collection[int],
        outputs: Sequence[Sequence[int]] | None = None,
        guides: Sequence[Follows | None] | None = None,
    ) -> None:
        self._samplings = list(samplings)
        self._prompts = [list(prompt) for prompt in prompts]
        self._outputs = [list(output) for output in outputs or [()] * len(self._samplings)]
        self._guides = list(guides or [None] * len(self._samplings))
        self._ends = sorted(ends)
        self._pipelines: list[Pipeline] = []

    def draw(
        self,
        logits: torch.Tensor,
        watch: Watch | None = None,
        top: int = 0,
        forced: Sequence[int | None] | None = None,
    ) -> list[Pick]:
        """One token for each row: argmax where the temperature is 0, else a draw by shared noise.

        Args:
            logits: float32 of shape (rows, vocabulary); left unchanged.
            watch: called with a `StageView` after each stage.
            top: how many of the most probable candidates to record with each.
            forced: for each row the token that comes whatever the draw says, or None.

        Raises:
            BrokenModel: the logits are not numbers.
            InvalidSampling: the stages left no token to draw.
        """
        import torch

        scores = self._scores(logits, watch)
        ids, norm = self._drawn(scores)
        for row, token in enumerate(forced or ()):
            if token is not None:
                ids[row] = token
        total = logits.logsumexp(-1, keepdim=True)
        raw = logits.gather(-1, ids) - total
        sampled = scores.gather(-1, ids) - norm
        # One transfer to the host; float32 holds every id below 2**24 exactly, and no vocabulary is larger.
        table = torch.cat([ids.float(), raw, sampled], -1).tolist()
        for row, (_, raw_logprob, sampled_logprob) in enumerate(table):
            if not forced or forced[row] is None:
                _check(raw_logprob, sampled_logprob)
        tops = best(logits, total, top)
        picks = [
            Pick(int(token), min(raw, 0.0), min(sampled, 0.0) if sampling.temperature > 0 else 0.0, top)
            for (token, raw, sampled), sampling, top in zip(table, self._samplings, tops, strict=True)
        ]
        for output, guide, pick in zip(self._outputs, self._guides, picks, strict=True):
            output.append(pick.id)
            if guide is not None:
                guide.take(pick.id)
        for pipeline in self._pipelines:
            pipeline.remember()
        return picks

    def noisy(self, logits: torch.Tensor) -> torch.Tensor:
        """What a draw takes the largest of: post-sampler scores and, above temperature 0, the noise; nothing is drawn.

        Float32 (rows, vocabulary), in nats; -inf is cut. By how much one token beats another is their difference.
        """
        return self._with_noise(self._scores(logits, None))

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all rows but these, given by their places in the batch, ascending."""
        self._samplings = [self._samplings[row] for row in rows]
        self._prompts = [self._prompts[row] for row in rows]
        self._outputs = [self._outputs[row] for row in rows]
        self._guides = [self._guides[row] for row in rows]
        self._pipelines = []

    def _scores(self, logits: torch.Tensor, watch: Watch | None) -> torch.Tensor:
        import torch

        if not self._pipelines:
            self._pipelines = self._composed(logits.shape[-1], logits.device)
        if len(self._pipelines) == 1:
            return self._pipelines[0].run(logits, watch)
        scores = torch.empty_like(logits)
        for pipeline in self._pipelines:
            rows = torch.tensor(pipeline.rows, device=logits.device)
            scores[rows] = pipeline.run(logits[rows], watch)
        return scores

    def _drawn(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What each row draws, and the logsumexp of its scores; both (rows, 1)."""
        import torch

        few, most = self._narrow(scores)
        rest = [row for row in range(len(self._samplings)) if row not in set(few)]
        if not few:
            return self._with_noise(scores).argmax(-1, keepdim=True), scores.logsumexp(-1, keepdim=True)
        ids = torch.empty(len(self._samplings), 1, dtype=torch.int64, device=scores.device)
        norm = torch.empty(len(self._samplings), 1, dtype=torch.float32, device=scores.device)
        # Where few tokens are left, only those need noise, and nothing else has to be looked at.
        left, tokens = scores[few].topk(most, dim=-1)
        gumbel = noise.gumbel_of(tokens, *self._keys(few))
        ids[few] = tokens.gather(-1, (left + gumbel).argmax(-1, keepdim=True))
        norm[few] = left.logsumexp(-1, keepdim=True)
        if rest:
            ids[rest] = self._with_noise(scores[rest], rest).argmax(-1, keepdim=True)
            norm[rest] = scores[rest].logsumexp(-1, keepdim=True)
        return ids, norm

    def _narrow(self, scores: torch.Tensor) -> tuple[list[int], int]:
        """The rows that draw from few tokens, and the most that any of them has; none where that is no gain.

        On a GPU it is none: asking costs a transfer, and a whole vocabulary next to nothing.
        """
        if scores.device.type != "cpu":
            return [], 0
        counts = (scores > -math.inf).sum(-1).tolist()
        few = [
            row
            for row, (count, sampling) in enumerate(zip(counts, self._samplings, strict=True))
            if count <= _FEW and sampling.temperature > 0
        ]
        return few, max((counts[row] for row in few), default=0) or 1

    def _with_noise(self, scores: torch.Tensor, rows: Sequence[int] | None = None) -> torch.Tensor:
        """Scores of some rows, or all, with the noise of those that draw."""
        import torch

        rows = range(len(self._samplings)) if rows is None else rows
        warm = [place for place, row in enumerate(rows) if self._samplings[row].temperature > 0]
        if not warm:
            return scores
        gumbel = noise.gumbel(*self._keys([rows[place] for place in warm]), scores.shape[-1], scores.device)
        return scores.index_add(0, torch.tensor(warm, device=scores.device), gumbel)

    def _keys(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """The seeds of some rows, and the steps at which they are."""
        return [self._samplings[row].seed or 0 for row in rows], [len(self._outputs[row]) for row in rows]

    def _composed(self, vocabulary: int, device: torch.device) -> list[Pipeline]:
        """Rows that share an order of stages share a pipeline."""
        by_order: dict[tuple[str, ...], list[int]] = {}
        for row, sampling in enumerate(self._samplings):
            by_order.setdefault(sampling.order, []).append(row)
        return [
            Pipeline(
                rows,
                [self._samplings[row] for row in rows],
                [self._prompts[row] for row in rows],
                [self._outputs[row] for row in rows],
                self._ends,
                vocabulary,
                device,
                [self._guides[row] for row in rows],
            )
            for rows in by_order.values()
        ]


def best(logits: torch.Tensor, total: torch.Tensor, count: int) -> list[tuple[tuple[int, float], ...]]:
    """Of each row the `count` tokens of the largest logits, (id, logprob) each; `total` is their logsumexp."""
    if not count:
        return [()] * logits.shape[0]
    values, ids = logits.topk(min(count, logits.shape[-1]), dim=-1)
    logprobs = (values - total).clamp(max=0.0)
    return [
        tuple(zip(row, known, strict=True))
        for row, known in zip(ids.tolist(), logprobs.tolist(), strict=True)
    ]


def _check(raw: float, sampled: float) -> None:
    if math.isnan(raw):
        raise BrokenModel(
            "The model's logits are not numbers.",
            "Its computation overflowed, as float16 may: load it with dtype='float32' or 'bfloat16'.",
        )
    if not math.isfinite(sampled):
        raise InvalidSampling(
            "The sampling parameters leave no token to draw.",
            "Loosen logit_bias, min_new_tokens or the penalties.",
        )
