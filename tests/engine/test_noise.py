from __future__ import annotations

import math

import pytest
import torch

from influence_nb.engine.noise import gumbel

CPU = torch.device("cpu")


def test_it_never_changes() -> None:
    """Receipts are repeated years later: these numbers are part of the format."""
    noise = gumbel([0, 42, 2**63 - 1], [0, 7, 100], 4, CPU)
    expected = [
        [-0.184022, -0.030369, 0.707869, 1.82503],
        [0.640955, 0.053233, 0.125956, -0.759515],
        [0.314078, -0.197065, -0.98268, 0.002058],
    ]
    torch.testing.assert_close(noise, torch.tensor(expected), rtol=0, atol=2e-6)


def test_a_row_is_the_same_wherever_it_stands() -> None:
    alone = gumbel([5], [3], 1000, CPU)
    crowd = gumbel([1, 5, 5], [3, 3, 4], 1000, CPU)
    assert torch.equal(crowd[1], alone[0])
    assert not torch.equal(crowd[2], alone[0])
    assert torch.equal(gumbel([5], [3], 500, CPU)[0], alone[0, :500])


def test_it_is_gumbel_noise() -> None:
    noise = gumbel(list(range(64)), [0] * 64, 50_000, CPU).double()
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0.577216, abs=0.005)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.02)
    # The far end, where the winners are: P(G > 10) = 1 - exp(-exp(-10))
    share = (noise > 10).double().mean().item()
    assert share == pytest.approx(-math.expm1(-math.exp(-10)), rel=0.25)


def test_neighbouring_seeds_and_steps_have_nothing_in_common() -> None:
    noise = gumbel([0, 0, 1, 1], [0, 1, 0, 1], 50_000, CPU).double()
    correlation = torch.corrcoef(noise) - torch.eye(4)
    assert correlation.abs().max().item() < 0.02


@pytest.mark.gpu
def test_a_gpu_sees_the_same_noise() -> None:
    here, there = gumbel([3, 9], [0, 5], 150_000, CPU), gumbel([3, 9], [0, 5], 150_000, torch.device("cuda"))
    torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-5)
