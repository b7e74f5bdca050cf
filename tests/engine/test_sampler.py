from __future__ import annotations

import pytest
import torch

from influence_nb import Sampling
from influence_nb.engine.sampler import Sampler

PLAIN = Sampling(temperature=1.0, top_p=None, repetition_penalty=1.0)


def test_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.0625, 0.0625])
    rows = 4000
    sampler = Sampler([PLAIN.replace(seed=seed) for seed in range(rows)], [[0]] * rows, [])
    picks = sampler.draw(probabilities.log().expand(rows, -1))
    counts = torch.bincount(torch.tensor([pick.id for pick in picks]), minlength=5)
    chi_square = ((counts - rows * probabilities) ** 2 / (rows * probabilities)).sum().item()
    assert chi_square < 18.47  # the 99.9th percentile for four degrees of freedom; the seeds are fixed


def test_temperature_zero_is_argmax_after_the_stages() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.9, 0.0]])
    greedy = PLAIN.replace(temperature=0.0, seed=1)
    (pick,) = Sampler([greedy], [[0]], []).draw(logits)
    assert pick.id == 1
    assert pick.logprob_sampled == 0.0
    assert pick.logprob_raw == pytest.approx(logits.log_softmax(-1)[0, 1].item())
    (pick,) = Sampler([greedy.replace(repetition_penalty=1.5)], [[1]], []).draw(logits)
    assert pick.id == 2


def test_both_logprobs_are_what_they_say() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    (pick,) = Sampler([PLAIN.replace(temperature=0.5, top_k=2, seed=4)], [[0]], []).draw(logits)
    raw = logits.log_softmax(-1)[0, pick.id].item()
    sampled = (logits[:, :2] / 0.5).log_softmax(-1)[0, pick.id].item()
    assert (pick.logprob_raw, pick.logprob_sampled) == (
        pytest.approx(raw, rel=1e-5),
        pytest.approx(sampled, rel=1e-5),
    )


def test_a_row_draws_the_same_alone_and_in_a_crowd() -> None:
    torch.manual_seed(0)
    steps = [torch.randn(6, 300) * 2 for _ in range(8)]
    samplings = [
        Sampling(seed=7),
        Sampling(seed=7, temperature=0),
        Sampling(seed=8, order=("top_p", "temperature")),
        Sampling(seed=9, frequency_penalty=0.5, penalty_window=3),
        Sampling(seed=7, top_k=5),
        Sampling(seed=10, typical_p=0.7),
    ]
    crowd = Sampler(samplings, [[row] for row in range(6)], [0])
    together = [crowd.draw(logits) for logits in steps[:4]]
    crowd.keep([0, 2, 3, 5])
    together += [crowd.draw(logits[[0, 2, 3, 5]]) for logits in steps[4:]]
    for row, place in [(0, 0), (2, 1), (3, 2), (5, 3)]:
        single = Sampler([samplings[row]], [[row]], [0])
        alone = [single.draw(logits[row : row + 1])[0].id for logits in steps]
        assert alone == [picks[row if step < 4 else place].id for step, picks in enumerate(together)]


def test_the_same_seed_shares_its_noise_between_settings() -> None:
    """Where a setting changes nothing about the candidates, the draw is the same."""
    torch.manual_seed(1)
    logits = torch.randn(200, 50)
    warm = Sampler([PLAIN.replace(seed=seed) for seed in range(200)], [[0]] * 200, [])
    wide = Sampler([PLAIN.replace(seed=seed, top_p=0.999) for seed in range(200)], [[0]] * 200, [])
    same = sum(a.id == b.id for a, b in zip(warm.draw(logits), wide.draw(logits), strict=True))
    assert same >= 196


def test_min_new_tokens_forbids_the_end_until_then() -> None:
    logits = torch.tensor([[0.0, 9.0, 1.0]])
    sampler = Sampler([PLAIN.replace(temperature=0, min_new_tokens=2, seed=0)], [[0]], [1])
    assert [sampler.draw(logits)[0].id for _ in range(3)] == [2, 2, 1]
