"""Repositories without a model that can be loaded: said in the plan, before a byte is fetched, and afterwards too."""

from __future__ import annotations

import pytest
from on_disk import NAME

import influence_nb as inb
from influence_nb.errors import BrokenModel, UnsupportedModel
from influence_nb.hub.lacking import lacking
from tests.loopback import LoopbackHub
from tests.loopback.models import config, gguf, made_up

CARD = {"README.md": b"# Only words\n"}
LACKING = [
    (CARD, "no weights"),
    ({**CARD, "config.json": config(), "model.onnx": b"o", "tf_model.h5": b"h"}, "only ONNX and TensorFlow"),
    ({**CARD, "config.json": config(), "weights.pt": b"p"}, "only PyTorch's .pt"),
    ({**CARD, "adapter_config.json": b"{}", "adapter_model.safetensors": b"a"}, "is an adapter"),
    ({name: data for name, data in made_up().items() if name != "config.json"}, "no config.json"),
]


@pytest.mark.parametrize(("files", "why"), LACKING, ids=[why for _, why in LACKING])
def test_the_plan_says_that_it_will_not_load(hub: LoopbackHub, files: dict[str, bytes], why: str) -> None:
    hub.add(NAME, files)
    plan = inb.plan(NAME)
    assert plan.lacks is not None
    assert why in plan.lacks
    assert plan.lacks in repr(plan)
    with pytest.raises(UnsupportedModel, match="nothing to fit"):
        inb.fit(plan)


@pytest.mark.parametrize(("files", "why"), LACKING, ids=[why for _, why in LACKING])
def test_the_library_does_not_advise_to_fetch_it_again(
    hub: LoopbackHub, files: dict[str, bytes], why: str
) -> None:
    hub.add(NAME, files)
    assert inb.download(NAME).verified
    (listed,) = inb.library().broken
    why = "no weights" if why.startswith("only ONNX") else why  # what was left out is not known any more
    assert why in listed.reason
    assert "again" not in listed.hint
    with pytest.raises(BrokenModel, match=why):
        inb.load(NAME)


def test_a_download_that_is_not_whole_is_still_to_be_fetched_again(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up())
    folder = inb.download(NAME).path
    (folder / "config.json").unlink()
    (listed,) = inb.library().broken
    assert "again" in listed.hint


@pytest.mark.parametrize("files", [made_up(), made_up(shards=3), gguf()])
def test_a_model_lacks_nothing(hub: LoopbackHub, files: dict[str, bytes]) -> None:
    hub.add(NAME, files)
    assert inb.plan(NAME).lacks is None


def test_who_asks_for_files_by_name_is_not_warned(hub: LoopbackHub) -> None:
    hub.add(NAME, {**made_up(), "model.onnx": b"o"})
    assert inb.plan(NAME, include="*.onnx").lacks is None


def test_an_adapter_beside_a_whole_model_is_no_lack() -> None:
    assert lacking(["config.json", "model.safetensors", "adapter_config.json"]) is None
