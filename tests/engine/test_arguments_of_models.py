"""Arguments of the wrong kind given to a model: named, refused before anything runs, the model as usable as before."""

from __future__ import annotations

from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData, InvalidSampling


def test_a_session_refuses_what_its_template_does_not_read(model: inb.Model) -> None:
    for wrong in ({"switches": 3}, {"switches": {"no_such_switch": True}}, {"system": 3}, {"when_full": 3}):
        with pytest.raises(InvalidData):
            model.session(**wrong)
    with pytest.raises(InvalidSampling):
        model.session(sampling=3)


@pytest.mark.parametrize("cancel", [True, 1, "stop"])
def test_a_cancel_that_nobody_can_set(model: inb.Model, cancel: Any) -> None:
    for ask in (model.generate, model.stream, model.session().stream, model.score):
        with pytest.raises(InvalidData, match="cancel"):
            ask("hello", cancel=cancel)
    with pytest.raises(InvalidData, match="cancel"):
        model.batch(["hello"], cancel=cancel)
    for told in (model.score, lambda text, **more: model.batch([text], **more)):
        with pytest.raises(InvalidData, match="on_progress"):
            told("hello", on_progress=3)


def test_a_bias_for_a_token_that_is_not_there(model: inb.Model) -> None:
    for ask in (model.generate, model.session().send):
        with pytest.raises(InvalidSampling) as refused:
            ask("hello", logit_bias={10**7: 1.0}, max_new_tokens=1)
        assert refused.value.field == "logit_bias"
    assert model.generate("hello", max_new_tokens=1, seed=1).finish_reason in ("length", "stop")


def test_loading_refuses_a_progress_that_cannot_be_called() -> None:
    with pytest.raises(InvalidData, match="on_progress"):
        inb.load(on_progress=3)
