"""Arguments of the wrong kind: each is named, quoted shortly, and refused before a hub is asked or a file written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from on_disk import NAME

import influence_nb as inb
from influence_nb.arguments import quoted
from influence_nb.errors import BrokenModel, InvalidData, ModelNotFound, SettingsError
from tests.loopback import LoopbackHub
from tests.loopback.models import made_up

WRONG_FOR_A_HUB: list[tuple[str, dict[str, Any]]] = [
    *[("search", {name: value}) for name, value in [("mirror", 3), ("token", 3), ("license", ["mit"])]],
    *[
        (call, wrong)
        for call in ("plan", "download")
        for wrong in (
            {"token": 3},
            {"mirror": 3},
            {"quantization": 3},
            {"include": 3},
            {"include": b"x"},
            {"exclude": [3]},
            {"cancel": True},
            {"output_dir": 3},
            {"output_dir": ""},
            {"output_dir": "a\0b"},
        )
    ],
    ("download", {"on_progress": 3}),
    ("fit", {"token": 3}),
    ("fit", {"mirror": 3}),
    ("fit", {"cancel": 1}),
]


@pytest.mark.parametrize(("call", "wrong"), WRONG_FOR_A_HUB, ids=str)
def test_what_a_hub_is_never_asked_with(hub: LoopbackHub, call: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidData) as refused:
        getattr(inb, call)(NAME, **wrong)
    assert refused.value.hint
    assert not hub.log


def test_what_may_be_a_secret_is_not_quoted(hub: LoopbackHub) -> None:
    with pytest.raises(InvalidData) as refused:
        inb.plan(NAME, token=b"hf_secret")
    assert "hf_secret" not in str(refused.value)


@pytest.mark.parametrize("call", ["load", "load_encoder", "plan", "fit", "download"])
@pytest.mark.parametrize("name", ["x" * 5000, "x/" + "x" * 5000])
def test_a_long_name_is_not_said_back_whole(hub: LoopbackHub, call: str, name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        getattr(inb, call)(name)
    assert len(str(refused.value)) < 500


def test_quoting_keeps_both_ends() -> None:
    assert quoted("a" * 3000 + "z").startswith("'aaa")
    assert quoted("a" * 3000 + "z").endswith("az'")
    assert quoted("short") == "'short'"


def test_a_page_address_from_the_browser_is_a_name(hub: LoopbackHub) -> None:
    hub.add(NAME, made_up())
    assert inb.plan(f"https://huggingface.co/{NAME}/tree/main").repo_id == NAME
    assert inb.plan(f" {NAME} ").repo_id == NAME


def test_the_home_of_nobody_is_no_path(hub: LoopbackHub) -> None:
    with pytest.raises(InvalidData, match="output_dir"):
        inb.plan(NAME, output_dir="~nobody-of-that-name/x")
    with pytest.raises(BrokenModel, match="not a folder"):
        inb.load("~nobody-of-that-name/x")


def test_a_file_in_the_place_of_a_folder(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add(NAME, made_up())
    (tmp_path / "taken").write_bytes(b"")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(SettingsError, match="cannot be a folder"):
            inb.download(NAME, output_dir=place)
