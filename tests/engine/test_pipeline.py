"""Each stage against transformers' logits processor of the same name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from influence_nb import Sampling
from influence_nb.engine.pipeline import Pipeline, StageView

OFF = Sampling(temperature=1.0, top_p=None, repetition_penalty=1.0, seed=0)
VOCABULARY = 5000


def logits(rows: int, seed: int = 0, spread: float = 3.0) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * spread


def pipeline(samplings: list[Sampling], prompts: Any = None, outputs: Any = None, ends: Any = ()) -> Pipeline:
    rows = range(len(samplings))
    return Pipeline(
        rows,
        samplings,
        prompts or [[] for _ in rows],
        outputs or [[] for _ in rows],
        ends,
        VOCABULARY,
        torch.device("cpu"),
    )


def theirs(sampling: Sampling, prompt: list[int], output: list[int], ends: list[int]) -> LogitsProcessorList:
    """What generate would put together for these parameters, in its order."""
    chain: list[Any] = []
    if sampling.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.min_new_tokens:
        chain.append(MinNewTokensLengthLogitsProcessor(len(prompt), sampling.min_new_tokens, ends))
    chain.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        chain.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p and sampling.top_p < 1:
        chain.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        chain.append(MinPLogitsWarper(sampling.min_p))
    if sampling.typical_p and sampling.typical_p < 1:
        chain.append(TypicalLogitsWarper(sampling.typical_p))
    return LogitsProcessorList(chain)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.3},
        {"temperature": 2.5},
        {"top_k": 1},
        {"top_k": 40},
        {"top_k": 10**6},
        {"top_p": 0.05},
        {"top_p": 0.9},
        {"top_p": 0.9999},
        {"top_p": 1.0},
        {"min_p": 0.05},
        {"min_p": 1.0},
        {"typical_p": 0.2},
        {"typical_p": 0.95},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.7},
        {"min_new_tokens": 3},
        {
            "temperature": 0.8,
            "top_k": 50,
            "top_p": 0.9,
            "min_p": 0.02,
            "typical_p": 0.9,
            "repetition_penalty": 1.2,
        },
    ],
    ids=str,
)
@pytest.mark.parametrize("spread", [0.3, 3.0], ids=["flat", "peaked"])
def test_agrees_with_transformers(changes: dict[str, Any], spread: float) -> None:
    sampling = OFF.replace(**changes)
    prompt, output, ends = [1, 2, 3, 3], [7, 2], [11, 12]
    scores = logits(1, spread=spread)
    before = scores.clone()
    mine = pipeline([sampling], [prompt], [output], ends).run(scores)
    expected = theirs(sampling, prompt, output, ends)(torch.tensor([prompt + output]), before.clone())
    assert torch.equal(scores, before), "the raw logits must stay as they are"
    # Two ways of adding up differ in the last bits, so a token right at the edge may fall either way.
    differing = mine.isinf() != expected.isinf()
    assert scores.softmax(-1)[differing].sum().item() < 1e-5 or differing.sum() <= 1
    both = ~mine.isinf() & ~expected.isinf()
    torch.testing.assert_close(mine[both], expected[both])


def test_rows_may_differ_in_everything() -> None:
    samplings = [
        OFF,
        OFF.replace(top_k=3),
        OFF.replace(temperature=0.5, top_p=0.4),
        OFF.replace(min_p=0.3, presence_penalty=1.0),
        OFF.replace(typical_p=0.5, repetition_penalty=1.5, frequency_penalty=0.7),
        OFF.replace(logit_bias={5: -float("inf"), 6: 4.0}, min_new_tokens=5),
    ]
    prompts = [[row, 9] for row in range(len(samplings))]
    outputs = [[20 + row, 20 + row, 9] for row in range(len(samplings))]
    scores = logits(len(samplings), seed=3)
    together = pipeline(samplings, prompts, outputs, [30]).run(scores)
    for row, sampling in enumerate(samplings):
        alone = pipeline([sampling], [prompts[row]], [outputs[row]], [30]).run(scores[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=0)


def test_presence_and_frequency_count_the_output_only() -> None:
    scores = torch.zeros(1, VOCABULARY)
    after = pipeline([OFF.replace(presence_penalty=1.0, frequency_penalty=0.5)], [[4, 4]], [[5, 5, 6]]).run(
        scores
    )
    assert after[0, [4, 5, 6, 7]].tolist() == [0.0, -2.0, -1.5, 0.0]


def test_the_window_limits_what_the_penalties_see() -> None:
    sampling = OFF.replace(repetition_penalty=2.0, frequency_penalty=1.0, penalty_window=2)
    prompt, output = [1, 2], [3]
    stages = pipeline([sampling], [prompt], [output])
    ones = torch.ones(1, VOCABULARY)
    assert stages.run(ones)[0, :5].tolist() == [1.0, 1.0, 0.5, -0.5, 1.0]
    for token, expected in [(4, [1.0, 1.0, 1.0, -0.5, -0.5]), (4, [1.0, 1.0, 1.0, 1.0, -1.5])]:
        output.append(token)
        stages.remember()
        assert stages.run(ones)[0, :5].tolist() == expected


def test_the_order_of_stages_is_the_one_asked_for() -> None:
    scores = logits(1, seed=5, spread=1.0)
    first = OFF.replace(temperature=3.0, min_p=0.2)
    last = first.replace(order=("min_p", "temperature"))
    hot, cool = pipeline([first]).run(scores), pipeline([last]).run(scores)
    assert (~hot.isinf()).sum() > (~cool.isinf()).sum(), "heated first, more tokens pass min_p"
    without = OFF.replace(top_k=1, order=("temperature",))
    assert not pipeline([without]).run(scores).isinf().any()


def test_a_watcher_sees_what_each_stage_kept() -> None:
    seen: list[StageView] = []
    scores = logits(2, seed=7)
    after = pipeline([OFF.replace(top_k=10, top_p=0.5), OFF.replace(top_k=20, top_p=0.5)]).run(
        scores, seen.append
    )
    assert [view.stage for view in seen] == ["top_k", "top_p"]
    assert seen[0].kept.tolist() == [10, 20]
    mass = scores.softmax(-1)
    assert seen[0].mass[0].item() == pytest.approx(mass[0].topk(10).values.sum().item(), rel=1e-5)
    assert seen[1].kept.tolist() == (~after.isinf()).sum(-1).tolist()
    assert (seen[1].mass >= 0.5).all()
    kept = after[0][~after[0].isinf()].softmax(-1)
    assert seen[1].entropy[0].item() == pytest.approx(-(kept * kept.log()).sum().item(), rel=1e-4)


def test_ties_at_the_edge_all_stay() -> None:
    scores = torch.zeros(1, VOCABULARY)
    scores[0, :4] = 5.0
    assert (~pipeline([OFF.replace(top_k=2)]).run(scores).isinf()).sum() == 4
    assert (~pipeline([OFF.replace(top_p=0.01)]).run(scores).isinf()).sum() == 4
