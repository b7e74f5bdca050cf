from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest

from influence_nb import Sampling
from influence_nb.engine.sampling import FIELDS, STAGES
from influence_nb.errors import InvalidSampling


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "hot"),
        ("temperature", None),
        ("temperature", True),
        ("top_p", 0),
        ("top_p", 2),
        ("top_k", 0),
        ("top_k", 1.5),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("typical_p", 0),
        ("repetition_penalty", 0),
        ("presence_penalty", 3),
        ("frequency_penalty", -2.5),
        ("penalty_window", 0),
        ("min_new_tokens", -1),
        ("max_new_tokens", 0),
        ("max_new_tokens", -5),
        ("seed", -1),
        ("seed", 2**53),
        ("stop", [""]),
        ("stop", [1]),
        ("logit_bias", {"a": 1}),
        ("logit_bias", {3: math.nan}),
        ("logit_bias", 7),
        ("order", ["temperature", "temperature"]),
        ("order", ["top_q"]),
        ("grammar", "xml"),
        ("temperature", 10**400),
        ("top_k", 10**30),
        ("max_new_tokens", 10**400),
        ("order", None),
        ("order", 3),
        ("logit_bias", {5: 1e39}),
        ("logit_bias", {1.7: 1}),
        ("logit_bias", {-1: 1}),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidSampling) as refused:
        Sampling(**{name: value})
    assert refused.value.field == name
    assert name in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "most"),
    [("seed", "9007199254740991"), ("top_k", "2147483647"), ("max_new_tokens", "2147483647")],
)
def test_a_hint_prints_its_limits_in_full(name: str, most: str) -> None:
    with pytest.raises(InvalidSampling) as refused:
        Sampling(**{name: 2**60})
    assert f"at most {most}" in refused.value.hint


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidSampling, match="temperature") as refused:
        Sampling().replace(temprature=1)
    assert refused.value.field == "temprature"


def test_values_are_kept_in_their_own_types() -> None:
    sampling = Sampling(temperature=1, top_k=40.0, stop="END", seed=2**53 - 1)
    assert isinstance(sampling.temperature, float)
    assert (sampling.top_k, sampling.stop, sampling.seed) == (40, ("END",), 2**53 - 1)


def test_survives_json() -> None:
    sampling = Sampling(top_k=5, stop=("a", "b"), logit_bias={3: -1.5}, seed=9, order=STAGES[::-1])
    again = Sampling.from_dict(json.loads(json.dumps(sampling.to_dict())))
    assert again == sampling
    assert hash(again) == hash(sampling)


def test_a_forbidden_token_survives_json() -> None:
    sampling = Sampling(logit_bias={3: -math.inf})
    assert Sampling.from_dict(json.loads(json.dumps(sampling.to_dict(), allow_nan=False))) == sampling


@pytest.mark.parametrize("values", [None, 5, {1: 2}])
def test_what_is_no_mapping_of_parameters_is_refused(values: object) -> None:
    with pytest.raises(InvalidSampling):
        Sampling.from_dict(values)


def test_defaults_are_the_published_ones() -> None:
    assert Sampling() == Sampling(
        temperature=0.7, top_k=None, top_p=0.9, min_p=None, typical_p=None, repetition_penalty=1.1,
        presence_penalty=0, frequency_penalty=0, penalty_window=None, logit_bias={}, min_new_tokens=0,
        max_new_tokens=512, stop=(), seed=None,
    )  # fmt: skip


def test_every_parameter_with_a_control_is_described() -> None:
    for field in FIELDS:
        assert hasattr(Sampling(), field.name)
        assert field.label
        assert field.help.endswith(".")


def test_recommended_reads_the_generation_config() -> None:
    said = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "eos_token_id": 3}
    sampling = Sampling.recommended(SimpleNamespace(generation_defaults=lambda: said))
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.6, 20, 0.95)
    assert sampling.repetition_penalty == 1.0

    greedy = Sampling.recommended(
        SimpleNamespace(generation_defaults=lambda: {"do_sample": False, "top_k": 0})
    )
    assert (greedy.temperature, greedy.top_k) == (0.0, None)
