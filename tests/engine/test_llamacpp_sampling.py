"""llama.cpp draws from the same probabilities as our own sampler on the same logits; what it cannot is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.engine.sampling import STAGES
from influence_nb.errors import InvalidSampling

pytest.importorskip("xllamacpp", reason="the extra llamacpp is not installed")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.starter

NEUTRAL: dict[str, Any] = {"temperature": 1.0, "top_p": None, "repetition_penalty": 1.0, "seed": 1}
PROMPT = "The cat sat on the mat, and the cat"
OUTPUT = " sat on the floor. The cat"
TOP = 400


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.engine.gguf import bare

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # llama.cpp takes as many; on a busy machine they wait for each other
    model = inb.load(bare(tmp_path_factory.mktemp("bare")), runtime="llama.cpp")
    yield model
    model.unload()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def text(model: Any) -> tuple[list[int], list[int]]:
    return model.encode(PROMPT), model.encode(OUTPUT, special=False)


def asked(model: Any, prompt: list[int], count: int, **fields: Any) -> dict[int, float]:
    """The probabilities of the next token, by id, as llama.cpp tells them."""
    body = {"prompt": prompt, "max_tokens": 1, "n_probs": count, "cache_prompt": False, **fields}
    for chunk in model.library.chunks(body, lambda: False):
        said = (chunk["choices"][0].get("logprobs") or {}).get("content")
        if said:
            [one] = said
            if "top_probs" in one:
                return {each["id"]: each["prob"] for each in one["top_probs"]}
            return {each["id"]: math.exp(each["logprob"]) for each in one["top_logprobs"]}
    raise AssertionError("no probabilities came")


def sampled(model: Any, prompt: list[int], output: list[int], sampling: inb.Sampling) -> dict[int, float]:
    """What llama.cpp draws from after `output`, asked for as the runtime asks."""
    from influence_nb.engine.runtimes.llamacpp import mapping

    fields = mapping.fields(sampling, prompt, model.context_length)
    ignore = mapping.forbids_end(sampling) and len(output) < sampling.min_new_tokens
    return asked(model, [*prompt, *output], TOP, **fields, post_sampling_probs=True, ignore_eos=ignore)


@pytest.fixture(scope="module")
def logits(model: Any, text: tuple[list[int], list[int]]) -> Any:
    """The raw logits after prompt and output, float32 (1, vocabulary).

    llama.cpp tells logprobs, which are logits but for one number. A repetition penalty r tells that number: it lowers a
    seen token's logit l > 0 by l - l / r, which the odds beside an unseen token show. Two penalties must agree. All
    other tokens are left to the tests.
    """
    prompt = [*text[0], *text[1]]
    raw = asked(model, prompt, model.vocabulary_size, **sampled_off(model))
    table = torch.full((1, model.vocabulary_size), -torch.inf)
    table[0, list(raw)] = torch.tensor(list(raw.values()), dtype=torch.float64).log().float()
    seen = max(set(prompt), key=lambda token: raw[token])
    unseen = max(set(raw) - set(prompt), key=lambda token: raw[token])

    def logit(penalty: float) -> float:
        after = sampled(model, *text, inb.Sampling(**{**NEUTRAL, "repetition_penalty": penalty}))
        lowered = math.log(raw[seen] / raw[unseen]) - math.log(after[seen] / after[unseen])
        return lowered / (1 - 1 / penalty)

    assert logit(1.1) == pytest.approx(logit(1.2), rel=1e-3)
    return table + (logit(1.2) - float(table[0, seen]))


def sampled_off(model: Any) -> dict[str, Any]:
    from influence_nb.engine.runtimes.llamacpp import mapping

    return mapping.fields(inb.Sampling(**NEUTRAL), [], model.context_length)


def ours(model: Any, logits: Any, text: tuple[list[int], list[int]], sampling: inb.Sampling) -> Any:
    from influence_nb.engine.pipeline import Pipeline

    ends = [model.encode("<|im_end|>", special=False)[0], model.encode("<|endoftext|>", special=False)[0]]
    pipeline = Pipeline([0], [sampling], [text[0]], [text[1]], ends, model.vocabulary_size, logits.device)
    scores = pipeline.run(logits)
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).float()[0]
    return scores.softmax(-1)[0]


SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.3},
    {"temperature": 1.7},
    {"top_k": 1},
    {"top_k": 40},
    {"top_p": 0.3},
    {"top_p": 0.95},
    {"min_p": 0.02},
    {"min_p": 0.3},
    {"typical_p": 0.2},
    {"typical_p": 0.9},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"repetition_penalty": 1.3, "penalty_window": 3},
    {"frequency_penalty": 0.7},
    {"frequency_penalty": -0.7},
    {"logit_bias": {260: 4.0, 2644: -2.0, 411: float("-inf")}},
    {"min_new_tokens": 50, "logit_bias": {2: 9.0}},
    {"frequency_penalty": 1.1, "logit_bias": {260: 4.0, 2644: 2.0}, "temperature": 0.6, "top_p": 0.9},
    {"temperature": 0.0, "repetition_penalty": 1.4, "logit_bias": {260: 3.0}},
    {"temperature": 0.0, "typical_p": 0.3, "top_k": 50},
    {
        "temperature": 1.4,
        "top_k": 60,
        "top_p": 0.9,
        "min_p": 0.01,
        "typical_p": 0.8,
        "repetition_penalty": 1.2,
    },
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: "-".join(one) or "neutral")
def test_each_parameter_gives_the_same_probabilities(
    model: Any, logits: Any, text: tuple[list[int], list[int]], setting: dict[str, Any]
) -> None:
    check(model, logits, text, inb.Sampling(**{**NEUTRAL, **setting}))


MANY = {
    "temperature": 1.6,
    "top_k": 30,
    "top_p": 0.8,
    "min_p": 0.02,
    "typical_p": 0.85,
    "repetition_penalty": 1.3,
}
CHAIN = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "typical_p")
ORDERS = [
    CHAIN,
    CHAIN[::-1],
    ("top_p", "temperature"),
    ("temperature", "top_p"),
    ("min_p", "typical_p", "top_k", "temperature", "repetition_penalty"),
    ("top_k", "repetition_penalty", "top_p", "temperature", "min_p"),
    ("typical_p", "top_p", "temperature", "min_p", "top_k"),
    ("top_k",),
    (),
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_each_order_gives_the_same_probabilities(
    model: Any, logits: Any, text: tuple[list[int], list[int]], order: tuple[str, ...]
) -> None:
    check(model, logits, text, inb.Sampling(**{**NEUTRAL, **MANY}, order=order))


def check(model: Any, logits: Any, text: tuple[list[int], list[int]], sampling: inb.Sampling) -> None:
    found = sampled(model, *text, sampling)
    wanted = ours(model, logits, text, sampling)
    possible = int((wanted > 0).sum())
    likely = {id for id, one in found.items() if one > 0}
    assert len(found) >= min(TOP, possible - 1), "as many as were asked for, or all there are"
    if possible < TOP:
        assert abs(len(likely) - possible) <= 1, "a token at the very edge of a cut may fall to either side"
    worst = max(abs(found[id] - float(wanted[id])) for id in found)
    assert worst < 1e-3
    absent = torch.ones_like(wanted, dtype=torch.bool)
    absent[list(found)] = False
    if possible < TOP:
        assert float(wanted[absent].sum()) < 1e-3


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": 0.5, "repetition_penalty": 1.1}, "frequency_penalty"),
        ({"frequency_penalty": 0.5, "penalty_window": 8}, "frequency_penalty"),
        (
            {"frequency_penalty": 0.5, "temperature": 0.5, "order": ("temperature", "frequency_penalty")},
            "order",
        ),
        ({"logit_bias": {5: 1.0}, "top_k": 5, "order": ("top_k", "logit_bias")}, "order"),
        ({"min_new_tokens": 5, "top_p": 0.5, "order": ("top_p", "min_new_tokens")}, "order"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(model: Any, setting: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSampling, match=field) as refused:
        model.stream("Once", **{**NEUTRAL, **setting})
    assert refused.value.field == field
    assert refused.value.hint


def test_every_stage_is_known_to_the_mapping() -> None:
    from influence_nb.engine.runtimes.llamacpp import mapping

    assert {*mapping._NAMES, *mapping._ADDED, "presence_penalty"} == set(STAGES)
