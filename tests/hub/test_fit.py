"""Whether a model on a hub fits, before a byte of its weights is fetched: proved by what the hub was asked."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.errors import (
    BrokenModel,
    DeviceUnavailable,
    GatedModel,
    HubUnreachable,
    InvalidData,
    ModelNotFound,
)
from influence_nb.hub import headers
from tests.loopback import LoopbackHub
from tests.loopback.models import config, gguf, made_up, running, safetensors

WEIGHTS = ("*.safetensors", "*.gguf", "*.bin")


def weight_requests(hub: LoopbackHub) -> list[Any]:
    return [request for glob in WEIGHTS for request in hub.requests(glob) if request.host == "cdn"]


def big(size: int = 3_000_000) -> dict[str, bytes]:
    return made_up(size)


def test_a_model_on_the_hub_is_judged_by_its_headers_alone(hub: LoopbackHub) -> None:
    hub.add("them/talker", big())
    report = inb.fit("them/talker", "cpu", "bfloat16", context=64)
    assert report.weights == 3_000_000
    assert report.fits == "yes"
    assert not report.estimated
    (asked,) = weight_requests(hub)
    assert asked.range == (0, headers.FIRST - 1)
    assert asked.sent <= headers.FIRST
    assert "them/talker" not in [model.name for model in inb.library()]


def test_the_estimate_before_a_download_is_that_after_it(hub: LoopbackHub) -> None:
    hub.add("them/runs", running("llama"))
    before = inb.fit("them/runs", "cpu", "float32", context=100)
    local = inb.download("them/runs")
    hub.forget()
    after = inb.fit(local, "cpu", "float32", context=100)
    by_name = inb.fit("them/runs", "cpu", "float32", context=100)
    assert (before.weights, before.cache) == (after.weights, after.cache) == (by_name.weights, by_name.cache)
    assert hub.log == []


def test_each_part_of_a_model_in_parts_is_asked_for_once(hub: LoopbackHub) -> None:
    hub.add("them/parts", made_up(1_200_000, shards=3))
    assert inb.fit("them/parts", "cpu", "bfloat16").weights == 1_200_000
    assert len(weight_requests(hub)) == 3


def test_a_header_longer_than_the_first_range_is_asked_for_to_its_end(hub: LoopbackHub) -> None:
    many = {f"model.layers.0.part.{place:06}.weight": ("BF16", [4], bytes(8)) for place in range(4000)}
    files = {"config.json": config(), "tokenizer.json": b"{}", "model.safetensors": safetensors(many)}
    (length,) = struct.unpack("<Q", files["model.safetensors"][:8])
    assert length > headers.FIRST
    hub.add("them/long", files)
    assert inb.fit("them/long", "cpu", "bfloat16").weights == 4000 * 8
    assert [request.range for request in weight_requests(hub)] == [
        (0, headers.FIRST - 1),
        (headers.FIRST, 8 + length - 1),
    ]


def test_a_gguf_is_judged_by_its_header_and_only_that_of_the_quantization_wanted(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "FIRST", 64)
    hub.add("them/packed", gguf(quantizations=("Q4_K_M", "Q8_0")))
    report = inb.fit("them/packed", "cpu", context=10, quantization="Q8_0")
    assert report.weights == 64 * 64 * 4  # the tensor of the second file
    assert report.cache == 10 * 2 * 2 * 2 * 16 * 2
    asked = weight_requests(hub)
    assert {request.path.rpartition(".Q")[2] for request in asked} == {"8_0.gguf"}
    assert len(asked) > 1


def test_a_gguf_type_for_a_model_that_has_no_such_file_is_reckoned(hub: LoopbackHub) -> None:
    hub.add("them/talker", big())
    assert inb.fit("them/talker", "cpu", quantization="Q8_0").weights == pytest.approx(
        1_500_000 * 8.5 / 8, rel=0.01
    )


def test_a_server_that_ignores_ranges_does_not_send_the_whole_file(hub: LoopbackHub) -> None:
    hub.add("them/talker", big(60_000_000))
    hub.fault("*.safetensors", "ignore_range", host="cdn")
    assert inb.fit("them/talker", "cpu", "bfloat16").weights == 60_000_000
    assert weight_requests(hub)[0].sent < 60_000_000


@pytest.mark.parametrize(
    ("kind", "options"), [("reset_after", {"bytes": 40}), ("close_after", {"bytes": 40}), ("expired", {})]
)
def test_what_breaks_on_the_way_is_asked_for_again(
    hub: LoopbackHub, kind: Any, options: dict[str, Any]
) -> None:
    hub.add("them/talker", big())
    hub.fault("*.safetensors", kind, host="cdn", **options)
    assert inb.fit("them/talker", "cpu", "bfloat16").weights == 3_000_000


def test_a_hub_without_an_api_is_asked_by_known_names() -> None:
    with LoopbackHub(plain=True) as plain:
        plain.add("them/talker", big())
        assert inb.fit("them/talker", "cpu", "bfloat16", mirror=plain.endpoint).weights == 3_000_000
        assert all(request.sent <= headers.FIRST for request in plain.requests("*.safetensors"))


def test_a_plan_is_judged_without_asking_for_the_listing_again(hub: LoopbackHub) -> None:
    hub.add("them/talker", big())
    plan = inb.plan("them/talker")
    hub.forget()
    assert inb.fit(plan, "cpu", "bfloat16").weights == 3_000_000
    assert not [request for request in hub.log if request.is_api]


def test_pickled_weights_are_judged_by_their_size_and_that_is_said(hub: LoopbackHub) -> None:
    hub.add(
        "old/pickled", {"config.json": config(), "tokenizer.json": b"{}", "pytorch_model.bin": bytes(50_000)}
    )
    report = inb.fit("old/pickled", "cpu", "bfloat16")
    assert report.weights == 50_000
    assert report.estimated
    assert weight_requests(hub) == []


def test_a_gated_model_without_access_is_refused_and_with_a_token_judged(hub: LoopbackHub) -> None:
    hub.add("locked/gated", big(), gated="manual", allowed_tokens={"good"})
    with pytest.raises(GatedModel) as refused:
        inb.fit("locked/gated", "cpu", "bfloat16")
    assert refused.value.hint
    assert inb.fit("locked/gated", "cpu", "bfloat16", token="good").weights == 3_000_000
    assert all(request.token is None for request in hub.requests(host="cdn"))


@pytest.mark.parametrize("name", ["them/nothing", "nothing"])
def test_what_is_nowhere_is_not_found(hub: LoopbackHub, name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        inb.fit(name)
    assert refused.value.hint


def test_without_a_hub_a_bare_name_is_not_found_and_a_repository_not_reached(hub: LoopbackHub) -> None:
    hub.close()
    with pytest.raises(ModelNotFound):
        inb.fit("talker")
    with pytest.raises(HubUnreachable):
        inb.fit("them/talker")


@pytest.mark.parametrize(
    "asked",
    [{"dtype": "int3"}, {"quantization": "nf3"}, {"context": 0}, {"batch": 0}],
    ids=lambda asked: next(iter(asked)),
)
def test_bad_wishes_are_refused_before_the_hub_is_asked(hub: LoopbackHub, asked: dict[str, Any]) -> None:
    hub.add("them/talker", big())
    with pytest.raises(InvalidData) as refused:
        inb.fit("them/talker", "cpu", **asked)
    assert refused.value.hint
    assert hub.log == []
    assert inb.fit("them/talker", "cpu").fits == "yes"


def test_an_unknown_device_is_refused_before_the_hub_is_asked(hub: LoopbackHub) -> None:
    with pytest.raises(DeviceUnavailable):
        inb.fit("them/talker", "tpu")
    assert hub.log == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 100,
        struct.pack("<Q", 1 << 40) + bytes(100),
        struct.pack("<Q", 4) + b"[12]",
        struct.pack("<Q", 900) + b"{",
    ],
    ids=["empty", "noise", "endless", "no table", "cut off"],
)
def test_weights_that_are_none_are_refused_by_name(hub: LoopbackHub, data: bytes) -> None:
    files = {"config.json": config(), "tokenizer.json": b"{}", "model.safetensors": data}
    hub.add("them/broken", files, parameters={})
    with pytest.raises(BrokenModel, match=r"model\.safetensors") as refused:
        inb.fit("them/broken", "cpu")
    assert refused.value.hint


@pytest.mark.parametrize(
    "data", [b"GG", b"GGML" + bytes(90), b"GGUF" + struct.pack("<IQQ", 3, 9, 9) + bytes(30)]
)
def test_a_gguf_that_is_none_is_refused_by_name(hub: LoopbackHub, data: bytes) -> None:
    hub.add("them/broken", {"talker.Q4_K_M.gguf": data})
    with pytest.raises(BrokenModel, match="talker"):
        inb.fit("them/broken", "cpu")


def test_a_config_that_is_none_is_refused_by_name(hub: LoopbackHub) -> None:
    hub.add("them/broken", {**big(), "config.json": json.dumps([1]).encode()})
    with pytest.raises(BrokenModel, match=r"config\.json"):
        inb.fit("them/broken", "cpu")
