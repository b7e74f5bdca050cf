"""What stages compute without logarithms equals the formulas, for large scores and cut tokens too."""

from __future__ import annotations

import pytest
import torch

from influence_nb.engine import stages


@pytest.fixture(params=[0.0, 3e4], ids=["small", "large"])
def scores(request: pytest.FixtureRequest) -> torch.Tensor:
    made = torch.randn(4, 500, generator=torch.Generator().manual_seed(0)) * 3 + request.param
    made[1, 100:] = -torch.inf
    made[2] = -torch.inf
    made[2, 7] = request.param
    return made


def surprise(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every token in nats, and the entropy (rows, 1), in float64."""
    logprobs = scores.double().log_softmax(-1)
    return -logprobs, -(logprobs.exp() * logprobs).nan_to_num(0.0).sum(-1, keepdim=True)


def test_entropy_is_exact_to_a_hundredth_of_a_thousandth(scores: torch.Tensor) -> None:
    found = stages.entropy(scores, scores.softmax(-1))
    torch.testing.assert_close(found.double(), surprise(scores)[1], atol=1e-5, rtol=0)
    assert float(found[2]) == 0


def test_typicality_is_the_distance_of_surprise_from_entropy(scores: torch.Tensor) -> None:
    nats, entropy = surprise(scores)
    found = stages.typicality(scores, scores.softmax(-1))
    torch.testing.assert_close(found.double(), -(nats - entropy).abs(), atol=1e-4, rtol=1e-5)
    assert torch.equal(found == -torch.inf, scores == -torch.inf)
