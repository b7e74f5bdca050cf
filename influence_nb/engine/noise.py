"""Randomness that can be shared: Gumbel noise that is a pure function of (seed, step, token id).

It does not know logits, rows or samplers. Two settings with the same seed see the same noise, a row sees the same
noise wherever it stands in a batch, and the integers behind it are the same on every device.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_MASK = 0xFFFFFFFF


def draw_seed() -> int:
    """A fresh seed in [0, 2**31), short enough to read out and type in."""
    return secrets.randbelow(2**31)


def gumbel(seeds: Sequence[int], steps: Sequence[int], vocabulary: int, device: torch.device) -> torch.Tensor:
    """Standard Gumbel noise for every token of some rows: float32 (rows, vocabulary), as `gumbel_of` says."""
    import torch

    return gumbel_of(torch.arange(vocabulary, dtype=torch.int32, device=device), seeds, steps)


def gumbel_of(ids: torch.Tensor, seeds: Sequence[int], steps: Sequence[int]) -> torch.Tensor:
    """Standard Gumbel noise for some tokens of some rows.

    Adding it to log-probabilities and taking the argmax draws from them (the Gumbel-max trick: Gumbel 1954;
    Maddison et al. 2014, arXiv:1411.0030). The 31 random bits of a token come from two rounds of Ellis's
    `lowbias32` integer hash (github.com/skeeto/hash-prospector), keyed by seed and step.

    Args:
        ids: token ids, (tokens,) for all rows or (rows, tokens).
        seeds: one a row, in [0, 2**53): what `Sampling` takes, exact in JSON and in a page too.
        steps: one a row, how many tokens the row has drawn before, >= 0.

    Returns:
        float32 of shape (rows, tokens), unitless, finite.
    """
    import torch

    keys = [_keys(seed, step) for seed, step in zip(seeds, steps, strict=True)]
    first, second = torch.tensor(keys, dtype=torch.int32, device=ids.device).T.unsqueeze(-1)
    bits = ids.to(torch.int32) + first
    bits = _hash_(_hash_(bits).bitwise_xor_(second))
    # The upper 31 bits as a number in (0, 1); an exponential variate of it is exact near 0, where the winners are.
    uniform = bits.bitwise_right_shift_(1).bitwise_and_(0x7FFFFFFF).to(torch.float32).add_(0.5).mul_(2.0**-31)
    return uniform.clamp_(max=1 - 2.0**-24).neg_().log1p_().neg_().log_().neg_()


def _hash_(bits: torch.Tensor) -> torch.Tensor:
    """`lowbias32` on int32, in place. Its products wrap; masks make its right shifts logical."""
    bits ^= (bits >> 16).bitwise_and_(0xFFFF)
    bits *= 0x7FEB352D
    bits ^= (bits >> 15).bitwise_and_(0x1FFFF)
    bits *= 0x846CA68B - 2**32
    bits ^= (bits >> 16).bitwise_and_(0xFFFF)
    return bits


def _keys(seed: int, step: int) -> tuple[int, int]:
    """Two signed 32-bit keys of a (seed, step), by SplitMix64 (Steele et al. 2014)."""
    state = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) & (2**64 - 1)
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    state ^= state >> 31
    return _signed(state & _MASK), _signed(state >> 32)


def _signed(word: int) -> int:
    return word - 2**32 if word >= 2**31 else word
