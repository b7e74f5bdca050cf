"""What a model's folder is said to hold, and what a broken one is said to lack."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from folders import write_gguf, write_model
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from influence_nb.errors import BrokenModel
from influence_nb.store.folder import gguf_of
from influence_nb.store.models import LocalModel

pytestmark = pytest.mark.usefixtures("tmp_home")


def broken(folder: Path) -> BrokenModel:
    with pytest.raises(BrokenModel) as caught:
        LocalModel.from_folder(folder)
    assert caught.value.hint
    return caught.value


def test_a_whole_folder(tmp_path: Path) -> None:
    model = LocalModel.from_folder(write_model(tmp_path / "tiny"))
    assert (model.name, model.source, model.format) == ("tiny", "folder", "safetensors")
    assert (model.architecture, model.dtype, model.quantization) == ("LlamaForCausalLM", "bfloat16", None)
    assert model.parameters == 12
    assert model.size == sum(file.stat().st_size for file in (tmp_path / "tiny").iterdir())
    assert (model.revision, model.last_used, model.verified) == (None, None, None)
    assert model.kind == "chat"


def test_shards_are_counted_together(tmp_path: Path) -> None:
    assert LocalModel.from_folder(write_model(tmp_path, shards=3)).parameters == 36


def test_dtype_comes_from_the_weights_where_the_config_is_silent(tmp_path: Path) -> None:
    assert LocalModel.from_folder(write_model(tmp_path, {"dtype": None})).dtype == "float16"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "nf4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
    ],
)
def test_quantization(tmp_path: Path, how: dict[str, object], said: str) -> None:
    assert LocalModel.from_folder(write_model(tmp_path, {"quantization_config": how})).quantization == said


def test_packed_weights_do_not_pretend_to_a_count(tmp_path: Path) -> None:
    folder = write_model(tmp_path, {"quantization_config": {"load_in_4bit": True}})
    save_file({"packed": np.zeros(8, np.uint8)}, folder / "model.safetensors")
    assert LocalModel.from_folder(folder).parameters is None


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("BertModel", "embedding"), ("BertForMaskedLM", "embedding"), ("GPT2LMHeadModel", "chat")],
)
def test_kind_by_architecture(tmp_path: Path, architecture: str, kind: str) -> None:
    assert LocalModel.from_folder(write_model(tmp_path, {"architectures": [architecture]})).kind == kind


def test_a_sentence_transformers_folder_is_for_embedding(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "modules.json").write_text("[]")
    assert LocalModel.from_folder(tmp_path).kind == "embedding"


@pytest.mark.parametrize(
    "name", ["tokenizer.model", "vocab.txt", "tokenizer.json", "vocab.json and merges.txt"]
)
def test_each_kind_of_tokenizer_will_do(tmp_path: Path, name: str) -> None:
    write_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    for part in name.split(" and "):
        (tmp_path / part).write_text("{}")
    assert LocalModel.from_folder(tmp_path).parameters == 12


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer"),
        ("model.safetensors", "model.safetensors"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str, named: str) -> None:
    write_model(tmp_path)
    (tmp_path / missing).unlink()
    assert named in broken(tmp_path).message


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_model(tmp_path, shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    assert "model-00002-of-00003.safetensors" in broken(tmp_path).message


def test_vocab_without_merges(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "vocab.json")
    assert "merges.txt" in broken(tmp_path).message


def test_no_folder(tmp_path: Path) -> None:
    assert "There is no folder or file" in broken(tmp_path / "nowhere").message


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_config_that_is_not_one(tmp_path: Path, text: str) -> None:
    write_model(tmp_path)
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    assert "config.json" in broken(tmp_path).message


@pytest.mark.parametrize(("change", "word"), [(-5, "truncated"), (7, "damaged")])
def test_a_file_of_another_length_says_both(tmp_path: Path, change: int, word: str) -> None:
    file = write_model(tmp_path) / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:change] if change < 0 else data + bytes(change))
    message = broken(tmp_path).message
    assert f"model.safetensors is {word}: expected {len(data)} bytes, it has {len(data) + change}" in message


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x10\0\0", id="shorter than its length field"),
        pytest.param(struct.pack("<Q", 10**12) + b"{}", id="header beyond the file"),
        pytest.param(struct.pack("<Q", 4) + b"nope", id="header not JSON"),
        pytest.param(struct.pack("<Q", 2) + b"[]", id="header not an object"),
        pytest.param(struct.pack("<Q", 9) + b'{"a": {}}', id="entry without fields"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", id="LFS pointer"),
    ],
)
def test_what_is_not_safetensors(tmp_path: Path, data: bytes) -> None:
    (write_model(tmp_path) / "model.safetensors").write_bytes(data)
    assert "model.safetensors is" in broken(tmp_path).message


def test_tensors_that_leave_a_hole(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}}).encode()
    (write_model(tmp_path) / "model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + bytes(8)
    )
    assert "starts at byte 4 of the data, expected 0" in broken(tmp_path).message


@given(cut=st.integers(min_value=0, max_value=250))
def test_no_cut_of_a_file_passes_as_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = write_model(tmp_path_factory.mktemp("cut"))
    file = folder / "model.safetensors"
    data = file.read_bytes()
    assert len(data) < 250 or cut < len(data)
    if cut < len(data):
        file.write_bytes(data[:cut])
        broken(folder)


def test_a_folder_with_nothing_but_a_gguf_is_a_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny" / "Tiny.Q4_K_M.gguf")
    model = LocalModel.from_folder(tmp_path / "tiny")
    assert (model.format, model.architecture, model.quantization) == ("gguf", "llama", "Q4_K_M")
    assert (model.parameters, model.kind) == (16, "chat")


@pytest.mark.parametrize("name", ["tiny.gguf", "TINY.GGUF", "tiny"])
def test_a_gguf_file_by_any_name_says_what_most_of_it_is_packed_as(tmp_path: Path, name: str) -> None:
    write_gguf(tmp_path / name)
    assert LocalModel.from_folder(tmp_path / name).quantization == "F32"


def test_of_several_gguf_files_one_has_to_be_chosen(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / name)
    with pytest.raises(BrokenModel, match=r"several GGUF files: a\.gguf, b\.gguf") as refused:
        gguf_of(tmp_path)
    assert str(tmp_path / "a.gguf") in refused.value.hint
    assert gguf_of(tmp_path / "b.gguf") == tmp_path / "b.gguf"


def test_a_gguf_encoder_is_for_embedding(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", architecture="nomic-bert")
    assert LocalModel.from_folder(tmp_path).kind == "embedding"


def test_a_gguf_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"PK\x03\x04 something else")
    assert "tiny.gguf is not a GGUF file" in broken(tmp_path).message


@given(cut=st.integers(min_value=0, max_value=10**6))
def test_a_gguf_cut_off_before_its_data(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = write_gguf(tmp_path_factory.mktemp("cut") / "tiny.gguf", data=b"")
    file.write_bytes(file.read_bytes()[: cut % (file.stat().st_size + 1)])
    assert "tiny.gguf is" in broken(file.parent).message


def test_an_empty_pytorch_file(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"something")
    assert LocalModel.from_folder(tmp_path).format == "pytorch"
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "pytorch_model.bin is empty" in broken(tmp_path).message


@pytest.mark.parametrize("odd", [5, [5], {"a": "b"}])
def test_odd_architectures_are_refused(tmp_path: Path, odd: object) -> None:
    assert "config.json" in broken(write_model(tmp_path, {"architectures": odd})).message


def test_one_architecture_without_a_list(tmp_path: Path) -> None:
    assert LocalModel.from_folder(write_model(tmp_path, {"architectures": "Llama"})).architecture == "Llama"


def test_an_index_that_names_no_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path, shards=2)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": 5}}')
    assert "model.safetensors.index.json" in broken(folder).message


@pytest.mark.parametrize("name", ["model.safetensors", "tiny.gguf"])
@pytest.mark.parametrize("dead_link", [True, False])
def test_weights_that_are_no_file(tmp_path: Path, name: str, dead_link: bool) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").unlink()
    if name == "tiny.gguf":
        (folder / "config.json").unlink()
    weights = folder / name
    weights.symlink_to(tmp_path / "gone") if dead_link else weights.mkdir()
    assert str(folder) in broken(folder).message


@pytest.mark.parametrize("path", [5, None, "a\0b", "~nobody-of-that-name/model"])
def test_what_is_no_folder(path: object) -> None:
    with pytest.raises(BrokenModel) as caught:
        LocalModel.from_folder(path)
    assert caught.value.hint
