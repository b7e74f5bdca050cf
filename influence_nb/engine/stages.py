"""The stages that cut: which tokens of each row stay possible, found without sorting the vocabulary.

Every function takes float32 scores of shape (rows, vocabulary) and one parameter a row, and returns a threshold
of shape (rows, 1); a row whose stage is off gets the threshold that keeps everything. Tokens that tie at a
threshold all stay, so that the result does not depend on the order in which a sort happened to leave them. It
does not know `Sampling` or the other stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_FIRST_LOOK = 128


def top_k_threshold(scores: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """The k-th largest score of each row; `k` is int64 of shape (rows, 1), 0 where the stage is off."""
    import torch

    k = k.clamp(max=scores.shape[-1])
    widest = int(k.max())
    best = torch.topk(scores, widest, dim=-1).values
    kth = best.gather(-1, (k - 1).clamp(min=0))
    return torch.where(k > 0, kth, -torch.inf)


def top_p_threshold(scores: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The lowest score in the smallest set whose probabilities reach `p` of shape (rows, 1); 1 is off."""
    import torch

    best = _until(scores, scores.softmax(-1), p)
    return torch.where(p < 1, best, -torch.inf)


def min_p_threshold(scores: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The score of a token `p` times as probable as the best, `p` of shape (rows, 1); 0 is off."""
    return scores.amax(-1, keepdim=True) + p.log()


def typicality(scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """Less how far each token's surprise lies from the row's entropy, in nats, <= 0; -inf for what is cut.

    `chances` is the softmax of `scores`. Surprise and entropy both hold the logarithm of the row's total, so that their
    distance is the scores' from their mean.
    """
    shifted = scores - scores.amax(-1, keepdim=True)  # else large scores leave no digits for the difference
    return (shifted - _expected(shifted, chances)).abs_().neg_()


def typical_threshold(typicality: torch.Tensor, chances: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The lowest typicality in the most typical set of mass `p`, a tensor of shape (rows, 1); 1 is off."""
    import torch

    best = _until(typicality, chances, p)
    return torch.where(p < 1, best, -torch.inf)


def entropy(scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """Of each row in nats, float32 (rows, 1), to some 1e-5; `chances` is the softmax of `scores`.

    With the best score at 0, the logarithm of a row's total is less that of the best chance: no pass over the rest.
    """
    shifted = scores - scores.amax(-1, keepdim=True)
    return (-chances.amax(-1, keepdim=True).log() - _expected(shifted, chances)).clamp_(min=0.0)


def _expected(scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """The mean score of what is drawn, (rows, 1); what is cut has no part in it."""
    import torch

    finite = scores.clamp(min=torch.finfo(scores.dtype).min)
    return finite.mul_(chances).sum(-1, keepdim=True)


def _until(
    keys: torch.Tensor, probabilities: torch.Tensor, p: torch.Tensor, width: int = _FIRST_LOOK
) -> torch.Tensor:
    """The key at which the tokens with the largest keys first hold mass `p`; one token at least.

    Looks at the `width` largest first, and at more only in the rows whose mass is spread wider.
    """
    import torch

    vocabulary = keys.shape[-1]
    best, ids = torch.topk(keys, min(width, vocabulary), dim=-1)
    mass = probabilities.gather(-1, ids)
    before = mass.cumsum(-1) - mass
    inside = before < p
    inside[:, 0] = True
    found = torch.where(inside, best, torch.inf).amin(-1, keepdim=True)
    wider = (inside[:, -1] & (p[:, 0] < 1)).nonzero()[:, 0]
    if width < vocabulary and len(wider):
        found[wider] = _until(keys[wider], probabilities[wider], p[wider], 16 * width)
    return found
