"""Texts held to a grammar: JSON of a schema whatever the sampling, alone and beside rows that are not."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

import influence_nb as inb

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "kind": {"enum": ["cat", "dog"]},
        "legs": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["name", "kind", "legs", "tags"],
    "additionalProperties": False,
}
WILD: dict[str, Any] = {"temperature": 1.5, "top_p": None, "repetition_penalty": 1.0, "max_new_tokens": 200}


def is_whole(said: inb.Completion) -> bool:
    """Whether a text is JSON of the schema."""
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(json.loads(said.text))


@pytest.mark.parametrize("seed", range(4))
def test_a_text_is_json_of_its_schema(model: inb.Model, seed: int) -> None:
    said = model.generate("A cat:", grammar=SCHEMA, seed=seed, **WILD)
    assert said.finish_reason == "stop"
    assert is_whole(said)


def test_greedily_too_and_with_other_stages_first(model: inb.Model) -> None:
    said = model.generate("A cat:", grammar=SCHEMA, temperature=0, top_k=1, max_new_tokens=200)
    assert is_whole(said)
    backwards = inb.Sampling(
        grammar=SCHEMA, top_k=3, seed=1, max_new_tokens=200, order=inb.Sampling().order[::-1]
    )
    assert is_whole(model.generate("A cat:", backwards))


def test_rows_of_a_batch_have_their_own(model: inb.Model) -> None:
    digits = {
        "type": "array",
        "items": {"type": "integer", "maximum": 9, "minimum": 0},
        "minItems": 3,
        "maxItems": 3,
    }
    samplings = [inb.Sampling(grammar=one, seed=7, **WILD) for one in (SCHEMA, None, digits, SCHEMA)]
    prompts = ["A cat:", "A cat:", "Numbers:", "A longer prompt about a dog:"]
    said = model.batch(prompts, samplings)
    assert [one.text for one in said] == [
        model.generate(prompt, sampling).text for prompt, sampling in zip(prompts, samplings, strict=True)
    ]
    jsonschema.validate(json.loads(said[0].text), SCHEMA)
    jsonschema.validate(json.loads(said[2].text), digits)


def test_receipts_know_it(model: inb.Model) -> None:
    said = model.generate("A cat:", grammar=SCHEMA, seed=3, **WILD)
    assert said.receipt.sampling["grammar"] == SCHEMA
    assert model.replay(json.loads(json.dumps(said.receipt.to_dict()))).identical
    assert inb.Sampling.from_dict(inb.Sampling(grammar=SCHEMA).to_dict()) == inb.Sampling(grammar=SCHEMA)
    assert hash(inb.Sampling(grammar=SCHEMA)) == hash(inb.Sampling(grammar=dict(SCHEMA)))


def test_any_json_object(model: inb.Model) -> None:
    said = model.generate("{", grammar="json", seed=0, max_new_tokens=60)
    assert said.text.startswith("{")
    if said.finish_reason == "stop":
        assert isinstance(json.loads(said.text), dict)


@pytest.mark.parametrize(
    "grammar",
    ["xml", 5, ["a"], {"type": "no such type"}, {"a": {1, 2}}, {"type": "object", "patternProperties": 3}],
)
def test_what_is_no_grammar_is_refused(model: inb.Model, grammar: Any) -> None:
    with pytest.raises(inb.errors.InvalidSampling) as caught:
        model.generate("A cat:", grammar=grammar)
    assert caught.value.field == "grammar"
    assert caught.value.hint
    with pytest.raises(inb.errors.BatchIncomplete):
        model.batch(
            ["a", "b"], [inb.Sampling(max_new_tokens=1), inb.Sampling(grammar={"type": "no such type"})]
        )
    assert model.generate("a", max_new_tokens=2).text is not None
