"""Packed weights: by bitsandbytes while loading, in the checkpoint, in GGUF files."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import influence_nb as inb
from influence_nb.api import as_recorded
from influence_nb.engine import device as devices
from influence_nb.engine import packed
from influence_nb.errors import (
    CapabilityMissing,
    DeviceUnavailable,
    InfluenceError,
    InvalidData,
    MissingExtra,
    UnsupportedModel,
)
from tests import qualities

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="needs the extra `quantization`"
)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for model in inb.loaded():
        model.unload()


@pytest.fixture
def folder(tiny_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "model"))


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """without(package): as if it were not installed."""

    def hide(package: str) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(packed, "find_spec", lambda name: None if name == package else found(name))

    return hide


@needs_bitsandbytes
@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_packed_while_loading(folder: Path, quantization: str) -> None:
    plain = inb.load(folder, device="cpu", dtype="float32")
    model = inb.load(folder, device="cpu", dtype="float32", quantization=quantization)
    assert model is not plain
    assert inb.load(folder, device="cpu", dtype="float32", quantization=quantization) is model
    assert inb.load(folder, device="cpu", dtype="float32") is plain
    fits = inb.fit(folder, device="cpu", dtype="float32", quantization=quantization)
    assert fits.weights == model.weights_size < plain.weights_size
    answer = model.generate("The quick", temperature=0, max_new_tokens=4)
    assert len(answer.ids) == 4
    assert answer.receipt.quantization == quantization
    assert inb.load(folder, **as_recorded(answer.receipt.to_dict())) is model
    assert plain.generate("The", max_new_tokens=1).receipt.quantization is None
    assert quantization in repr(model)
    report = model.report()
    assert report["quantization"] == quantization
    assert report["bits_per_weight"] == pytest.approx(8 * model.weights_size / report["parameters"], abs=0.01)
    assert report["quality"] is None
    held = model.weights_size
    model.unload()
    assert model.memory == 0 < held
    with pytest.raises(CapabilityMissing, match="was unloaded") as gone:
        model.generate("The")
    again = {"device": "cpu", "dtype": "float32", "quantization": quantization}
    assert model.arguments == {"model": str(folder), **again}
    assert f"inb.load({str(folder)!r}, device='cpu', dtype='float32', " in gone.value.hint


@needs_bitsandbytes
def test_quality_is_perplexity_beside_that_of_the_plain_weights(folder: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog, and how are you today?"
    model = inb.load(folder, device="cpu", dtype="float32", quantization="nf4")
    found = model.report(text)["quality"]
    assert inb.loaded() == [model]
    assert found["perplexity"] == model.score(text).perplexity
    plain = inb.load(folder, device="cpu", dtype="float32")
    assert found["unquantized"] == pytest.approx(plain.score(text).perplexity, rel=1e-6)
    assert found["ratio"] == pytest.approx(found["perplexity"] / found["unquantized"])
    assert plain.report(quality=True)["quality"]["ratio"] == 1
    assert inb.loaded() == [model, plain]


@pytest.mark.parametrize("said", ["int4", "", 8, "Q4_K_M", ["nf4"]])
def test_no_way_to_pack(folder: Path, said: Any) -> None:
    with pytest.raises(InvalidData, match="no way to pack") as refused:
        inb.load(folder, quantization=said)
    assert "int8, nf4" in refused.value.hint


def test_without_the_extra_the_hint_is_the_command(folder: Path, without: Callable[[str], None]) -> None:
    without("bitsandbytes")
    with pytest.raises(MissingExtra, match="bitsandbytes") as refused:
        inb.load(folder, device="cpu", quantization="nf4")
    assert "pip install 'influence_nb[quantization]'" in refused.value.hint
    assert inb.loaded() == []


@needs_bitsandbytes
def test_on_mps_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert packed.possible("mps") == ()
    assert packed.possible("cpu") == ("int8", "nf4")
    with pytest.raises(DeviceUnavailable, match="MPS"):
        inb.load(folder, device="mps", quantization="int8")


def mark(folder: Path, **how: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": how}))


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"quant_method": "gptq", "bits": 4}, MissingExtra, "optimum"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, MissingExtra, "gptqmodel"),
        (
            {"quant_method": "compressed-tensors", "format": "pack-quantized"},
            MissingExtra,
            "compressed-tensors",
        ),
        ({"quant_method": "aqlm"}, MissingExtra, "aqlm"),
        ({"quant_method": "fbgemm_fp8"}, DeviceUnavailable, "GPU"),
        ({"quant_method": "of-tomorrow"}, UnsupportedModel, "of-tomorrow"),
    ],
)
def test_a_packed_checkpoint_says_what_is_missing(
    folder: Path, how: dict[str, Any], error: type[InfluenceError], says: str
) -> None:
    if error is MissingExtra and importlib.util.find_spec(says.replace("-", "_")):
        pytest.skip(f"{says} is installed")
    if error is DeviceUnavailable and torch.cuda.is_available():
        pytest.skip("the hardware is there")
    mark(folder, **how)
    with pytest.raises(error, match=says) as refused:
        inb.load(folder, device="cpu")
    assert refused.value.hint
    if error is MissingExtra:
        assert refused.value.hint.startswith(f"pip install {says}")


def test_a_packed_checkpoint_is_not_packed_again(folder: Path) -> None:
    mark(folder, quant_method="gptq", bits=4)
    with pytest.raises(UnsupportedModel, match="packed already"):
        inb.load(folder, device="cpu", quantization="nf4")


@needs_bitsandbytes
def test_a_checkpoint_that_bitsandbytes_packed_is_loaded(folder: Path, tmp_path: Path) -> None:
    made = inb.load(folder, device="cpu", dtype="float32", quantization="nf4")
    before = made.generate("The quick", temperature=0, max_new_tokens=6).ids
    made.network.save_pretrained(tmp_path / "packed")
    made.tokenizer.save_pretrained(tmp_path / "packed")
    again = inb.load(tmp_path / "packed", device="cpu", dtype="float32")
    assert again.quantization == "nf4"
    assert again.generate("The quick", temperature=0, max_new_tokens=6).ids == before
    assert again.report(quality=True)["quality"]["unquantized"] is None


@pytest.mark.starter
def test_a_bare_gguf_is_unpacked(tmp_path: Path) -> None:
    inb.download("starter/chat")
    whole = inb.library()["starter/chat"]
    file = next(whole.path.parent.glob("*.gguf"))
    (tmp_path / file.name).symlink_to(file)
    model = inb.load(tmp_path / file.name, device="cpu", dtype="bfloat16")
    assert model.runtime == "transformers"
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    answer = model.generate(asked, temperature=0, max_new_tokens=8)
    assert "Paris" in answer.text
    assert answer.receipt.quantization == "Q4_1"
    starter = inb.load("starter/chat", device="cpu", dtype="bfloat16")
    assert starter.generate(asked, temperature=0, max_new_tokens=8).ids == answer.ids


def _write(file: Path, architecture: str, kind: str, size: int) -> Path:
    """A GGUF file of one tensor."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(file, architecture)
    writer.add_tensor("blk.0.w", np.zeros((1, size), np.uint8), raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.mark.parametrize(
    ("name", "architecture", "kind", "size", "said"),
    [
        ("odd.gguf", "llama", "Q8_K", 292, "Q8_K"),  # a type that cannot be unpacked
        ("odd.gguf", "plamo9", "F32", 16, "plamo9"),  # an architecture that only llama.cpp may know
        ("odd-00001-of-00002.gguf", "llama", "F32", 16, "one of 2 parts"),
    ],
)
@pytest.mark.parametrize("as_folder", [True, False])
def test_what_only_llama_cpp_may_read_points_there(
    tmp_path: Path, name: str, architecture: str, kind: str, size: int, said: str, as_folder: bool
) -> None:
    file = _write(tmp_path / name, architecture, kind, size)
    with pytest.raises(UnsupportedModel, match=said) as refused:
        inb.load(tmp_path if as_folder else file, runtime="transformers")
    assert "runtime='llama.cpp'" in refused.value.hint


@needs_bitsandbytes
@pytest.mark.gpu
@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_on_a_gpu(folder: Path, quantization: str) -> None:
    before = torch.cuda.memory_allocated()
    model = inb.load(folder, device="cuda", quantization=quantization)
    assert len(model.generate("The quick", temperature=0, max_new_tokens=4).ids) == 4
    model.unload()
    assert torch.cuda.memory_allocated() <= before + 2**20
    assert devices.budget("cuda").free > 0


def test_the_table_of_quality_is_whole() -> None:
    rows = qualities.rows()
    assert tuple(rows[0]) == qualities.COLUMNS
    assert [(row["dtype"], row["quantization"]) for row in rows] == [
        (dtype, quantization or "none") for dtype, quantization in qualities.WAYS
    ]


@needs_bitsandbytes
@pytest.mark.starter
@pytest.mark.parametrize("way", [0, 3])
def test_the_table_of_quality_holds_here(way: int) -> None:
    row = qualities.rows()[way]
    found, size, bits = qualities.perplexity(*qualities.WAYS[way])
    assert found == pytest.approx(
        float(row["perplexity"]), rel=0.05
    )  # CPUs multiply bfloat16 in ways of their own
    assert row["weights"] == f"{size / 1e6:.0f} MB"
    assert row["bits a weight"] == f"{bits:.1f}"
